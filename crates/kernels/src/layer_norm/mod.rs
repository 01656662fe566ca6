//! Layer normalisation (Ba, Kiros and Hinton, 2016).

mod reference;

pub use reference::layer_norm_reference;

use crate::check;
use burn::tensor::Tensor;

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
    layer_norm_reference(x, gamma, beta, epsilon)
}
