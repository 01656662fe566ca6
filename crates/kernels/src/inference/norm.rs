//! Layer normalisation of rows.

use super::{Activations, padded, padded_vector};
use crate::arch::{self, Kernel, LANES, Simd};

/// `(x − mean) / √(variance + ε) · γ + β` of every row, with the biased variance.
#[derive(Debug)]
pub struct LayerNorm {
    width: usize,
    epsilon: f32,
    gamma: Activations,
    beta: Activations,
}

impl LayerNorm {
    /// Keeps the scale and shift of every column.
    ///
    /// # Panics
    ///
    /// If there is no column, or the two differ in length.
    pub fn new(gamma: &[f32], beta: &[f32], epsilon: f64) -> Self {
        assert!(!gamma.is_empty() && gamma.len() == beta.len(), "{} scales and {} shifts", gamma.len(), beta.len());
        Self { width: gamma.len(), epsilon: epsilon as f32, gamma: padded_vector(gamma), beta: padded_vector(beta) }
    }

    /// Normalises every row of `x`.
    ///
    /// # Panics
    ///
    /// If `x` is no whole number of rows, or `output` not as long.
    pub fn run(&self, x: &[f32], output: &mut [f32]) {
        assert!(x.len().is_multiple_of(padded(self.width)), "rows of {} columns", self.width);
        assert_eq!(x.len(), output.len(), "the output of a layer normalisation");
        arch::run(Rows { norm: self, x, output });
    }
}

struct Rows<'a> {
    norm: &'a LayerNorm,
    x: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let LayerNorm { width, epsilon, ref gamma, ref beta } = *self.norm;
        let row = padded(width);
        let zero = simd.splat(0.0);
        let mut lanes = [0.0; LANES];
        for (lane, value) in lanes.iter_mut().enumerate() {
            *value = lane as f32;
        }
        // zeros behind the last column, whose difference from the mean must not count
        let within = simd.greater(simd.splat((width - (width - 1) / LANES * LANES) as f32), simd.load(&lanes));
        for (x, output) in self.x.chunks_exact(row).zip(self.output.chunks_exact_mut(row)) {
            let mut sum = zero;
            for x in x.chunks(LANES) {
                sum = simd.add(sum, simd.load(x));
            }
            let centre = simd.splat(simd.sum(sum) / width as f32);
            let mut squares = zero;
            let (whole, last) = x.split_at((width - 1) / LANES * LANES);
            for x in whole.chunks_exact(LANES) {
                let difference = simd.subtract(simd.load(x), centre);
                squares = simd.multiply_add(difference, difference, squares);
            }
            let difference = simd.select(within, simd.subtract(simd.load(last), centre), zero);
            squares = simd.multiply_add(difference, difference, squares);
            let variance = simd.sum(squares) / width as f32;
            let factor = simd.splat(1.0 / (variance + epsilon).sqrt());
            let columns = gamma.as_chunks::<LANES>().0.iter().zip(beta.as_chunks::<LANES>().0);
            for ((x, output), (gamma, beta)) in x.chunks(LANES).zip(output.chunks_mut(LANES)).zip(columns) {
                let normalised = simd.multiply(simd.subtract(simd.load(x), centre), factor);
                simd.store(output, simd.multiply_add(normalised, simd.load(gamma), simd.load(beta)));
            }
        }
    }
}
