use serde::{Deserialize, Serialize};
use tinylsa_kernels::Nesterov;
use tinylsa_settings::{InvalidSetting, require_within};

use super::update::{Update, decays, zeros_at_first};

/// Stochastic gradient descent with Nesterov's momentum, as Sutskever et al. (2013) put it: the momentum is
/// `m ← μ m + g`, the step `−rate · (g + μ m)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NesterovConfig {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// The share of the momentum that a step keeps.
    pub momentum: f64,
    /// Added to the gradient of matrices and filters, times the weight.
    pub weight_decay: f64,
}

impl Default for NesterovConfig {
    fn default() -> Self {
        Self { learning_rate: 0.1, momentum: 0.9, weight_decay: 5e-4 }
    }
}

impl NesterovConfig {
    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("learning_rate", self.learning_rate, 1e-9..=100.0)?;
        require_within("momentum", self.momentum, 0.0..1.0)?;
        require_within("weight_decay", self.weight_decay, 0.0..=1.0)
    }

    pub(super) fn update(&self, update: Update<'_>) {
        let Update { shape, weights, gradient, moments, fraction, .. } = update;
        zeros_at_first(&mut moments.first, weights.len());
        let rule = Nesterov {
            learning_rate: self.learning_rate * fraction,
            momentum: self.momentum,
            weight_decay: if decays(shape) { self.weight_decay } else { 0.0 },
        };
        rule.update(weights, &mut moments.first, gradient);
    }
}
