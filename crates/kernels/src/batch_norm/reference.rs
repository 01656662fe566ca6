use super::{BatchNormOutput, NormOptions};
use crate::{Activation, max_pool2x2};
use burn::tensor::Tensor;

/// [`batch_norm_train`](super::batch_norm_train) in stock burn operations.
///
/// # Panics
///
/// If the shapes do not fit.
pub fn batch_norm_train_reference(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<4>>,
    options: &NormOptions,
) -> BatchNormOutput {
    let [batch, height, width, channels] = x.dims();
    let rows = x.clone().reshape([batch * height * width, channels]);
    let mean = rows.clone().mean_dim(0);
    let centred = rows - mean.clone();
    let variance = (centred.clone() * centred).mean_dim(0);
    let (mean, variance) = (mean.reshape([channels]), variance.reshape([channels]));
    let output = batch_norm_eval_reference(x, gamma, beta, mean.clone(), variance.clone(), residual, options);
    BatchNormOutput { output, mean: mean.detach(), variance: variance.detach() }
}

/// [`batch_norm_eval`](super::batch_norm_eval) in stock burn operations.
///
/// # Panics
///
/// If the shapes do not fit.
pub fn batch_norm_eval_reference(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    residual: Option<Tensor<4>>,
    options: &NormOptions,
) -> Tensor<4> {
    let scale = gamma / variance.add_scalar(options.epsilon).sqrt();
    let normalised = (x - mean.unsqueeze::<4>()) * scale.unsqueeze::<4>() + beta.unsqueeze::<4>();
    let sum = match residual {
        Some(residual) => normalised + residual,
        None => normalised,
    };
    match (options.pool, options.activation) {
        (false, activation) => activation.apply(sum),
        // A rectifier and a maximum may change places. In this order it is the maximum that is rectified, and a value that
        // is tied with one that passes is not stopped by its rounding.
        (true, Activation::Identity | Activation::Relu) => options.activation.apply(max_pool2x2(sum)),
        // not monotonic
        (true, Activation::Gelu) => max_pool2x2(Activation::Gelu.apply(sum)),
    }
}
