//! Class attention of one image.

use super::padded;
use crate::{
    arch::{self, Kernel, LANES, Simd},
    math::exp,
};

/// `Σ_j softmax_j(s_jc) v_jc` in every column c: each class pools what the tokens say for it, with weights of its own.
/// `scores` and `values` have a row for each token, `output` is one such row.
///
/// # Panics
///
/// If the lengths do not fit.
pub fn pool_by_softmax(classes: usize, scores: &[f32], values: &[f32], output: &mut [f32]) {
    let row = padded(classes);
    assert!(!scores.is_empty() && scores.len().is_multiple_of(row), "rows of {classes} scores");
    assert_eq!(scores.len(), values.len(), "a value for every score");
    assert_eq!(output.len(), row, "one row of {classes}");
    arch::run(Pool { row, scores, values, output });
}

struct Pool<'a> {
    row: usize,
    scores: &'a [f32],
    values: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Pool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { row, scores, values, output } = self;
        for (block, output) in output.chunks_mut(LANES).enumerate() {
            let first = block * LANES;
            let mut largest = simd.splat(f32::NEG_INFINITY);
            for scores in scores.chunks_exact(row) {
                largest = simd.max(largest, simd.load(&scores[first..]));
            }
            let (mut total, mut pooled) = (simd.splat(0.0), simd.splat(0.0));
            for (scores, values) in scores.chunks_exact(row).zip(values.chunks_exact(row)) {
                let weight = exp(simd, simd.subtract(simd.load(&scores[first..]), largest));
                total = simd.add(total, weight);
                pooled = simd.multiply_add(weight, simd.load(&values[first..]), pooled);
            }
            simd.store(output, simd.divide(pooled, total));
        }
    }
}
