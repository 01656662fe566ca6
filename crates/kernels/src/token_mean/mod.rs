//! Mean over the tokens or the positions of an image.

pub(crate) mod flex;
mod reference;
mod rows;

pub use reference::mean_tokens_reference;
pub use rows::mean_rows;

use crate::fused::{self, FusedOps};
use burn::{backend::Dispatch, tensor::Tensor};

/// Mean over the tokens. For the mean over height and width reshape to `[batch, height * width, channels]` first.
///
/// # Shapes
///
/// - `x`: `[batch, tokens, features]`
/// - returns `[batch, features]`
///
/// # Panics
///
/// If `x` is empty.
pub fn mean_tokens(x: Tensor<3>) -> Tensor<2> {
    let dims = x.dims();
    assert!(dims.iter().all(|&size| size > 0), "mean_tokens: the input {dims:?} is empty");
    if fused::takes(&x) {
        Tensor::from_dispatch(Dispatch::mean_tokens(x.into_dispatch()))
    } else {
        mean_tokens_reference(x)
    }
}
