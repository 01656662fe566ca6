use super::parts::{ConvNormParameters, ResidualBlockOutput};
use crate::{BatchNormOutput, NormOptions, batch_norm_train_reference, conv3x3_reference};
use burn::tensor::Tensor;

/// [`residual_block_train`](super::residual_block_train) in stock burn operations.
///
/// # Panics
///
/// As [`residual_block_train`](super::residual_block_train).
pub fn residual_block_train_reference(
    x: Tensor<4>,
    [first, second]: [ConvNormParameters; 2],
    options: &NormOptions,
) -> ResidualBlockOutput {
    let unpooled = NormOptions { pool: false, ..*options };
    let ConvNormParameters { weight, gamma, beta } = first;
    let first = batch_norm_train_reference(conv3x3_reference(x.clone(), weight, 1), gamma, beta, None, &unpooled);
    let ConvNormParameters { weight, gamma, beta } = second;
    let convolved = conv3x3_reference(first.output, weight, 1);
    let BatchNormOutput { output, mean, variance } =
        batch_norm_train_reference(convolved, gamma, beta, Some(x), options);
    ResidualBlockOutput { output, statistics: [[first.mean, first.variance], [mean, variance]] }
}
