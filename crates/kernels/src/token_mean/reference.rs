use burn::tensor::Tensor;

/// [`mean_tokens`](super::mean_tokens) in stock burn operations.
///
/// # Panics
///
/// If `x` is empty.
pub fn mean_tokens_reference(x: Tensor<3>) -> Tensor<2> {
    x.mean_dim(1).squeeze_dim(1)
}
