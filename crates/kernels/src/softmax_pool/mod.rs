//! A mean over tokens whose weights are a softmax of scores.

pub(crate) mod flex;
mod reference;
mod rows;

pub use reference::softmax_pool_reference;
pub use rows::pool_by_softmax;

use crate::fused::{self, FusedOps};
use burn::{backend::Dispatch, tensor::Tensor};

/// The mean of the values over the tokens, in each column c with weights of its own: `Σ_j softmax_j(s_jc) v_jc`. With a column
/// for each class it is the readout of class attention (after Touvron et al. 2021, "Going deeper with image transformers").
///
/// # Shapes
///
/// - `scores`, `values`: `[batch, tokens, columns]`
/// - returns `[batch, columns]`
///
/// # Panics
///
/// If the shapes do not fit or `scores` is empty.
pub fn softmax_pool(scores: Tensor<3>, values: Tensor<3>) -> Tensor<2> {
    let (dims, found) = (scores.dims(), values.dims());
    assert!(dims.iter().all(|&size| size > 0), "softmax_pool: the scores {dims:?} are empty");
    assert!(found == dims, "softmax_pool: the values have shape {found:?}, expected {dims:?}");
    if fused::takes(&scores) && fused::takes(&values) {
        Tensor::from_dispatch(Dispatch::softmax_pool(scores.into_dispatch(), values.into_dispatch()))
    } else {
        softmax_pool_reference(scores, values)
    }
}
