//! Updates of parameters, in place where nothing else holds their memory.

mod fused;
mod reference;

pub use reference::{adamw_reference, exponential_average_reference, nesterov_reference};

use burn::tensor::Tensor;

/// A step of `AdamW` (Loshchilov and Hutter, 2019).
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the mean of the gradients.
    pub beta_1: f64,
    /// Decay of the mean of their squares.
    pub beta_2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled decay: the parameter shrinks by `learning_rate · weight_decay`.
    pub weight_decay: f64,
    /// Number of this step, from 1 on, for the correction of the bias towards 0.
    pub step: usize,
}

/// A parameter and the running means that `AdamW` keeps of its gradient. Before the first step both are zeros.
#[derive(Clone, Debug)]
pub struct AdamWState<const D: usize> {
    /// The parameter.
    pub parameter: Tensor<D>,
    /// Mean of the gradients.
    pub mean: Tensor<D>,
    /// Mean of their squares.
    pub mean_square: Tensor<D>,
}

/// Updates a parameter with `AdamW`:
/// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`,
/// `p ← (1 − η λ) p − η (m / (1 − β₁ᵗ)) / (sqrt(v / (1 − β₂ᵗ)) + ε)`.
///
/// # Panics
///
/// If the shapes differ or `step` is 0.
pub fn adamw<const D: usize>(state: AdamWState<D>, gradient: Tensor<D>, options: &AdamW) -> AdamWState<D> {
    assert!(options.step > 0, "adamw: steps are counted from 1");
    let dims = gradient.dims();
    for (name, tensor) in [("parameter", &state.parameter), ("mean", &state.mean), ("mean square", &state.mean_square)]
    {
        check("adamw", name, tensor.dims(), dims);
    }
    fused::adamw(state, gradient, options)
}

/// A step of stochastic gradient descent with Nesterov's momentum and coupled weight decay, as `PyTorch` defines it
/// (Sutskever et al., 2013).
#[derive(Clone, Copy, Debug)]
pub struct Nesterov {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the velocity.
    pub momentum: f64,
    /// The gradient grows by this part of the parameter.
    pub weight_decay: f64,
}

/// A parameter and its velocity. Before the first step the velocity is zeros.
#[derive(Clone, Debug)]
pub struct NesterovState<const D: usize> {
    /// The parameter.
    pub parameter: Tensor<D>,
    /// Decayed sum of the gradients.
    pub velocity: Tensor<D>,
}

/// Updates a parameter with Nesterov's momentum: `g ← g + λ p`, `v ← μ v + g`, `p ← p − η (g + μ v)`.
///
/// # Panics
///
/// If the shapes differ.
pub fn nesterov<const D: usize>(state: NesterovState<D>, gradient: Tensor<D>, options: &Nesterov) -> NesterovState<D> {
    let dims = gradient.dims();
    for (name, tensor) in [("parameter", &state.parameter), ("velocity", &state.velocity)] {
        check("nesterov", name, tensor.dims(), dims);
    }
    fused::nesterov(state, gradient, options)
}

/// A running average that forgets.
#[derive(Clone, Copy, Debug)]
pub struct ExponentialAverage {
    /// The share of the average that a step keeps.
    pub decay: f64,
}

/// Moves a running average towards a value: `decay · average + (1 − decay) · value`.
///
/// # Panics
///
/// If the shapes differ.
pub fn exponential_average<const D: usize>(average: Tensor<D>, value: Tensor<D>, decay: f64) -> Tensor<D> {
    check("exponential_average", "average", average.dims(), value.dims());
    fused::exponential_average(average, value, decay)
}

fn check<const D: usize>(operation: &str, name: &str, found: [usize; D], expected: [usize; D]) {
    assert!(found == expected, "{operation}: the {name} {found:?} differs from the gradient or value {expected:?}");
}
