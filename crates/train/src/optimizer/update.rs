//! One step of a rule on one tensor.

use std::collections::BTreeMap;

/// What a rule remembers of one tensor from step to step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Mean of the gradients, or the momentum.
    pub first: Vec<f32>,
    /// Mean of the squared gradients; empty for a rule without one.
    pub second: Vec<f32>,
}

/// The lengths of the [`Moments`] of one tensor once a step was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MomentLengths {
    pub(crate) first: usize,
    pub(crate) second: usize,
}

/// The state of an optimizer: the moments of every tensor by its path.
pub type OptimizerState = BTreeMap<String, Moments>;

/// One tensor in one step.
pub(crate) struct Update<'a> {
    pub(crate) shape: &'a [usize],
    pub(crate) weights: &'a mut [f32],
    pub(crate) gradient: &'a [f32],
    pub(crate) moments: &'a mut Moments,
    /// The schedule's fraction of the highest learning rate.
    pub(crate) fraction: f64,
    /// How many steps were made, this one included.
    pub(crate) step: usize,
}

/// Matrices, positions and filters are decayed: decay on scales and shifts would pull them off what they are for.
pub(super) fn decays(shape: &[usize]) -> bool {
    shape.len() >= 2
}

pub(super) fn zeros_at_first(moment: &mut Vec<f32>, length: usize) {
    if moment.is_empty() {
        moment.resize(length, 0.0);
    }
}
