use crate::Activation;

/// What follows the normalisation, and how it is kept away from a division by zero.
#[derive(Clone, Copy, Debug)]
pub struct NormOptions {
    /// Added to the variance.
    pub epsilon: f64,
    /// Applied to the normalised value plus the residual. [`Activation::Gelu`] always runs the reference.
    pub activation: Activation,
    /// Whether 2×2 maximum pooling with stride 2 follows the activation. An odd last row or column is dropped.
    pub pool: bool,
}

impl Default for NormOptions {
    /// Epsilon 1e-5, no activation, no pooling.
    fn default() -> Self {
        Self { epsilon: 1e-5, activation: Activation::Identity, pool: false }
    }
}
