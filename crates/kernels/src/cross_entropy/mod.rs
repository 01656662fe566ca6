//! Cross-entropy of a softmax with label smoothing.

pub(crate) mod flex;
mod reference;

pub use reference::cross_entropy_reference;

use crate::fused::{self, FusedOps};
use burn::{
    backend::Dispatch,
    tensor::{DType, Int, Tensor},
};

/// Mean over the batch of the cross-entropy between the softmax of the logits and the smoothed labels, which put
/// `1 − smoothing` on the label and spread `smoothing` evenly over all classes (Szegedy et al., 2016).
///
/// # Shapes
///
/// - `logits`: `[batch, classes]`
/// - `labels`: `[batch]`, class numbers
/// - returns `[1]`, in nats
///
/// # Panics
///
/// If the shapes do not fit, `logits` is empty, `smoothing` is not within 0 and 1, or a label is no class number.
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>, smoothing: f64) -> Tensor<1> {
    check(&logits, &labels, smoothing);
    if fused::takes(&logits) && matches!(labels.dtype(), DType::I64 | DType::I32) {
        Tensor::from_dispatch(Dispatch::cross_entropy(logits.into_dispatch(), labels.into_dispatch(), smoothing))
    } else {
        cross_entropy_reference(logits, labels, smoothing)
    }
}

fn check(logits: &Tensor<2>, labels: &Tensor<1, Int>, smoothing: f64) {
    let (dims, [count]) = (logits.dims(), labels.dims());
    assert!(dims.iter().all(|&size| size > 0), "cross_entropy: the logits {dims:?} are empty");
    assert!(count == dims[0], "cross_entropy: {count} labels do not fit the logits {dims:?}");
    assert!((0.0..=1.0).contains(&smoothing), "cross_entropy: the smoothing is within 0 and 1, got {smoothing}");
}
