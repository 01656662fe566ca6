//! Updates of parameters, in place where nothing else holds their memory.

mod fused;
mod reference;
mod steps;

pub use reference::{adamw_reference, exponential_average_reference, nesterov_reference};
pub use steps::{AdamW, AdamWState, ExponentialAverage, Nesterov, NesterovState};

use burn::tensor::Tensor;

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
