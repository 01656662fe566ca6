//! The attention of one image, head by head.
//!
//! The values of a head get a further column of ones, so that `M = Σ_j φ(k_j) [v_j, 1]ᵀ` holds the sum of the keys in
//! its last column, and `φ(q_i)ᵀ M` the numerator of the attention with its denominator behind it.

use super::{
    FeatureMap,
    columns::{CopyValues, Divide, MapColumns, QuotientGradient, ThroughMap},
};
use crate::arch::{self, Buffer, LANES, Level, Multiply, Outer};
use rayon::prelude::*;

/// Sizes of an attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub tokens: usize,
    pub heads: usize,
    /// Columns of the queries and of the keys of a head.
    pub key_width: usize,
    /// Columns of the values of a head, which are its features.
    pub width: usize,
    pub map: FeatureMap,
}

impl Sizes {
    /// Floating-point operations for an output of a number of elements: `M` and the products of the queries with it.
    pub(crate) fn forward_flops(&self, elements: usize) -> usize {
        2 * 2 * elements / self.width * self.key_width * (self.width + 1)
    }

    /// Those of the gradient: the forward products again, and those of the gradients of queries, keys, values and `M`.
    pub(crate) fn backward_flops(&self, elements: usize) -> usize {
        2 * 6 * elements / self.width * self.key_width * (self.width + 1)
    }

    /// Features of all heads.
    fn features(&self) -> usize {
        self.heads * self.width
    }

    /// Columns of the queries, and of the keys, of all heads.
    fn keys(&self) -> usize {
        self.heads * self.key_width
    }

    /// Columns of queries, keys and values of all heads.
    pub(crate) fn row(&self) -> usize {
        2 * self.keys() + self.features()
    }

    /// The columns of a head's keys, filled up to whole vectors.
    fn padded(&self) -> usize {
        self.key_width.next_multiple_of(LANES)
    }

    /// The features of a head with the column of ones, filled up to whole vectors.
    fn extended(&self) -> usize {
        (self.width + 1).next_multiple_of(LANES)
    }
}

/// `qkv` to the output.
pub(super) fn forward(sizes: &Sizes, qkv: &[f32]) -> Buffer {
    let (image, row) = (sizes.tokens * sizes.features(), sizes.tokens * sizes.row());
    let mut output = Buffer::new(qkv.len() / row * image);
    output
        .par_chunks_mut(image)
        .zip(qkv.par_chunks(row))
        .for_each_init(|| Attention::new(*sizes), |attention, (output, qkv)| attention.forward(qkv, output));
    output
}

/// `qkv` and the gradient of the output to the gradient of `qkv`.
pub(super) fn backward(sizes: &Sizes, qkv: &[f32], gradient: &[f32]) -> Buffer {
    let (image, row) = (sizes.tokens * sizes.features(), sizes.tokens * sizes.row());
    let mut result = Buffer::new(qkv.len());
    let images = result.par_chunks_mut(row).zip(qkv.par_chunks(row)).zip(gradient.par_chunks(image));
    images.for_each_init(
        || AttentionGradient::new(*sizes),
        |attention, ((result, qkv), gradient)| attention.backward(qkv, gradient, result, None),
    );
    result
}

/// Memory for the attention of an image.
pub(crate) struct Attention {
    sizes: Sizes,
    /// `φ(q)`, `[tokens, padded]`.
    query: Buffer,
    /// `φ(k)`, `[tokens, padded]`.
    key: Buffer,
    /// `[tokens, extended]`: the values, a one, zeros.
    value: Buffer,
    /// `M`, or a gradient of it, or a transpose of one of them.
    sums: Buffer,
    packed: Buffer,
    /// `[tokens, extended]`: numerators, the denominator, zeros.
    quotient: Buffer,
}

impl Attention {
    pub(crate) fn new(sizes: Sizes) -> Self {
        let (padded, extended) = (sizes.padded(), sizes.extended());
        // both sides of the largest matrix
        let side = padded.max(extended);
        Self {
            sizes,
            query: Buffer::new(sizes.tokens * padded),
            key: Buffer::new(sizes.tokens * padded),
            value: Buffer::zeroed(sizes.tokens * extended),
            sums: Buffer::new(side * side),
            packed: Buffer::new(side * side),
            quotient: Buffer::zeroed(sizes.tokens * extended),
        }
    }

    /// `[tokens, row]` to `[tokens, features]`.
    pub(crate) fn forward(&mut self, qkv: &[f32], output: &mut [f32]) {
        for head in 0..self.sizes.heads {
            self.attend(qkv, head);
            self.divide(head, output);
        }
    }

    fn attend(&mut self, qkv: &[f32], head: usize) {
        let Sizes { key_width, width, map, .. } = self.sizes;
        let (keys, row) = (self.sizes.keys(), self.sizes.row());
        let (padded, extended) = (self.sizes.padded(), self.sizes.extended());
        for (part, mapped) in [&mut self.query, &mut self.key].into_iter().enumerate() {
            let columns = &qkv[part * keys + head * key_width..];
            arch::run(MapColumns { map, columns, row, width: key_width, padded, mapped });
        }
        let columns = &qkv[2 * keys + head * width..];
        arch::run(CopyValues { columns, row, width, extended, values: &mut self.value });
        outer(&self.key, padded, key_width, &self.value, extended, extended, &mut self.sums);
        Product { input: &self.query, step: padded, channels: key_width, outputs: extended, output_step: extended }
            .run(&self.sums, &mut self.packed, &mut self.quotient);
    }

    fn divide(&self, head: usize, output: &mut [f32]) {
        let Sizes { width, .. } = self.sizes;
        arch::run(Divide {
            quotient: &self.quotient,
            extended: self.sizes.extended(),
            width,
            row: self.sizes.features(),
            output: &mut output[head * width..],
        });
    }
}

/// Memory for the gradient of the attention of an image.
pub(crate) struct AttentionGradient {
    attention: Attention,
    /// `[tokens, extended]`: the gradient of the numerators and of the denominator, zeros.
    quotient: Buffer,
    /// The gradient of `φ(q)` or of `φ(k)`, `[tokens, padded]`.
    mapped: Buffer,
}

impl AttentionGradient {
    pub(crate) fn new(sizes: Sizes) -> Self {
        Self {
            attention: Attention::new(sizes),
            quotient: Buffer::zeroed(sizes.tokens * sizes.extended()),
            mapped: Buffer::zeroed(sizes.tokens * sizes.padded()),
        }
    }

    /// `[tokens, row]` and the gradient of the output, `[tokens, features]`, to the gradient of the first, and
    /// to the output again, if somebody needs it.
    pub(crate) fn backward(
        &mut self,
        qkv: &[f32],
        gradient: &[f32],
        result: &mut [f32],
        mut output: Option<&mut [f32]>,
    ) {
        for head in 0..self.attention.sizes.heads {
            self.attention.attend(qkv, head);
            if let Some(output) = &mut output {
                self.attention.divide(head, output);
            }
            self.head(qkv, gradient, head, result);
        }
    }

    fn head(&mut self, qkv: &[f32], gradient: &[f32], head: usize, result: &mut [f32]) {
        let Attention { sizes, query, key, value, sums, packed, quotient } = &mut self.attention;
        let Sizes { key_width, width, map, .. } = *sizes;
        let (features, keys, row) = (sizes.features(), sizes.keys(), sizes.row());
        let (padded, extended) = (sizes.padded(), sizes.extended());
        arch::run(QuotientGradient {
            quotient,
            gradient: &gradient[head * width..],
            row: features,
            width,
            extended,
            result: &mut self.quotient,
        });
        // the gradient of φ(q) is that of the quotient times Mᵀ, that of φ(k) the values times the transposed gradient
        // of M; both transposes are summed as such
        let of_quotient = &self.quotient;
        for (part, left, right, input) in [(0, &*value, &*key, of_quotient), (1, of_quotient, &*query, &*value)] {
            outer(left, extended, width + 1, right, padded, padded, sums);
            Product { input, step: extended, channels: width + 1, outputs: key_width, output_step: padded }.run(
                sums,
                packed,
                &mut self.mapped,
            );
            let start = part * keys + head * key_width;
            let (columns, result) = (&qkv[start..], &mut result[start..]);
            arch::run(ThroughMap { map, columns, row, width: key_width, padded, gradient: &self.mapped, result });
        }
        let values = width.next_multiple_of(LANES);
        outer(query, padded, key_width, of_quotient, extended, values, sums);
        let of_value = &mut result[2 * keys + head * width..];
        Product { input: key, step: padded, channels: key_width, outputs: width, output_step: row }
            .run(sums, packed, of_value);
    }
}

/// `Σ_tokens left ⊗ right`, of the first `inputs` columns of the left and the first `outputs` of the right.
fn outer(
    left: &[f32],
    left_step: usize,
    inputs: usize,
    right: &[f32],
    right_step: usize,
    outputs: usize,
    sums: &mut [f32],
) {
    let sums = &mut sums[..inputs * outputs];
    arch::run(Outer {
        x: left,
        x_row: 0,
        x_step: left_step,
        inputs,
        y: right,
        y_row: 0,
        y_step: right_step,
        outputs,
        rows: 1,
        columns: left.len() / left_step,
        sums,
        adds: false,
    });
}

/// The product of tokens with a small matrix whose rows are filled up to whole vectors.
struct Product<'a> {
    input: &'a [f32],
    step: usize,
    channels: usize,
    outputs: usize,
    output_step: usize,
}

impl Product<'_> {
    fn run(&self, matrix: &[f32], packed: &mut [f32], output: &mut [f32]) {
        let matrix = &matrix[..self.channels * self.outputs.next_multiple_of(LANES)];
        arch::run(Multiply {
            input: self.input,
            channels: self.channels,
            plane: LANES,
            row: 0,
            step: self.step,
            taps: &[0],
            weight: Multiply::pack_rows(Level::chosen(), matrix, self.channels, packed),
            bias: None,
            rows: 1,
            columns: self.input.len() / self.step,
            outputs: self.outputs,
            output,
            output_row: 0,
            output_step: self.output_step,
        });
    }
}
