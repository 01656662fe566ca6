//! Layer normalisation (Ba, Kiros and Hinton, 2016).

pub(crate) mod flex;
mod reference;
pub(crate) mod rows;

pub use reference::layer_norm_reference;

use crate::{
    check,
    fused::{self, FusedOps},
};
use burn::{backend::Dispatch, tensor::Tensor};

/// Normalises the last dimension to mean 0 and (biased) variance 1, scales and shifts:
/// `y = gamma · (x − mean) / sqrt(variance + epsilon) + beta`.
///
/// # Shapes
///
/// - `x`: `[…, features]`
/// - `gamma` and `beta`: `[features]`
///
/// # Panics
///
/// If the shapes do not fit or `x` is empty.
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<D> {
    let dims = x.dims();
    assert!(dims.iter().all(|&size| size > 0), "layer_norm: the input {dims:?} is empty");
    check::channels("layer_norm", "gamma", &gamma, &dims);
    check::channels("layer_norm", "beta", &beta, &dims);
    if fused::takes(&x) && fused::takes(&gamma) && fused::takes(&beta) {
        let (x, gamma, beta) = (x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
        Tensor::from_dispatch(Dispatch::layer_norm(x, gamma, beta, epsilon))
    } else {
        layer_norm_reference(x, gamma, beta, epsilon)
    }
}
