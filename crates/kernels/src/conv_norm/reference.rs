use crate::{ConvNormParameters, NormOptions, batch_norm_eval_reference, conv3x3_reference};
use burn::tensor::Tensor;

/// [`conv_norm_eval`](super::conv_norm_eval) in stock burn operations.
///
/// # Panics
///
/// If the shapes do not fit.
pub fn conv_norm_eval_reference(
    x: Tensor<4>,
    ConvNormParameters { weight, gamma, beta }: ConvNormParameters,
    [mean, variance]: [Tensor<1>; 2],
    residual: Option<Tensor<4>>,
    stride: usize,
    options: &NormOptions,
) -> Tensor<4> {
    batch_norm_eval_reference(conv3x3_reference(x, weight, stride), gamma, beta, mean, variance, residual, options)
}
