//! The gradient of the weights: the gradient of the transformed kernels, `Σ_tiles (Bᵀ d B) ⊗ (A y Aᵀ)` for each of the
//! sixteen elements, transformed back with `Gᵀ u G`.

use super::{
    ELEMENTS, Grid,
    transform::{Layout, ToTiles, gradient_to_tiles, to_tiles},
};
use crate::{
    arch::{self, Buffer, LANES, Outer},
    conv3x3::geometry::Geometry,
    partials,
};
use rayon::prelude::*;

/// Values of both transformed tiles for each of their elements that should stay in the second-level cache.
const ROOM: usize = 6 << 10;

/// `x` and the gradient of the output to the gradient of the weights.
pub(in crate::conv3x3) fn weight_gradient(geometry: &Geometry, x: &[f32], gradient: &[f32]) -> Buffer {
    let Geometry { batch, height, width, inputs, outputs, .. } = *geometry;
    let grid = Grid::new(height, width);
    let rows = grid.rows_for(ROOM / (inputs + outputs)).min(batch * grid.down);
    let tiles = rows * grid.across;
    let sum = partials::sum(batch, ELEMENTS * inputs * outputs, |images, sums| {
        let mut left = Buffer::new(ELEMENTS * tiles * inputs);
        let mut right = Buffer::new(ELEMENTS * tiles * outputs);
        let (start, end) = (images.start * grid.down, images.end * grid.down);
        for first_row in (start..end).step_by(rows) {
            let rows = rows.min(end - first_row);
            let tiles = rows * grid.across;
            let band = |source, channels| ToTiles {
                grid,
                source,
                channels,
                first_row,
                rows,
                layout: Layout::rows(tiles, channels),
            };
            to_tiles(&band(x, inputs), &mut left);
            gradient_to_tiles(&band(gradient, outputs), &mut right);
            for (element, sums) in sums.chunks_exact_mut(inputs * outputs).enumerate() {
                arch::run(Outer {
                    x: &left[element * tiles * inputs..],
                    x_row: 0,
                    x_step: inputs,
                    inputs,
                    y: &right[element * tiles * outputs..],
                    y_row: 0,
                    y_step: outputs,
                    outputs,
                    rows: 1,
                    columns: tiles,
                    sums,
                });
            }
        }
    });
    let mut weight = Buffer::new(9 * inputs * outputs);
    // sixteen outputs at a time, which lie side by side in the sums
    weight.par_chunks_mut(LANES * 9 * inputs).enumerate().for_each(|(block, weight)| {
        for input in 0..inputs {
            for (output, weight) in (block * LANES..).zip(weight.chunks_exact_mut(9 * inputs)) {
                let elements = std::array::from_fn(|element| sum[(element * inputs + input) * outputs + output]);
                weight[9 * input..9 * input + 9].copy_from_slice(&kernel_gradient(elements));
            }
        }
    });
    weight
}

/// `Gᵀ u G`.
fn kernel_gradient(u: [f32; ELEMENTS]) -> [f32; 9] {
    let along = |[a, b, c, d]: [f32; 4]| [a + 0.5 * (b + c), 0.5 * (b - c), 0.5 * (b + c) + d];
    let columns: [[f32; 3]; 4] =
        std::array::from_fn(|column| along([u[column], u[4 + column], u[8 + column], u[12 + column]]));
    let mut kernel = [0.0; 9];
    for row in 0..3 {
        let values = along([columns[0][row], columns[1][row], columns[2][row], columns[3][row]]);
        kernel[3 * row..3 * row + 3].copy_from_slice(&values);
    }
    kernel
}
