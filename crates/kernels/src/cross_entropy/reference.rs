use burn::tensor::{Tensor, activation::log_softmax};

/// [`cross_entropy`](super::cross_entropy()) in stock burn operations.
///
/// # Panics
///
/// As [`cross_entropy`](super::cross_entropy()).
pub fn cross_entropy_reference(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    check(&logits, &targets);
    let batch = logits.dims()[0] as f64;
    (log_softmax(logits, 1) * targets.detach()).sum().div_scalar(-batch)
}

/// Panics as the operation does.
pub(super) fn check(logits: &Tensor<2>, targets: &Tensor<2>) {
    let (dims, target_dims) = (logits.dims(), targets.dims());
    assert!(dims.iter().all(|&size| size > 0), "cross_entropy: the logits {dims:?} are empty");
    assert!(dims == target_dims, "cross_entropy: targets {target_dims:?} do not fit the logits {dims:?}");
}
