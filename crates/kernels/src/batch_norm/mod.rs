//! Batch normalisation with residual, activation and pooling (Ioffe and Szegedy, 2015).

mod reference;

pub use reference::{batch_norm_eval_reference, batch_norm_train_reference};

use crate::{Activation, check};
use burn::tensor::Tensor;

/// What follows the normalisation, and how it is kept away from a division by zero.
#[derive(Clone, Copy, Debug)]
pub struct NormOptions {
    /// Added to the variance.
    pub epsilon: f64,
    /// Applied to the normalised value plus the residual. [`Activation::Gelu`] always runs the reference.
    pub activation: Activation,
    /// Whether 2×2 maximum pooling with stride 2 follows the activation. An odd last row or column is dropped.
    pub pool: bool,
}

impl Default for NormOptions {
    /// Epsilon 1e-5, no activation, no pooling.
    fn default() -> Self {
        Self { epsilon: 1e-5, activation: Activation::Identity, pool: false }
    }
}

/// What a normalisation with the statistics of its own batch returns.
#[derive(Clone, Debug)]
pub struct BatchNormOutput {
    /// `[batch, height, width, channels]`, or half the height and width if pooled.
    pub output: Tensor<4>,
    /// Mean of each channel over batch, height and width, `[channels]`. Not differentiable.
    pub mean: Tensor<1>,
    /// Biased variance (divided by the number of positions, the one used in the normalisation) of each channel,
    /// `[channels]`. Not differentiable. Running statistics that estimate the population variance multiply it by
    /// `n / (n - 1)` with `n = batch * height * width`.
    pub variance: Tensor<1>,
}

/// Normalises each channel by its mean and variance over the batch, scales, shifts, adds the residual, applies the
/// activation and pools:
/// `y = pool(activation(gamma · (x − mean) / sqrt(variance + epsilon) + beta + residual))`.
///
/// # Shapes
///
/// - `x` and `residual`: `[batch, height, width, channels]`
/// - `gamma` and `beta`: `[channels]`
///
/// # Panics
///
/// If the shapes do not fit, `x` is empty, or pooling would leave nothing.
pub fn batch_norm_train(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<4>>,
    options: &NormOptions,
) -> BatchNormOutput {
    check_inputs("batch_norm_train", &x, [&gamma, &beta], residual.as_ref(), options);
    batch_norm_train_reference(x, gamma, beta, residual, options)
}

/// As [`batch_norm_train`], with given statistics: the evaluation mode.
///
/// # Shapes
///
/// As [`batch_norm_train`]; `mean` and `variance`: `[channels]`
///
/// # Panics
///
/// As [`batch_norm_train`].
pub fn batch_norm_eval(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    residual: Option<Tensor<4>>,
    options: &NormOptions,
) -> Tensor<4> {
    check_inputs("batch_norm_eval", &x, [&gamma, &beta], residual.as_ref(), options);
    check::channels("batch_norm_eval", "mean", &mean, &x.dims());
    check::channels("batch_norm_eval", "variance", &variance, &x.dims());
    batch_norm_eval_reference(x, gamma, beta, mean, variance, residual, options)
}

fn check_inputs(
    operation: &str,
    x: &Tensor<4>,
    [gamma, beta]: [&Tensor<1>; 2],
    residual: Option<&Tensor<4>>,
    options: &NormOptions,
) {
    let dims = x.dims();
    assert!(dims.iter().all(|&size| size > 0), "{operation}: the input {dims:?} is empty");
    check::channels(operation, "gamma", gamma, &dims);
    check::channels(operation, "beta", beta, &dims);
    if let Some(residual) = residual {
        let found = residual.dims();
        assert!(found == dims, "{operation}: the residual {found:?} differs from the input {dims:?}");
    }
    assert!(
        !options.pool || (dims[1] >= 2 && dims[2] >= 2),
        "{operation}: 2×2 pooling of the input {dims:?} leaves nothing"
    );
}
