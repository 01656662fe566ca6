use burn::tensor::{Tensor, activation::log_softmax};

/// [`cross_entropy`](super::cross_entropy()) in stock burn operations.
///
/// # Panics
///
/// As [`cross_entropy`](super::cross_entropy()).
pub fn cross_entropy_reference(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    super::check(&logits, &targets);
    let batch = logits.dims()[0] as f64;
    (log_softmax(logits, 1) * targets.detach()).sum().div_scalar(-batch)
}
