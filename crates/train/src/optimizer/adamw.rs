use serde::{Deserialize, Serialize};
use tinylsa_kernels::AdamW;
use tinylsa_settings::{InvalidSetting, require_within};

use super::update::{Update, decays, zeros_at_first};

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWConfig {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Decay of the mean of the gradients.
    pub beta_1: f64,
    /// Decay of the mean of the squared gradients.
    pub beta_2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decay of matrices and filters, times the learning rate.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { learning_rate: 3e-3, beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, weight_decay: 0.05 }
    }
}

impl AdamWConfig {
    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("learning_rate", self.learning_rate, 1e-9..=10.0)?;
        require_within("beta_1", self.beta_1, 0.0..1.0)?;
        require_within("beta_2", self.beta_2, 0.0..1.0)?;
        require_within("epsilon", self.epsilon, 1e-12..=1.0)?;
        require_within("weight_decay", self.weight_decay, 0.0..=10.0)
    }

    pub(super) fn update(&self, update: Update<'_>) {
        let Update { shape, weights, gradient, moments, fraction, step } = update;
        zeros_at_first(&mut moments.first, weights.len());
        zeros_at_first(&mut moments.second, weights.len());
        let rule = AdamW {
            learning_rate: self.learning_rate * fraction,
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
            weight_decay: if decays(shape) { self.weight_decay } else { 0.0 },
            step,
        };
        rule.update(weights, &mut moments.first, &mut moments.second, gradient);
    }
}
