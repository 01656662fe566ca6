//! A gate on activations.

use crate::{arch, gate::Gated};

/// Multiplies every value by the sigmoid linear unit of another, `g / (1 + exp(−g))`.
///
/// # Panics
///
/// If the lengths differ.
pub fn multiply_by_silu(values: &mut [f32], gate: &[f32]) {
    assert_eq!(values.len(), gate.len(), "a gate for every value");
    arch::run(Gated { values, gate });
}
