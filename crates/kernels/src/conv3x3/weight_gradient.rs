//! The gradient of the weights: sums of outer products of the inputs around every pixel with its output gradient.

use super::geometry::Geometry;
use crate::{
    arch::{self, Buffer, Outer},
    partials,
};
use rayon::prelude::*;

/// Values of both factors that a tile of rows should not exceed, so that it stays in the first-level cache.
const TILE: usize = 6 << 10;

/// `x` and the gradient of the output to the gradient of the weights.
pub(super) fn weight_gradient(geometry: &Geometry, x: &[f32], gradient: &[f32]) -> Buffer {
    let Geometry { batch, inputs, outputs, .. } = *geometry;
    let length = 9 * inputs * outputs;
    let sum = partials::sum(batch, length, |images, sums| {
        let mut bordered = Buffer::zeroed((geometry.height + 2) * (geometry.width + 2) * inputs);
        for image in images {
            add_image(geometry, image, x, gradient, &mut bordered, sums);
        }
    });
    // from [kernel row, kernel column, input, output] to [output, input, kernel row, kernel column]
    let mut weight = Buffer::new(length);
    weight.par_chunks_mut(9 * inputs).enumerate().for_each(|(output, weight)| {
        for (input, kernel) in weight.chunks_exact_mut(9).enumerate() {
            for (tap, value) in kernel.iter_mut().enumerate() {
                *value = sum[(tap * inputs + input) * outputs + output];
            }
        }
    });
    weight
}

fn add_image(geometry: &Geometry, image: usize, x: &[f32], gradient: &[f32], bordered: &mut [f32], sums: &mut [f32]) {
    let Geometry { height, width, inputs, outputs, stride, .. } = *geometry;
    let (rows, columns) = (geometry.output_height(), geometry.output_width());
    let row = width * inputs;
    let bordered_row = row + 2 * inputs;
    let from = &x[image * height * row..][..height * row];
    for (from, to) in from.chunks_exact(row).zip(bordered[bordered_row..].chunks_exact_mut(bordered_row)) {
        to[inputs..inputs + row].copy_from_slice(from);
    }
    let gradient = &gradient[image * rows * columns * outputs..][..rows * columns * outputs];
    let tile = (TILE / (columns * outputs + stride * bordered_row)).clamp(1, rows);
    for start in (0..rows).step_by(tile) {
        for (kernel_row, sums) in sums.chunks_exact_mut(3 * inputs * outputs).enumerate() {
            arch::run(Outer {
                x: &bordered[(start * stride + kernel_row) * bordered_row..],
                x_row: stride * bordered_row,
                x_step: stride * inputs,
                inputs: 3 * inputs,
                y: &gradient[start * columns * outputs..],
                y_row: columns * outputs,
                y_step: outputs,
                outputs,
                rows: tile.min(rows - start),
                columns,
                sums,
                adds: true,
            });
        }
    }
}
