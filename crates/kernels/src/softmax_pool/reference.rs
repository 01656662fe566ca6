use burn::tensor::{Tensor, activation::softmax};

/// [`softmax_pool`](super::softmax_pool) in stock burn operations.
///
/// # Panics
///
/// If the shapes do not fit or `scores` is empty.
pub fn softmax_pool_reference(scores: Tensor<3>, values: Tensor<3>) -> Tensor<2> {
    (softmax(scores, 1) * values).sum_dim(1).squeeze_dim(1)
}
