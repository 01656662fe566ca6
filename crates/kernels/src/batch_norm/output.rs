use burn::tensor::Tensor;

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
