//! Cross-entropy of a softmax with a distribution over the classes as target.

pub(crate) mod flex;
mod reference;

pub use reference::cross_entropy_reference;

use crate::fused::{self, FusedOps};
use burn::{backend::Dispatch, tensor::Tensor};
use reference::check;

/// Mean over the batch of `−Σ_c target_c · log softmax(logits)_c`.
///
/// A target is any distribution over the classes: all of it on one label, smoothed labels (Szegedy et al., 2016), labels
/// of two images that were mixed (Zhang et al., 2018), or the probabilities of a teacher (Hinton et al., 2015). It is
/// taken as given: no gradient flows into it.
///
/// # Shapes
///
/// - `logits` and `targets`: `[batch, classes]`
/// - returns `[1]`, in nats
///
/// # Panics
///
/// If the shapes differ or are empty.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    check(&logits, &targets);
    if fused::takes(&logits) && fused::takes(&targets) {
        Tensor::from_dispatch(Dispatch::cross_entropy(logits.into_dispatch(), targets.into_dispatch()))
    } else {
        cross_entropy_reference(logits, targets)
    }
}
