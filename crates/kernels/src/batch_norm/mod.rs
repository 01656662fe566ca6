//! Batch normalisation with residual, activation and pooling (Ioffe and Szegedy, 2015).

mod apply;
pub(crate) mod flex;
mod gradient;
mod moments;
mod options;
mod output;
mod plan;
mod reference;

pub use options::NormOptions;
pub use output::BatchNormOutput;
pub use reference::{batch_norm_eval_reference, batch_norm_train_reference};

use crate::{
    Activation, check,
    fused::{self, FusedOps, Maybe},
};
use burn::{backend::Dispatch, tensor::Tensor};

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
    if !takes(&x, [&gamma, &beta], residual.as_ref(), options) {
        return batch_norm_train_reference(x, gamma, beta, residual, options);
    }
    let (output, mean, variance) = Dispatch::batch_norm_train(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        Maybe::new(residual),
        *options,
    );
    BatchNormOutput {
        output: Tensor::from_dispatch(output),
        mean: Tensor::from_dispatch(mean),
        variance: Tensor::from_dispatch(variance),
    }
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
    if !takes(&x, [&gamma, &beta], residual.as_ref(), options) || !fused::takes(&mean) || !fused::takes(&variance) {
        return batch_norm_eval_reference(x, gamma, beta, mean, variance, residual, options);
    }
    Tensor::from_dispatch(Dispatch::batch_norm_eval(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        mean.into_dispatch(),
        variance.into_dispatch(),
        Maybe::new(residual),
        *options,
    ))
}

pub(crate) fn takes(
    x: &Tensor<4>,
    vectors: [&Tensor<1>; 2],
    residual: Option<&Tensor<4>>,
    options: &NormOptions,
) -> bool {
    options.activation != Activation::Gelu
        && fused::takes(x)
        && vectors.into_iter().all(fused::takes)
        && residual.is_none_or(fused::takes)
}

pub(crate) fn check_inputs(
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
