use crate::Activation;
use burn::tensor::{Tensor, module};

/// [`linear`](super::linear()) in stock burn operations.
///
/// # Panics
///
/// If the shapes do not fit.
pub fn linear_reference<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<D> {
    activation.apply(module::linear(x, weight, bias))
}
