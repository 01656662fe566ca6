//! The same values added to every image of a batch.

pub(crate) mod flex;
mod reference;

pub use reference::add_positions_reference;

use crate::fused::{self, FusedOps};
use burn::{backend::Dispatch, tensor::Tensor};

/// Adds what tells a token's position to the tokens of every image.
///
/// # Shapes
///
/// - `x`: `[batch, tokens, features]`
/// - `positions`: `[tokens, features]`
/// - returns `[batch, tokens, features]`
///
/// # Panics
///
/// If the shapes do not fit or `x` is empty.
pub fn add_positions(x: Tensor<3>, positions: Tensor<2>) -> Tensor<3> {
    let dims = x.dims();
    let expected = [dims[1], dims[2]];
    let found = positions.dims();
    assert!(dims.iter().all(|&size| size > 0), "add_positions: the input {dims:?} is empty");
    assert!(found == expected, "add_positions: the positions have shape {found:?}, expected {expected:?}");
    if fused::takes(&x) && fused::takes(&positions) {
        Tensor::from_dispatch(Dispatch::add_positions(x.into_dispatch(), positions.into_dispatch()))
    } else {
        add_positions_reference(x, positions)
    }
}
