//! 3×3 convolution over channels-last images.

mod center;
mod correlate;
pub(crate) mod flex;
mod geometry;
mod narrow;
mod reference;
mod weight_gradient;
mod winograd;

pub use reference::conv3x3_reference;

use crate::fused::{self, FusedOps};
use burn::{backend::Dispatch, tensor::Tensor};
pub(crate) use reference::check;

/// What is done with some images of a result, of which the first is named, while they are in the cache.
pub(crate) type Finish<'a> = &'a (dyn Fn(usize, &mut [f32]) + Sync);

/// Whether the same weights are to be expected again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// They change with the next step of a training.
    Once,
    /// They are constants.
    Again,
}

/// 3×3 cross-correlation with zero padding 1 and no bias, over channels-last images.
///
/// The output has `ceil(height / stride)` rows and `ceil(width / stride)` columns.
///
/// # Shapes
///
/// - `x`: `[batch, height, width, channels_in]`
/// - `weight`: `[channels_out, channels_in, 3, 3]`, burn's layout
/// - returns `[batch, ceil(height / stride), ceil(width / stride), channels_out]`
///
/// # Panics
///
/// If the stride is neither 1 nor 2, a dimension of `x` is 0, or the shapes do not fit.
pub fn conv3x3(x: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4> {
    check("conv3x3", &x, &weight, stride);
    if fused::takes(&x) && fused::takes(&weight) {
        Tensor::from_dispatch(Dispatch::conv3x3(x.into_dispatch(), weight.into_dispatch(), stride))
    } else {
        conv3x3_reference(x, weight, stride)
    }
}
