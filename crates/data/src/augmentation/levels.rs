//! An image with other contrast and other mid-tones.

use rand::{Rng, RngExt};

/// How far the levels of an image may change.
pub(super) struct Bounds {
    /// The share by which they are multiplied up or down.
    pub(super) contrast: f64,
    /// 1 + gamma is the largest power that they are raised to, its reciprocal the smallest.
    pub(super) gamma: f64,
}

/// Raises all levels to one power and multiplies them by one factor, at random; they stay within 0 and 1, and black stays
/// black.
pub(super) fn change(image: &mut [f32], bounds: &Bounds, random: &mut impl Rng) {
    let factor = (1.0 + random.random_range(-1.0..=1.0) * bounds.contrast) as f32;
    let power = (1.0 + bounds.gamma).powf(random.random_range(-1.0..=1.0)) as f32;
    for level in image {
        *level = (factor * level.powf(power)).clamp(0.0, 1.0);
    }
}
