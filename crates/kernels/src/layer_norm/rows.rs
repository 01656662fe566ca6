//! Normalisation of rows and its gradients.

use crate::{
    arch::{self, Buffer, Kernel, LANES, Simd},
    partials,
};
use rayon::prelude::*;

/// Rows of a task.
const ROWS: usize = 64;

/// Mean and reciprocal deviation of a row.
pub(crate) type RowMoments = [f32; 2];

/// The normalised rows, and the moments of every row for the backward pass.
pub(super) struct Normalised {
    pub output: Buffer,
    pub moments: Vec<RowMoments>,
}

/// Normalises every row of as many elements as `gamma` has.
pub(super) fn normalise(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f64) -> Normalised {
    let width = gamma.len();
    let mut output = Buffer::new(x.len());
    let mut moments = vec![[0.0; 2]; x.len() / width];
    let chunks = output.par_chunks_mut(ROWS * width).zip(x.par_chunks(ROWS * width));
    chunks.zip(moments.par_chunks_mut(ROWS)).for_each(|((output, x), moments)| {
        arch::run(Normalise { x, gamma, beta, epsilon: epsilon as f32, output, moments });
    });
    Normalised { output, moments }
}

/// Normalises rows.
pub(crate) struct Normalise<'a> {
    pub x: &'a [f32],
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub epsilon: f32,
    pub output: &'a mut [f32],
    pub moments: &'a mut [RowMoments],
}

impl Kernel for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.gamma.len();
        let zero = simd.splat(0.0);
        let lanes = simd_indices(simd);
        let rows = self.output.chunks_exact_mut(width).zip(self.x.chunks_exact(width));
        for ((output, x), moments) in rows.zip(self.moments) {
            let mut sum = zero;
            for x in x.chunks(LANES) {
                sum = simd.add(sum, simd.load(x));
            }
            let mean = simd.sum(sum) / width as f32;
            let centre = simd.splat(mean);
            let mut square = zero;
            for x in x.chunks(LANES) {
                let difference = simd.subtract(simd.load(x), centre);
                // lanes behind the end of the row are zeros, whose difference from the mean must not count
                let within = simd.greater(simd.splat(x.len() as f32), lanes);
                let difference = simd.select(within, difference, zero);
                square = simd.multiply_add(difference, difference, square);
            }
            let variance = simd.sum(square) / width as f32;
            let inverse_deviation = 1.0 / (variance + self.epsilon).sqrt();
            *moments = [mean, inverse_deviation];
            let factor = simd.splat(inverse_deviation);
            let parameters = self.gamma.chunks(LANES).zip(self.beta.chunks(LANES));
            for ((output, x), (gamma, beta)) in output.chunks_mut(LANES).zip(x.chunks(LANES)).zip(parameters) {
                let normalised = simd.multiply(simd.subtract(simd.load(x), centre), factor);
                simd.store(output, simd.multiply_add(normalised, simd.load(gamma), simd.load(beta)));
            }
        }
    }
}

/// 0, 1, …, 15.
#[inline(always)]
fn simd_indices<S: Simd>(simd: S) -> S::Vector {
    let mut indices = [0.0; LANES];
    for (index, value) in indices.iter_mut().enumerate() {
        *value = index as f32;
    }
    simd.load(&indices)
}

/// The gradient of the input.
pub(super) fn input_gradient(x: &[f32], gamma: &[f32], moments: &[RowMoments], gradient: &[f32]) -> Buffer {
    let width = gamma.len();
    let mut result = Buffer::new(x.len());
    result.par_chunks_mut(ROWS * width).enumerate().for_each(|(index, result)| {
        let range = index * ROWS * width..index * ROWS * width + result.len();
        let (x, gradient) = (&x[range.clone()], &gradient[range]);
        arch::run(InputGradient { x, gamma, moments: &moments[index * ROWS..], gradient, result });
    });
    result
}

/// Writes the gradient of the input of rows.
pub(crate) struct InputGradient<'a> {
    pub x: &'a [f32],
    pub gamma: &'a [f32],
    pub moments: &'a [RowMoments],
    pub gradient: &'a [f32],
    pub result: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.gamma.len();
        let zero = simd.splat(0.0);
        let rows = self.result.chunks_exact_mut(width).zip(self.x.chunks_exact(width));
        let rows = rows.zip(self.gradient.chunks_exact(width)).zip(self.moments);
        for (((result, x), gradient), &[mean, inverse_deviation]) in rows {
            let (mean, factor) = (simd.splat(mean), simd.splat(inverse_deviation));
            let (mut sum, mut product) = (zero, zero);
            for ((x, gradient), gamma) in x.chunks(LANES).zip(gradient.chunks(LANES)).zip(self.gamma.chunks(LANES)) {
                let scaled = simd.multiply(simd.load(gradient), simd.load(gamma));
                let normalised = simd.multiply(simd.subtract(simd.load(x), mean), factor);
                sum = simd.add(sum, scaled);
                product = simd.multiply_add(scaled, normalised, product);
            }
            let sum = simd.splat(simd.sum(sum) / width as f32);
            let product = simd.splat(simd.sum(product) / width as f32);
            let parts = x.chunks(LANES).zip(gradient.chunks(LANES)).zip(self.gamma.chunks(LANES));
            for (result, ((x, gradient), gamma)) in result.chunks_mut(LANES).zip(parts) {
                let scaled = simd.multiply(simd.load(gradient), simd.load(gamma));
                let normalised = simd.multiply(simd.subtract(simd.load(x), mean), factor);
                let rest = simd.subtract(simd.subtract(scaled, sum), simd.multiply(normalised, product));
                simd.store(result, simd.multiply(rest, factor));
            }
        }
    }
}

/// The gradients of `gamma` and `beta`, one after the other.
pub(super) fn parameter_gradients(x: &[f32], width: usize, moments: &[RowMoments], gradient: &[f32]) -> Buffer {
    let rows = moments.len();
    partials::sum(rows.div_ceil(ROWS), 2 * width, |chunks, sums| {
        let (start, end) = (chunks.start * ROWS, rows.min(chunks.end * ROWS));
        let (gamma, beta) = sums.split_at_mut(width);
        let (x, gradient) = (&x[start * width..end * width], &gradient[start * width..end * width]);
        arch::run(ParameterGradients { x, moments: &moments[start..end], gradient, gamma, beta });
    })
}

/// Adds the gradients of the parameters.
pub(crate) struct ParameterGradients<'a> {
    pub x: &'a [f32],
    pub moments: &'a [RowMoments],
    pub gradient: &'a [f32],
    pub gamma: &'a mut [f32],
    pub beta: &'a mut [f32],
}

impl Kernel for ParameterGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.gamma.len();
        let rows = self.x.chunks_exact(width).zip(self.gradient.chunks_exact(width)).zip(self.moments);
        for ((x, gradient), &[mean, inverse_deviation]) in rows {
            let (mean, factor) = (simd.splat(mean), simd.splat(inverse_deviation));
            let sums = self.gamma.chunks_mut(LANES).zip(self.beta.chunks_mut(LANES));
            for ((x, gradient), (gamma, beta)) in x.chunks(LANES).zip(gradient.chunks(LANES)).zip(sums) {
                let gradient = simd.load(gradient);
                let normalised = simd.multiply(simd.subtract(simd.load(x), mean), factor);
                simd.store(gamma, simd.multiply_add(gradient, normalised, simd.load(gamma)));
                simd.store(beta, simd.add(simd.load(beta), gradient));
            }
        }
    }
}
