use burn::tensor::{Int, Tensor, activation::log_softmax};

/// [`cross_entropy`](super::cross_entropy()) in stock burn operations.
///
/// # Panics
///
/// As [`cross_entropy`](super::cross_entropy()).
pub fn cross_entropy_reference(logits: Tensor<2>, labels: Tensor<1, Int>, smoothing: f64) -> Tensor<1> {
    super::check(&logits, &labels, smoothing);
    let log_probability = log_softmax(logits, 1);
    let of_label = log_probability.clone().gather(1, labels.unsqueeze_dim(1)).mean();
    let of_all = log_probability.mean();
    of_label.mul_scalar(smoothing - 1.0) + of_all.mul_scalar(-smoothing)
}
