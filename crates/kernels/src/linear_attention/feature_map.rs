use burn::tensor::{Tensor, activation};

/// The map φ whose inner products replace the exponential of softmax attention. All are positive, so that the
/// normalisation never divides by zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeatureMap {
    /// `elu(x) + 1`: `x + 1` above zero, `exp(x)` below (Katharopoulos et al., 2020).
    #[default]
    EluPlusOne,
    /// `max(0, x)` plus [`FeatureMap::RELU_EPSILON`].
    Relu,
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `exp(x)` with `x` within ±[`FeatureMap::LARGEST_EXPONENT`]; the derivative beyond is 0.
    Exp,
    /// `exp(2x)` with `2x` within ±[`FeatureMap::LARGEST_EXPONENT`]; the derivative beyond is 0.
    SharpExp,
}

impl FeatureMap {
    /// What [`FeatureMap::Relu`] adds, so that a query without any positive element still attends, evenly.
    pub const RELU_EPSILON: f32 = 1e-3;

    /// Beyond it [`FeatureMap::Exp`] and [`FeatureMap::SharpExp`] are constant, so that no product of two mapped values overflows.
    pub const LARGEST_EXPONENT: f32 = 12.0;

    /// The map in stock burn operations, element by element.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::EluPlusOne => activation::elu(x, 1.0).add_scalar(1.0),
            Self::Relu => activation::relu(x).add_scalar(Self::RELU_EPSILON),
            Self::Softplus => activation::relu(x.clone()) + x.abs().neg().exp().log1p(),
            Self::Exp => x.clamp(-Self::LARGEST_EXPONENT, Self::LARGEST_EXPONENT).exp(),
            Self::SharpExp => Self::Exp.apply(x.mul_scalar(2.0)),
        }
    }
}
