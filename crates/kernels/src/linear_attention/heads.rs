//! The attention of one image, head by head.
//!
//! The values of a head get a further column of ones, so that `M = Σ_j φ(k_j) [v_j, 1]ᵀ` holds the sum of the keys in
//! its last column, and `φ(q_i)ᵀ M` the numerator of the attention with its denominator behind it.

use super::{
    FeatureMap,
    map::{MapColumns, ThroughMap},
};
use crate::{
    arch::{self, Buffer, LANES, Level, Multiply, Outer},
    profile::Cost,
};
use rayon::prelude::*;

/// Sizes of an attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub tokens: usize,
    pub heads: usize,
    /// Features of a head.
    pub width: usize,
    pub map: FeatureMap,
}

impl Sizes {
    /// What the output costs: `M` and the products of the queries with it.
    pub(super) fn forward_cost(&self, qkv: &[f32]) -> Cost {
        let product = qkv.len() / 3 * (self.width + 1);
        Cost { flops: 2 * 2 * product, elements: qkv.len() / 3 * 4 }
    }

    /// What the gradient costs: the forward products again, and those of the gradients of queries, keys, values and
    /// `M`.
    pub(super) fn backward_cost(&self, qkv: &[f32]) -> Cost {
        let product = qkv.len() / 3 * (self.width + 1);
        Cost { flops: 2 * 6 * product, elements: qkv.len() / 3 * 7 }
    }

    /// Features of all heads.
    fn features(&self) -> usize {
        self.heads * self.width
    }

    /// Values of a head with the column of ones, filled up with zeros to whole vectors.
    fn extended(&self) -> usize {
        (self.width + 1).next_multiple_of(LANES)
    }

    /// Blocks of sixteen columns for every token.
    fn blocks(&self, columns: usize) -> Buffer {
        Buffer::new(columns.next_multiple_of(LANES) * self.tokens)
    }
}

/// `qkv` to the output.
pub(super) fn forward(sizes: &Sizes, qkv: &[f32]) -> Buffer {
    let image = sizes.tokens * sizes.features();
    let mut output = Buffer::new(qkv.len() / 3);
    output.par_chunks_mut(image).zip(qkv.par_chunks(3 * image)).for_each_init(
        || Scratch::new(*sizes),
        |scratch, (output, qkv)| {
            for head in 0..sizes.heads {
                scratch.attend(qkv, head);
                scratch.write_output(head, output);
            }
        },
    );
    output
}

/// `qkv` and the gradient of the output to the gradient of `qkv`.
pub(super) fn backward(sizes: &Sizes, qkv: &[f32], gradient: &[f32]) -> Buffer {
    let image = sizes.tokens * sizes.features();
    let mut result = Buffer::new(qkv.len());
    let images = result.par_chunks_mut(3 * image).zip(qkv.par_chunks(3 * image)).zip(gradient.par_chunks(image));
    images.for_each_init(
        || (Scratch::new(*sizes), Gradients::new(sizes)),
        |(scratch, gradients), ((result, qkv), gradient)| {
            for head in 0..sizes.heads {
                scratch.attend(qkv, head);
                gradients.write(scratch, qkv, gradient, head, result);
            }
        },
    );
    result
}

/// What the attention of a head leaves for its output and its gradients.
struct Scratch {
    sizes: Sizes,
    /// `φ(q)` in blocks of sixteen columns.
    query: Buffer,
    /// `φ(k)` in blocks of sixteen columns.
    key: Buffer,
    /// `[tokens, extended]`: the values, a one, zeros.
    value: Buffer,
    /// `M`, `[width, extended]`.
    sums: Buffer,
    /// `M` or its gradient or their transposes, packed.
    packed: Buffer,
    /// `[tokens, extended]`: numerators, the denominator, zeros.
    quotient: Buffer,
}

impl Scratch {
    fn new(sizes: Sizes) -> Self {
        let extended = sizes.extended();
        Self {
            sizes,
            query: sizes.blocks(sizes.width),
            key: sizes.blocks(sizes.width),
            value: Buffer::zeroed(sizes.tokens * extended),
            sums: Buffer::new(sizes.width * extended),
            packed: Buffer::new(extended * extended),
            quotient: Buffer::new(sizes.tokens * extended),
        }
    }

    fn attend(&mut self, qkv: &[f32], head: usize) {
        let Sizes { tokens, width, map, .. } = self.sizes;
        let (features, extended) = (self.sizes.features(), self.sizes.extended());
        for (part, blocks) in [&mut self.query, &mut self.key].into_iter().enumerate() {
            let columns = &qkv[part * features + head * width..];
            arch::run(MapColumns { map, columns, row: 3 * features, width, tokens, blocks });
        }
        for (token, value) in self.value.chunks_exact_mut(extended).enumerate() {
            let from = token * 3 * features + 2 * features + head * width;
            value[..width].copy_from_slice(&qkv[from..from + width]);
            value[width] = 1.0;
        }
        outer(&self.sizes, &self.key, &self.value, &mut self.sums);
        let sums = &self.sums;
        let product = Product { input: &self.query, channels: width, outputs: extended, output_step: extended, tokens };
        product.run(&mut self.packed, |input, output| sums[input * extended + output], &mut self.quotient);
    }

    fn write_output(&self, head: usize, output: &mut [f32]) {
        let width = self.sizes.width;
        let rows = output.chunks_exact_mut(self.sizes.features());
        for (output, quotient) in rows.zip(self.quotient.chunks_exact(self.sizes.extended())) {
            let inverse = 1.0 / quotient[width];
            for (output, numerator) in output[head * width..][..width].iter_mut().zip(quotient) {
                *output = numerator * inverse;
            }
        }
    }
}

/// Memory for the gradients of a head.
struct Gradients {
    /// `[tokens, extended]`: the gradient of the numerators and of the denominator.
    quotient: Buffer,
    /// The same in blocks of sixteen columns.
    quotient_blocks: Buffer,
    /// The values and the one in blocks of sixteen columns.
    value_blocks: Buffer,
    /// The gradient of `M`.
    sums: Buffer,
    /// The gradient of `φ(q)` or of `φ(k)`, `[tokens, width]`.
    mapped: Buffer,
}

impl Gradients {
    fn new(sizes: &Sizes) -> Self {
        let extended = sizes.extended();
        Self {
            quotient: Buffer::zeroed(sizes.tokens * extended),
            quotient_blocks: sizes.blocks(extended),
            value_blocks: sizes.blocks(extended),
            sums: Buffer::new(sizes.width * extended),
            mapped: Buffer::new(sizes.tokens * sizes.width),
        }
    }

    fn write(&mut self, scratch: &mut Scratch, qkv: &[f32], gradient: &[f32], head: usize, result: &mut [f32]) {
        let Sizes { tokens, width, map, .. } = scratch.sizes;
        let (features, extended) = (scratch.sizes.features(), scratch.sizes.extended());
        let row = 3 * features;
        self.of_quotient(scratch, gradient, head);
        to_blocks(&self.quotient, extended, &mut self.quotient_blocks);
        to_blocks(&scratch.value, extended, &mut self.value_blocks);
        outer(&scratch.sizes, &scratch.query, &self.quotient, &mut self.sums);
        for (part, input, sums) in [(0, &self.quotient_blocks, &scratch.sums), (1, &self.value_blocks, &self.sums)] {
            let product = Product { input, channels: width + 1, outputs: width, output_step: width, tokens };
            product.run(&mut scratch.packed, |input, output| sums[output * extended + input], &mut self.mapped);
            let start = part * features + head * width;
            let (columns, result) = (&qkv[start..], &mut result[start..]);
            arch::run(ThroughMap { map, columns, row, width, tokens, gradient: &self.mapped, result });
        }
        let product = Product { input: &scratch.key, channels: width, outputs: width, output_step: row, tokens };
        let sums = &self.sums;
        let of_value = &mut result[2 * features + head * width..];
        product.run(&mut scratch.packed, |input, output| sums[input * extended + output], of_value);
    }

    /// With `y = n / d`: the gradient of `n` is `g / d`, that of `d` is `−Σ g · n / d²`.
    fn of_quotient(&mut self, scratch: &Scratch, gradient: &[f32], head: usize) {
        let Sizes { width, .. } = scratch.sizes;
        let extended = scratch.sizes.extended();
        let rows = self.quotient.chunks_exact_mut(extended).zip(scratch.quotient.chunks_exact(extended));
        for ((result, quotient), gradient) in rows.zip(gradient.chunks_exact(scratch.sizes.features())) {
            let inverse = 1.0 / quotient[width];
            let mut product = 0.0;
            let gradient = &gradient[head * width..][..width];
            for ((result, numerator), gradient) in result.iter_mut().zip(quotient).zip(gradient) {
                *result = gradient * inverse;
                product += *result * numerator;
            }
            result[width] = -product * inverse;
        }
    }
}

/// `Σ_tokens left ⊗ right`, with `left` in blocks of sixteen columns.
fn outer(sizes: &Sizes, left: &[f32], right: &[f32], sums: &mut [f32]) {
    let Sizes { tokens, width, .. } = *sizes;
    let extended = sizes.extended();
    sums.fill(0.0);
    for (block, left) in left.chunks_exact(tokens * LANES).enumerate() {
        arch::run(Outer {
            x: left,
            x_row: 0,
            x_step: LANES,
            inputs: LANES.min(width - block * LANES),
            y: right,
            y_row: 0,
            y_step: extended,
            outputs: extended,
            rows: 1,
            columns: tokens,
            sums: &mut sums[block * LANES * extended..],
        });
    }
}

/// Cuts rows of `columns`, a multiple of sixteen, into blocks of sixteen columns.
fn to_blocks(rows: &[f32], columns: usize, blocks: &mut [f32]) {
    let tokens = rows.len() / columns;
    for (token, row) in rows.chunks_exact(columns).enumerate() {
        for (block, values) in row.as_chunks::<LANES>().0.iter().enumerate() {
            blocks[(block * tokens + token) * LANES..][..LANES].copy_from_slice(values);
        }
    }
}

/// The product of tokens in blocks of sixteen columns with a small matrix.
struct Product<'a> {
    input: &'a [f32],
    channels: usize,
    outputs: usize,
    output_step: usize,
    tokens: usize,
}

impl Product<'_> {
    fn run(&self, packed: &mut [f32], element: impl Fn(usize, usize) -> f32, output: &mut [f32]) {
        let packed = &mut packed[..Multiply::packed_length(1, self.channels, self.outputs)];
        Multiply::pack(Level::chosen(), packed, 1, self.channels, self.outputs, |_, input, output| {
            element(input, output)
        });
        arch::run(Multiply {
            input: self.input,
            channels: self.channels,
            plane: self.tokens * LANES,
            row: 0,
            step: LANES,
            taps: &[0],
            weight: packed,
            bias: None,
            rows: 1,
            columns: self.tokens,
            outputs: self.outputs,
            output,
            output_row: 0,
            output_step: self.output_step,
        });
    }
}
