//! An image in other light: brightness, mid-tones, contrast and noise.

use rand::distr::Distribution;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use tinylsa_shape::ImageShape;

/// How far the levels of an image may change.
pub(super) struct Bounds {
    /// The share by which they are multiplied up or down.
    pub(super) brightness: f64,
    /// 1 + gamma is the largest power that they are raised to, its reciprocal the smallest.
    pub(super) gamma: f64,
    /// The share of the contrast that is lost.
    pub(super) contrast: f64,
    /// The standard deviation of the noise.
    pub(super) noise: f64,
}

/// Raises all levels to one power, multiplies them by one factor, moves them towards the mean of their channel and adds
/// noise, all by amounts drawn for the image; levels stay within 0 and 1.
pub(super) fn change(image: &mut [f32], shape: ImageShape, bounds: &Bounds, random: &mut impl Rng) {
    let factor = (1.0 + random.random_range(-1.0..=1.0) * bounds.brightness) as f32;
    let power = (1.0 + bounds.gamma).powf(random.random_range(-1.0..=1.0)) as f32;
    let left = (1.0 - random.random_range(0.0..=1.0) * bounds.contrast) as f32;
    let deviation = (random.random_range(0.0..=1.0) * bounds.noise) as f32;
    for channel in image.chunks_exact_mut(shape.pixels()) {
        for level in &mut *channel {
            *level = (factor * level.powf(power)).clamp(0.0, 1.0);
        }
        let mean = channel.iter().sum::<f32>() / channel.len() as f32;
        for level in channel {
            let noise: f32 = if deviation > 0.0 { StandardNormal.sample(random) } else { 0.0 };
            *level = (mean + left * (*level - mean) + deviation * noise).clamp(0.0, 1.0);
        }
    }
}
