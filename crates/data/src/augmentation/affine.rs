//! An image turned and scaled about its middle.

use rand::{Rng, RngExt};
use tinylsa_shape::ImageShape;

/// How far an image may be turned and scaled.
pub(super) struct Bounds {
    /// Degrees to either side.
    pub(super) rotation: f64,
    /// The share by which it is made larger or smaller.
    pub(super) scaling: f64,
}

/// Where each place of the new image lies in the old one.
struct Affine {
    /// Cosine and sine of the angle, divided by the scale.
    turned: [f64; 2],
    middle: [f64; 2],
}

/// The levels of an image turned and scaled at random, every channel alike. Between pixels values are interpolated; beyond
/// the edge is black.
pub(super) fn turned_and_scaled(levels: &[f32], shape: ImageShape, bounds: &Bounds, random: &mut impl Rng) -> Vec<f32> {
    let angle = random.random_range(-1.0..=1.0) * bounds.rotation.to_radians();
    let scale = 1.0 + random.random_range(-1.0..=1.0) * bounds.scaling;
    let middle = [shape.height, shape.width].map(|side| (side as f64 - 1.0) / 2.0);
    let affine = Affine { turned: [angle.cos() / scale, angle.sin() / scale], middle };
    levels.chunks_exact(shape.pixels()).flat_map(|channel| affine.sampled(channel, shape)).collect()
}

impl Affine {
    fn sampled(&self, channel: &[f32], shape: ImageShape) -> Vec<f32> {
        let places = (0..shape.height).flat_map(|row| (0..shape.width).map(move |column| [row, column]));
        places.map(|place| interpolated(channel, shape, self.source(place))).collect()
    }

    fn source(&self, [row, column]: [usize; 2]) -> [f64; 2] {
        let ([cosine, sine], [middle_row, middle_column]) = (self.turned, self.middle);
        let (down, right) = (row as f64 - middle_row, column as f64 - middle_column);
        [middle_row + cosine * down + sine * right, middle_column + cosine * right - sine * down]
    }
}

/// The value between the four pixels around a place.
fn interpolated(channel: &[f32], shape: ImageShape, [row, column]: [f64; 2]) -> f32 {
    let (top, left) = (row.floor(), column.floor());
    let (below, beside) = ((row - top) as f32, (column - left) as f32);
    let at = |row: f64, column: f64| {
        let is_inside = row >= 0.0 && column >= 0.0 && row < shape.height as f64 && column < shape.width as f64;
        if is_inside { channel[row as usize * shape.width + column as usize] } else { 0.0 }
    };
    let of_row = |row: f64| (1.0 - beside) * at(row, left) + beside * at(row, left + 1.0);
    (1.0 - below) * of_row(top) + below * of_row(top + 1.0)
}
