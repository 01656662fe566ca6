//! Products of rows with a matrix, cut into chunks of rows that stay in the cache.

use crate::arch::{self, Buffer, Kernel, LANES, Level, Multiply, Outer, Simd};
use crate::partials;
use rayon::prelude::*;

/// Rows of a chunk: a multiple of the tiles of all instruction sets where that matters.
const ROWS: usize = 56;

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
    pub(super) fn multiply(&self, x: &[f32], bias: Option<&[f32]>, finish: impl Fn(&mut [f32]) + Sync) -> Buffer {
        let rows = x.len() / self.inputs;
        let mut output = Buffer::new(rows * self.outputs);
        let chunks = output.par_chunks_mut(ROWS * self.outputs).zip(x.par_chunks(ROWS * self.inputs));
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
pub(super) fn outer(x: &[f32], inputs: usize, y: &[f32], outputs: usize) -> Buffer {
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
