//! 3×3 convolutions of each channel by itself.

pub(crate) mod flex;
pub(crate) mod grid;
mod reference;

pub use reference::depthwise3x3_reference;

use crate::{
    check,
    fused::{self, FusedOps},
};
use burn::{backend::Dispatch, tensor::Tensor};

/// A cross-correlation of each channel with 3×3 weights of its own, and a bias; beyond the edge lie zeros.
///
/// # Shapes
///
/// - `x`: `[batch, height, width, channels]`
/// - `weight`: `[3, 3, channels]`
/// - `bias`: `[channels]`
/// - returns `[batch, height, width, channels]`
///
/// # Panics
///
/// If the shapes do not fit or `x` is empty.
pub fn depthwise3x3(x: Tensor<4>, weight: Tensor<3>, bias: Tensor<1>) -> Tensor<4> {
    let dims = x.dims();
    let (found, expected) = (weight.dims(), [3, 3, dims[3]]);
    assert!(dims.iter().all(|&size| size > 0), "depthwise3x3: the input {dims:?} is empty");
    assert!(found == expected, "depthwise3x3: the weight has shape {found:?}, expected {expected:?}");
    check::channels("depthwise3x3", "bias", &bias, &dims);
    if fused::takes(&x) && fused::takes(&weight) && fused::takes(&bias) {
        let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        Tensor::from_dispatch(Dispatch::depthwise3x3(x, weight, bias))
    } else {
        depthwise3x3_reference(x, weight, bias)
    }
}
