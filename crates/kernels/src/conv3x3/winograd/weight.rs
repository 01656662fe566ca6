//! The gradient of the weights: the gradient of the transformed kernels, `Σ_tiles (Bᵀ d B) ⊗ (A y Aᵀ)` for each of the
//! elements, transformed back with `Gᵀ u G`.

use super::{
    tiles::{EDGE, ELEMENTS, Grid, KERNEL},
    transform::{Layout, ToTiles, gradient_to_tiles, to_tiles},
};
use crate::{
    arch::{self, Buffer, Kernel, LANES, Outer, Simd},
    conv3x3::geometry::Geometry,
    partials,
};
use rayon::prelude::*;

/// Tiles that are transformed at a time.
const TILES: usize = 28;

/// Values of all transformed tiles that should stay in the last-level cache until their products are summed.
const ROOM: usize = 1 << 20;

/// Blocks of tiles after which the sums are read and written at the least.
const BLOCKS: usize = 4;

/// Values of the sums that stay in the second-level cache besides the tiles of a task.
const SUMS: usize = 1 << 19;

/// `x` and the gradient of the output to the gradient of the weights.
pub(in crate::conv3x3) fn weight_gradient(geometry: &Geometry, x: &[f32], gradient: &[f32]) -> Buffer {
    let Geometry { inputs, outputs, .. } = *geometry;
    let sums = if ELEMENTS * inputs * outputs <= SUMS {
        sum_by_images(geometry, x, gradient)
    } else {
        sum_by_elements(geometry, x, gradient)
    };
    let mut weight = Buffer::new(9 * inputs * outputs);
    // sixteen outputs at a time, which lie side by side in the sums
    weight.par_chunks_mut(LANES * 9 * inputs).enumerate().for_each(|(block, weight)| {
        arch::run(KernelGradients { sums: &sums, inputs, outputs, first: block * LANES, weight });
    });
    weight
}

/// The sums of a few channels: every task has sums of its own for some of the images.
fn sum_by_images(geometry: &Geometry, x: &[f32], gradient: &[f32]) -> Buffer {
    let Geometry { batch, height, width, inputs, outputs, .. } = *geometry;
    let grid = Grid::new(height, width);
    let rows = grid.rows_for(TILES).min(batch * grid.down);
    let block = ELEMENTS * rows * grid.across;
    partials::sum_of_written(batch, ELEMENTS * inputs * outputs, |images, sums| {
        let (mut left, mut right) = (Buffer::new(block * inputs), Buffer::new(block * outputs));
        let (start, end) = (images.start * grid.down, images.end * grid.down);
        for first_row in (start..end).step_by(rows) {
            let rows = rows.min(end - first_row);
            let columns = rows * grid.across;
            let tiles = |source, channels| ToTiles {
                grid,
                source,
                channels,
                first_row,
                rows,
                layout: Layout::rows(columns, channels),
            };
            to_tiles(&tiles(x, inputs), &mut left);
            gradient_to_tiles(&tiles(gradient, outputs), &mut right);
            for (element, sums) in sums.chunks_exact_mut(inputs * outputs).enumerate() {
                arch::run(Outer {
                    x: &left[element * columns * inputs..],
                    x_row: 0,
                    x_step: inputs,
                    inputs,
                    y: &right[element * columns * outputs..],
                    y_row: 0,
                    y_step: outputs,
                    outputs,
                    rows: 1,
                    columns,
                    sums,
                    adds: first_row > start,
                });
            }
        }
    })
}

/// The sums of many channels: there is one copy of them, and every task sums some of their elements.
fn sum_by_elements(geometry: &Geometry, x: &[f32], gradient: &[f32]) -> Buffer {
    let Geometry { batch, height, width, inputs, outputs, .. } = *geometry;
    let grid = Grid::new(height, width);
    let all_rows = batch * grid.down;
    let rows = grid.rows_for(TILES).min(all_rows);
    let block = ELEMENTS * rows * grid.across;
    let blocks = (ROOM / (block * (inputs + outputs))).max(BLOCKS).min(all_rows.div_ceil(rows));
    let mut left = Buffer::new(blocks * block * inputs);
    let mut right = Buffer::new(blocks * block * outputs);
    let mut sums = Buffer::new(ELEMENTS * inputs * outputs);
    for start in (0..all_rows).step_by(blocks * rows) {
        let used = all_rows.min(start + blocks * rows) - start;
        let tasks = left.par_chunks_mut(block * inputs).zip(right.par_chunks_mut(block * outputs));
        tasks.take(used.div_ceil(rows)).enumerate().for_each(|(index, (left, right))| {
            let rows = rows.min(used - index * rows);
            let tiles = |source, channels| ToTiles {
                grid,
                source,
                channels,
                first_row: start + index * (block / ELEMENTS / grid.across),
                rows,
                layout: Layout::rows(rows * grid.across, channels),
            };
            to_tiles(&tiles(x, inputs), left);
            gradient_to_tiles(&tiles(gradient, outputs), right);
        });
        // each element is summed by one task, over all tiles in their order
        let (full, last) = (used / rows, used % rows);
        sums.par_chunks_mut(inputs * outputs).enumerate().for_each(|(element, sums)| {
            for (first, blocks, rows) in [(0, full, rows), (full, usize::from(last > 0), last)] {
                if blocks == 0 {
                    continue;
                }
                let columns = rows * grid.across;
                arch::run(Outer {
                    x: &left[(first * block + element * columns) * inputs..],
                    x_row: block * inputs,
                    x_step: inputs,
                    inputs,
                    y: &right[(first * block + element * columns) * outputs..],
                    y_row: block * outputs,
                    y_step: outputs,
                    outputs,
                    rows: blocks,
                    columns,
                    sums,
                    adds: start > 0 || first > 0,
                });
            }
        });
    }
    sums
}

/// `Gᵀ u G` of sixteen outputs and all inputs.
struct KernelGradients<'a> {
    /// `[elements, inputs, outputs]`.
    sums: &'a [f32],
    inputs: usize,
    outputs: usize,
    first: usize,
    /// `[outputs, inputs, 9]` from the first output on.
    weight: &'a mut [f32],
}

impl Kernel for KernelGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { sums, inputs, outputs, first, weight } = self;
        let last = outputs.min(first + LANES);
        for input in 0..inputs {
            let mut taps = [simd.splat(0.0); 9];
            for element in 0..ELEMENTS {
                let (down, across) = (KERNEL[element / EDGE], KERNEL[element % EDGE]);
                let at = (element * inputs + input) * outputs;
                let value = simd.load(&sums[at + first..at + last]);
                for (index, tap) in taps.iter_mut().enumerate() {
                    let factor = simd.splat((down[index / 3] * across[index % 3]) as f32);
                    *tap = simd.multiply_add(value, factor, *tap);
                }
            }
            for (index, tap) in taps.into_iter().enumerate() {
                let values = simd.to_array(tap);
                for (kernel, value) in weight.chunks_exact_mut(9 * inputs).zip(values) {
                    kernel[9 * input + index] = value;
                }
            }
        }
    }
}
