//! Affine map of the last dimension with a fused activation.

mod activate;
pub(crate) mod flex;
pub(crate) mod product;
mod reference;

pub use reference::linear_reference;

use crate::{
    Activation,
    fused::{self, FusedOps, Maybe},
};
use burn::{backend::Dispatch, tensor::Tensor};

/// `y = activation(x · weight + bias)` over the last dimension.
///
/// # Shapes
///
/// - `x`: `[…, features_in]`
/// - `weight`: `[features_in, features_out]`, the layout of burn's `Linear`
/// - `bias`: `[features_out]`
/// - returns `[…, features_out]`
///
/// # Panics
///
/// If the shapes do not fit, `x` is empty or has fewer than two dimensions.
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<D> {
    check(&x, &weight, bias.as_ref());
    if fused::takes(&x) && fused::takes(&weight) && bias.as_ref().is_none_or(fused::takes) {
        let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), Maybe::new(bias));
        Tensor::from_dispatch(Dispatch::linear(x, weight, bias, activation))
    } else {
        linear_reference(x, weight, bias, activation)
    }
}

fn check<const D: usize>(x: &Tensor<D>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) {
    let (input, [features_in, features_out]) = (x.dims(), weight.dims());
    assert!(D >= 2, "linear: the input {input:?} has fewer than two dimensions");
    assert!(input.iter().all(|&size| size > 0), "linear: the input {input:?} is empty");
    assert!(
        input[D - 1] == features_in && features_out > 0,
        "linear: the weight [{features_in}, {features_out}] does not fit the input {input:?}"
    );
    if let Some(bias) = bias {
        let [length] = bias.dims();
        assert!(
            length == features_out,
            "linear: the bias has {length} elements, but the weight [{features_in}, {features_out}] \
             has {features_out} columns"
        );
    }
}
