//! Images of a single pixel, of which nothing but the centre of the kernels sees more than the border.

use super::geometry::Geometry;
use crate::{
    arch::Buffer,
    linear::product::{Packed, outer},
};

const CENTER: usize = 4;

/// Whether this way is possible.
pub(super) fn suits(geometry: &Geometry) -> bool {
    geometry.height == 1 && geometry.width == 1
}

/// `x` and `weight` to the output.
pub(super) fn forward(geometry: &Geometry, x: &[f32], weight: &[f32]) -> Buffer {
    let Geometry { inputs, outputs, .. } = *geometry;
    let matrix = Packed::new(inputs, outputs, |input, output| weight[(output * inputs + input) * 9 + CENTER]);
    matrix.multiply(x, None, |_| {})
}

/// The gradient of the output and `weight` to the gradient of `x`.
pub(super) fn input_gradient(geometry: &Geometry, gradient: &[f32], weight: &[f32]) -> Buffer {
    let Geometry { inputs, outputs, .. } = *geometry;
    let matrix = Packed::new(outputs, inputs, |output, input| weight[(output * inputs + input) * 9 + CENTER]);
    matrix.multiply(gradient, None, |_| {})
}

/// `x` and the gradient of the output to the gradient of the weights.
pub(super) fn weight_gradient(geometry: &Geometry, x: &[f32], gradient: &[f32]) -> Buffer {
    let Geometry { inputs, outputs, .. } = *geometry;
    let products = outer(gradient, outputs, x, inputs);
    let mut weight = Buffer::zeroed(9 * inputs * outputs);
    for (kernel, &product) in weight.as_chunks_mut::<9>().0.iter_mut().zip(products.iter()) {
        kernel[CENTER] = product;
    }
    weight
}
