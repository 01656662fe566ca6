//! Class attention of one image.

use crate::{
    arch::{self, Kernel, LANES, Simd},
    math::exp,
};

/// `Σ_j softmax_j(s_jc) v_jc` in every column c: each class pools what the tokens say for it, with weights of its own.
/// `scores` and `values` have a row for each token, as long as `output`.
///
/// # Panics
///
/// If the lengths do not fit.
pub fn pool_by_softmax(scores: &[f32], values: &[f32], output: &mut [f32]) {
    let row = output.len();
    assert!(!scores.is_empty() && scores.len().is_multiple_of(row), "rows of {row} scores");
    assert_eq!(scores.len(), values.len(), "a value for every score");
    arch::run(Pool { scores, values, output });
}

/// The largest score of each of up to sixteen columns.
#[inline(always)]
fn largest<S: Simd>(simd: S, scores: &[f32], row: usize, first: usize) -> S::Vector {
    let rows = scores.chunks_exact(row);
    rows.fold(simd.splat(f32::NEG_INFINITY), |largest, scores| simd.max(largest, simd.load(&scores[first..])))
}

/// Pools the rows of one image, which are as long as `output`.
pub(super) struct Pool<'a> {
    pub scores: &'a [f32],
    pub values: &'a [f32],
    pub output: &'a mut [f32],
}

impl Kernel for Pool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { scores, values, output } = self;
        let row = output.len();
        for (block, output) in output.chunks_mut(LANES).enumerate() {
            let first = block * LANES;
            let largest = largest(simd, scores, row, first);
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

/// The gradients of one image: with the weights `a_j = softmax_j(s_j)` of a column, `a_j g` of the value and
/// `a_j (v_j − output) g` of the score.
pub(super) struct PoolGradient<'a> {
    pub scores: &'a [f32],
    pub values: &'a [f32],
    /// What [`Pool`] made of them.
    pub output: &'a [f32],
    pub gradient: &'a [f32],
    pub of_scores: &'a mut [f32],
    pub of_values: &'a mut [f32],
}

impl Kernel for PoolGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let row = self.output.len();
        for first in (0..row).step_by(LANES) {
            let columns = first..row.min(first + LANES);
            let largest = largest(simd, self.scores, row, first);
            let mut total = simd.splat(0.0);
            for (scores, weights) in self.scores.chunks_exact(row).zip(self.of_values.chunks_exact_mut(row)) {
                let weight = exp(simd, simd.subtract(simd.load(&scores[first..]), largest));
                total = simd.add(total, weight);
                simd.store(&mut weights[columns.clone()], weight);
            }
            let output = simd.load(&self.output[columns.clone()]);
            let share = simd.divide(simd.load(&self.gradient[columns.clone()]), total);
            let of_rows = self.of_scores.chunks_exact_mut(row).zip(self.of_values.chunks_exact_mut(row));
            for (values, (of_scores, of_values)) in self.values.chunks_exact(row).zip(of_rows) {
                let of_value = simd.multiply(simd.load(&of_values[columns.clone()]), share);
                let above = simd.subtract(simd.load(&values[columns.clone()]), output);
                simd.store(&mut of_values[columns.clone()], of_value);
                simd.store(&mut of_scores[columns.clone()], simd.multiply(of_value, above));
            }
        }
    }
}
