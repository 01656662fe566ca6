//! Softmax attention of one image, the control of linear attention.

use super::{Activations, Scratch, padded};
use crate::{
    arch::{self, Kernel, LANES, Level, Multiply, Simd},
    math::exp,
};

/// `softmax(Q Kᵀ / √d) V` in every head (Vaswani et al. 2017, equation 1).
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxAttention {
    /// Number of heads.
    pub heads: usize,
    /// Columns of the queries and of the keys of a head.
    pub key_width: usize,
    /// Columns of the values of a head.
    pub width: usize,
}

impl SoftmaxAttention {
    /// Mixes the tokens of one image, the rows of `qkv`: all queries, then all keys, then all values, head by head.
    /// The rows of `output` hold the heads side by side.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit.
    pub fn run(&self, qkv: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
        let Self { heads, key_width, width } = *self;
        let features = heads * width;
        let row = padded(2 * heads * key_width + features);
        let tokens = qkv.len() / row;
        assert_eq!(qkv.len(), tokens * row, "rows of queries, keys and values");
        assert_eq!(output.len(), tokens * padded(features), "{tokens} rows of {features}");
        let factor = 1.0 / (key_width as f32).sqrt();
        output.fill(0.0);
        for head in 0..heads {
            let at = |token: usize, column: usize| qkv[token * row + column];
            let queries = |token, column| factor * at(token, head * key_width + column);
            let keys = |column, token| at(token, (heads + head) * key_width + column);
            let values = |token, column| at(token, 2 * heads * key_width + head * width + column);
            let similarity = Product { rows: tokens, depth: key_width, columns: tokens };
            similarity.run(queries, keys, &mut scratch.inputs, &mut scratch.values);
            let columns = tokens.next_multiple_of(LANES);
            arch::run(Softmax { rows: &mut scratch.values[..tokens * columns], columns, length: tokens });
            let attention = std::mem::take(&mut scratch.values);
            let context = Product { rows: tokens, depth: tokens, columns: width };
            context.run(
                |query, key| attention[query * columns + key],
                values,
                &mut scratch.inputs,
                &mut scratch.products,
            );
            scratch.values = attention;
            let context = scratch.products.chunks_exact(width.next_multiple_of(LANES));
            for (output, context) in output.chunks_exact_mut(padded(features)).zip(context) {
                output[head * width..][..width].copy_from_slice(&context[..width]);
            }
        }
    }
}

/// The product of two matrices that functions give.
struct Product {
    rows: usize,
    depth: usize,
    columns: usize,
}

impl Product {
    /// Writes rows of whole vectors.
    fn run(
        &self,
        left: impl Fn(usize, usize) -> f32,
        right: impl Fn(usize, usize) -> f32,
        packed: &mut Activations,
        output: &mut Activations,
    ) {
        let Self { rows, depth, columns } = *self;
        let width = columns.next_multiple_of(LANES);
        let weights = Multiply::packed_length(1, depth, width);
        packed.reserve(weights + rows * depth.next_multiple_of(LANES));
        output.reserve(rows * width);
        let (weight, blocks) = packed.split_at_mut(weights);
        Multiply::pack(Level::chosen(), weight, 1, depth, width, |_, row, column| {
            if column < columns { right(row, column) } else { 0.0 }
        });
        for row in 0..rows {
            for index in 0..depth {
                blocks[(index / LANES * rows + row) * LANES + index % LANES] = left(row, index);
            }
        }
        arch::run(Multiply {
            input: blocks,
            channels: depth,
            plane: rows * LANES,
            row: 0,
            step: LANES,
            taps: &[0],
            weight,
            bias: None,
            rows: 1,
            columns: rows,
            outputs: width,
            output,
            output_row: 0,
            output_step: width,
        });
    }
}

/// The softmax of the first `length` values of every row.
struct Softmax<'a> {
    rows: &'a mut [f32],
    columns: usize,
    length: usize,
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for row in self.rows.chunks_exact_mut(self.columns) {
            let row = &mut row[..self.length];
            let largest = simd.splat(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            for values in row.chunks_mut(LANES) {
                let exponential = exp(simd, simd.subtract(simd.load(values), largest));
                simd.store(values, exponential);
            }
            let mut total = simd.splat(0.0);
            for values in row.chunks(LANES) {
                total = simd.add(total, simd.load(values));
            }
            let factor = simd.splat(1.0 / simd.sum(total));
            for values in row.chunks_mut(LANES) {
                let share = simd.multiply(simd.load(values), factor);
                simd.store(values, share);
            }
        }
    }
}
