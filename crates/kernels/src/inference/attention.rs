//! Linear attention of one image.

use super::{Scratch, padded};
use crate::{
    FeatureMap,
    arch::{self, Kernel, LANES, Multiply, Outer, Simd, groups},
};

/// `y_i = φ(q_i)ᵀ Σ_j φ(k_j) v_jᵀ / φ(q_i)ᵀ Σ_j φ(k_j)` in every head (Katharopoulos et al. 2020, equation 5).
///
/// The values of a head get a further column of ones, so that one product gives the numerators and, behind them, the
/// denominator.
#[derive(Clone, Copy, Debug)]
pub struct LinearAttention {
    /// Number of heads.
    pub heads: usize,
    /// Columns of the queries and of the keys of a head.
    pub key_width: usize,
    /// Columns of the values of a head.
    pub width: usize,
    /// φ.
    pub map: FeatureMap,
}

impl LinearAttention {
    /// Mixes the tokens of one image, the rows of `qkv`: all queries, then all keys, then all values, head by head.
    /// The rows of `output` hold the heads side by side.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit.
    pub fn run(&self, qkv: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
        let features = self.heads * self.width;
        let row = padded(2 * self.heads * self.key_width + features);
        let tokens = qkv.len() / row;
        assert_eq!(qkv.len(), tokens * row, "rows of queries, keys and values");
        assert_eq!(output.len(), tokens * padded(features), "{tokens} rows of {features}");
        arch::run(Attend { sizes: *self, tokens, qkv, scratch, output });
    }

    /// Length of a head's values with the one behind them, in whole vectors.
    fn extended(&self) -> usize {
        (self.width + 1).next_multiple_of(LANES)
    }
}

struct Attend<'a> {
    sizes: LinearAttention,
    tokens: usize,
    qkv: &'a [f32],
    scratch: &'a mut Scratch,
    output: &'a mut [f32],
}

impl Kernel for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { sizes, tokens, qkv, scratch, output } = self;
        let LinearAttention { heads, key_width, width, map } = sizes;
        let (features, extended) = (heads * width, sizes.extended());
        let row = padded(2 * heads * key_width + features);
        let Scratch { inputs: mapped, products, values } = scratch;
        let blocks = key_width.div_ceil(LANES);
        mapped.reserve(2 * blocks * tokens * LANES);
        products.reserve(key_width * extended + tokens * extended);
        values.reserve(tokens * extended);
        let (queries, keys) = mapped.split_at_mut(blocks * tokens * LANES);
        let (sums, quotients) = products.split_at_mut(key_width * extended);
        let values = &mut values[..tokens * extended];
        values.fill(0.0);
        for head in 0..heads {
            for (token, value) in values.chunks_exact_mut(extended).enumerate() {
                let projected = &qkv[token * row..][..row];
                let query = &projected[head * key_width..][..key_width];
                let key = &projected[(heads + head) * key_width..][..key_width];
                for (block, (query, key)) in query.chunks(LANES).zip(key.chunks(LANES)).enumerate() {
                    let at = (block * tokens + token) * LANES;
                    simd.store(&mut queries[at..][..LANES], map.value(simd, simd.load(query)));
                    let at = (token * blocks + block) * LANES;
                    simd.store(&mut keys[at..][..LANES], map.value(simd, simd.load(key)));
                }
                let from = &projected[2 * heads * key_width + head * width..][..width];
                for (value, from) in value[..width].chunks_mut(LANES).zip(from.chunks(LANES)) {
                    simd.store(value, simd.load(from));
                }
                value[width] = 1.0;
            }
            let sums = &mut sums[..key_width * extended];
            // the sums of a group of vectors lie as its product reads them
            for (vector, size) in groups(extended / LANES, S::MAX_VECTORS) {
                Outer {
                    x: keys,
                    x_row: 0,
                    x_step: blocks * LANES,
                    inputs: key_width,
                    y: &values[vector * LANES..],
                    y_row: 0,
                    y_step: extended,
                    outputs: size * LANES,
                    rows: 1,
                    columns: tokens,
                    sums: &mut sums[vector * LANES * key_width..][..size * LANES * key_width],
                    adds: false,
                }
                .run(simd);
            }
            Multiply {
                input: queries,
                channels: key_width,
                plane: tokens * LANES,
                row: 0,
                step: LANES,
                taps: &[0],
                weight: sums,
                bias: None,
                rows: 1,
                columns: tokens,
                outputs: extended,
                output: quotients,
                output_row: 0,
                output_step: extended,
            }
            .run(simd);
            let rows = output.chunks_exact_mut(padded(features)).zip(quotients.chunks_exact(extended));
            for (output, quotient) in rows {
                let inverse = simd.splat(1.0 / quotient[width]);
                let output = &mut output[head * width..][..width];
                for (output, numerator) in output.chunks_mut(LANES).zip(quotient.chunks_exact(LANES)) {
                    simd.store(output, simd.multiply(simd.load(numerator), inverse));
                }
            }
        }
        for output in output.chunks_exact_mut(padded(features)) {
            output[features..].fill(0.0);
        }
    }
}
