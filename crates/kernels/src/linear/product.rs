//! Products of rows with a matrix, cut into chunks of rows that stay in the cache.

use crate::arch::{self, Buffer, Kernel, LANES, Level, Multiply, Outer, Simd};
use crate::partials;
use rayon::prelude::*;
use std::ops::Range;

/// Rows of a chunk: a multiple of the tiles of all instruction sets where that matters.
const ROWS: usize = 56;

/// Elements of a matrix for each [`ROWS`] of a chunk. A large matrix comes from the last-level cache for every chunk, which
/// has to be worth it.
const ELEMENTS_PER_ROWS: usize = 1 << 17;

/// The most rows of a chunk.
const MOST_ROWS: usize = 4 * ROWS;

/// A matrix ready for products from the right.
pub(crate) struct Packed {
    inputs: usize,
    outputs: usize,
    weight: Buffer,
}

impl Packed {
    /// Packs the matrix `[inputs, outputs]` that `element(input, output)` gives.
    pub(crate) fn new(inputs: usize, outputs: usize, element: impl Fn(usize, usize) -> f32) -> Self {
        let mut weight = Buffer::new(Multiply::packed_length(1, inputs, outputs));
        Multiply::pack(Level::chosen(), &mut weight, 1, inputs, outputs, |_, input, output| element(input, output));
        Self { inputs, outputs, weight }
    }

    /// The product of `x` with the matrix, plus the bias. `finish` may change a chunk of results while it is
    /// in the cache.
    pub(crate) fn multiply(&self, x: &[f32], bias: Option<&[f32]>, finish: impl Fn(&mut [f32]) + Sync) -> Buffer {
        let rows = x.len() / self.inputs;
        let mut output = Buffer::new(rows * self.outputs);
        let chunk = ROWS * (self.inputs * self.outputs / ELEMENTS_PER_ROWS).clamp(1, MOST_ROWS / ROWS);
        let chunk = partials::evenly(rows, chunk);
        let chunks = output.par_chunks_mut(chunk * self.outputs).zip(x.par_chunks(chunk * self.inputs));
        chunks.for_each(|(output, x)| {
            self.multiply_rows(x, bias, output);
            finish(output);
        });
        output
    }

    /// The product of a few rows with the matrix, plus the bias.
    pub(crate) fn multiply_rows(&self, x: &[f32], bias: Option<&[f32]>, output: &mut [f32]) {
        arch::run(Multiply {
            input: x,
            channels: self.inputs,
            plane: LANES,
            row: 0,
            step: self.inputs,
            taps: &[0],
            weight: &self.weight,
            bias,
            rows: 1,
            columns: x.len() / self.inputs,
            outputs: self.outputs,
            output,
            output_row: 0,
            output_step: self.outputs,
        });
    }
}

/// `xᵀ · y`, and after it the sums of the columns of `y`: `[inputs + 1, outputs]`.
pub(crate) fn outer(x: &[f32], inputs: usize, y: &[f32], outputs: usize) -> Buffer {
    if inputs * outputs > BLOCK * BLOCK {
        outer_by_blocks(x, inputs, y, outputs)
    } else {
        outer_by_rows(x, inputs, y, outputs)
    }
}

/// The sums of a small matrix: every task has sums of its own for some of the rows.
fn outer_by_rows(x: &[f32], inputs: usize, y: &[f32], outputs: usize) -> Buffer {
    let rows = x.len() / inputs;
    partials::sum(rows.div_ceil(ROWS), (inputs + 1) * outputs, |chunks, sums| {
        let (start, end) = (chunks.start * ROWS, rows.min(chunks.end * ROWS));
        for start in (start..end).step_by(ROWS) {
            let rows = start..end.min(start + ROWS);
            let (x, y) = (&x[rows.start * inputs..rows.end * inputs], &y[rows.start * outputs..rows.end * outputs]);
            add_outer(x, inputs, y, outputs, sums);
        }
    })
}

/// Rows and columns of the sums that a task keeps in the second-level cache.
const BLOCK: usize = 256;

/// Rows whose factors a task copies side by side before they are multiplied.
const BLOCK_ROWS: usize = 112;

/// What lies between the copies of two rows, so that they do not compete for the same places of the first-level cache.
const GAP: usize = LANES;

/// The sums of a large matrix: every task has a block of them for all rows.
fn outer_by_blocks(x: &[f32], inputs: usize, y: &[f32], outputs: usize) -> Buffer {
    let (down, across) = (inputs.div_ceil(BLOCK), outputs.div_ceil(BLOCK));
    let part = |index: usize, of: usize| index * BLOCK..of.min((index + 1) * BLOCK);
    let blocks: Vec<Buffer> = (0..down * across)
        .into_par_iter()
        .map(|block| {
            let left = Columns { values: x, width: inputs, part: part(block / across, inputs) };
            let right = Columns { values: y, width: outputs, part: part(block % across, outputs) };
            outer_of_columns(&left, &right, block < across)
        })
        .collect();
    let mut sums = Buffer::new((inputs + 1) * outputs);
    for (index, block) in blocks.iter().enumerate() {
        let (rows, columns) = (part(index / across, inputs), part(index % across, outputs));
        let (block, column_sums) = block.split_at(rows.len() * columns.len());
        for (row, block) in rows.zip(block.chunks_exact(columns.len())) {
            sums[row * outputs..][columns.clone()].copy_from_slice(block);
        }
        if index < across {
            sums[inputs * outputs..][columns].copy_from_slice(column_sums);
        }
    }
    sums
}

/// Some neighbouring columns of a matrix.
struct Columns<'a> {
    values: &'a [f32],
    width: usize,
    part: Range<usize>,
}

impl Columns<'_> {
    /// Distance between the copies of two rows.
    fn step(&self) -> usize {
        self.part.len() + GAP
    }

    /// Copies rows side by side, which are cut to the columns.
    fn copy(&self, rows: Range<usize>, to: &mut [f32]) {
        let from = self.values[rows.start * self.width..rows.end * self.width].chunks_exact(self.width);
        for (from, to) in from.zip(to.chunks_exact_mut(self.step())) {
            to[..self.part.len()].copy_from_slice(&from[self.part.clone()]);
        }
    }
}

/// A block of the sums, and after it the sums of the right columns if they are asked for.
fn outer_of_columns(left: &Columns<'_>, right: &Columns<'_>, with_column_sums: bool) -> Buffer {
    let (inputs, outputs) = (left.part.len(), right.part.len());
    let rows = left.values.len() / left.width;
    let (mut x, mut y) = (Buffer::new(BLOCK_ROWS * left.step()), Buffer::new(BLOCK_ROWS * right.step()));
    let mut sums = Buffer::new((inputs + usize::from(with_column_sums)) * outputs);
    let (product, column_sums) = sums.split_at_mut(inputs * outputs);
    column_sums.fill(0.0);
    for start in (0..rows).step_by(BLOCK_ROWS) {
        let rows = start..rows.min(start + BLOCK_ROWS);
        left.copy(rows.clone(), &mut x);
        right.copy(rows.clone(), &mut y);
        arch::run(Outer {
            x: &x,
            x_row: 0,
            x_step: left.step(),
            inputs,
            y: &y,
            y_row: 0,
            y_step: right.step(),
            outputs,
            rows: 1,
            columns: rows.len(),
            sums: product,
            adds: start > 0,
        });
        if with_column_sums {
            let rows = y.chunks_exact(right.step()).take(rows.len());
            rows.for_each(|row| column_sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value));
        }
    }
    sums
}

/// Adds `xᵀ · y` of a few rows to the first sums, and the sums of the columns of `y` to those behind them.
pub(crate) fn add_outer(x: &[f32], inputs: usize, y: &[f32], outputs: usize, sums: &mut [f32]) {
    let (product, column_sums) = sums.split_at_mut(inputs * outputs);
    arch::run(Outer {
        x,
        x_row: 0,
        x_step: inputs,
        inputs,
        y,
        y_row: 0,
        y_step: outputs,
        outputs,
        rows: 1,
        columns: x.len() / inputs,
        sums: product,
        adds: true,
    });
    arch::run(AddRows { rows: y, sums: column_sums });
}

/// Adds rows to sums as long as a row.
struct AddRows<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.sums.len();
        for (block, sums) in self.sums.chunks_mut(LANES).enumerate() {
            let columns = block * LANES..block * LANES + sums.len();
            let mut sum = simd.load(sums);
            for row in self.rows.chunks_exact(width) {
                sum = simd.add(sum, simd.load(&row[columns.clone()]));
            }
            simd.store(sums, sum);
        }
    }
}
