use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};

use super::{Update, decays, zeros_at_first};

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
        Self { learning_rate: 3e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.05 }
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
        let rate = self.learning_rate * fraction;
        let keep = if decays(shape) { (1.0 - rate * self.weight_decay) as f32 } else { 1.0 };
        let first_correction = 1.0 - self.beta_1.powf(step as f64);
        let second_correction = 1.0 - self.beta_2.powf(step as f64);
        let size = (rate / first_correction) as f32;
        let root_scale = second_correction.sqrt().recip() as f32;
        let (beta_1, beta_2, epsilon) = (self.beta_1 as f32, self.beta_2 as f32, self.epsilon as f32);
        let moments = moments.first.iter_mut().zip(&mut moments.second);
        for ((weight, &slope), (first, second)) in weights.iter_mut().zip(gradient).zip(moments) {
            *first = beta_1 * *first + (1.0 - beta_1) * slope;
            *second = beta_2 * *second + (1.0 - beta_2) * slope * slope;
            *weight = keep * *weight - size * *first / (second.sqrt() * root_scale + epsilon);
        }
    }
}
