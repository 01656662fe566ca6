use burn::tensor::{Tensor, activation};

/// Element-wise function applied to an operation's result before it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The value itself.
    #[default]
    Identity,
    /// `max(0, x)`; the derivative at 0 is 0.
    Relu,
    /// `x · Φ(x)` with the exact normal distribution function (Hendrycks and Gimpel, 2016, without the `tanh`
    /// approximation).
    Gelu,
}

impl Activation {
    /// The function in stock burn operations.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => activation::relu(x),
            Self::Gelu => activation::gelu(x),
        }
    }
}
