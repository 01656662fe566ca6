//! Products of rows with a matrix, cut into chunks of rows that stay in the cache.

use crate::arch::{self, Buffer, LANES, Level, Multiply, Outer};
use crate::partials;
use rayon::prelude::*;

/// Rows of a chunk: a multiple of the tiles of all instruction sets where that matters.
const ROWS: usize = 56;

/// A matrix ready for products from the right.
pub(super) struct Packed {
    inputs: usize,
    outputs: usize,
    weight: Buffer,
}

impl Packed {
    /// Packs the matrix `[inputs, outputs]` that `element(input, output)` gives.
    pub(super) fn new(inputs: usize, outputs: usize, element: impl Fn(usize, usize) -> f32) -> Self {
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
        chunks.for_each_init(
            || Buffer::new(ROWS * self.inputs.next_multiple_of(LANES)),
            |blocks, (output, x)| {
                self.multiply_chunk(x, bias, blocks, output);
                finish(output);
            },
        );
        output
    }

    fn multiply_chunk(&self, x: &[f32], bias: Option<&[f32]>, blocks: &mut [f32], output: &mut [f32]) {
        for (row, x) in x.chunks_exact(self.inputs).enumerate() {
            for (block, values) in x.chunks(LANES).enumerate() {
                let to = &mut blocks[(block * ROWS + row) * LANES..][..LANES];
                match values.as_array::<LANES>() {
                    Some(values) => to.copy_from_slice(values),
                    None => to[..values.len()].copy_from_slice(values),
                }
            }
        }
        arch::run(Multiply {
            input: blocks,
            channels: self.inputs,
            plane: ROWS * LANES,
            row: 0,
            step: LANES,
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
            let columns = ROWS.min(end - start);
            let right = &y[start * outputs..][..columns * outputs];
            let (product, column_sums) = sums.split_at_mut(inputs * outputs);
            arch::run(Outer {
                x: &x[start * inputs..],
                x_row: 0,
                x_step: inputs,
                inputs,
                y: right,
                y_row: 0,
                y_step: outputs,
                outputs,
                rows: 1,
                columns,
                sums: product,
            });
            for row in right.chunks_exact(outputs) {
                for (sum, value) in column_sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        }
    })
}
