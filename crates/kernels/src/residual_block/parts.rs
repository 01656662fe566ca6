use burn::tensor::Tensor;

/// A 3×3 convolution and the normalisation behind it.
#[derive(Clone, Debug)]
pub struct ConvNormParameters {
    /// `[channels, channels, 3, 3]`.
    pub weight: Tensor<4>,
    /// `[channels]`.
    pub gamma: Tensor<1>,
    /// `[channels]`.
    pub beta: Tensor<1>,
}

/// What [`residual_block_train`](super::residual_block_train) returns.
#[derive(Clone, Debug)]
pub struct ResidualBlockOutput {
    /// `[batch, height, width, channels]`, or half the height and width if pooled.
    pub output: Tensor<4>,
    /// Mean and variance of each normalisation, first and second, `[channels]`, as in
    /// [`BatchNormOutput`](crate::BatchNormOutput).
    pub statistics: [[Tensor<1>; 2]; 2],
}
