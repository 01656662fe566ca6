use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};

use super::update::{Update, zeros_at_first};

/// Coefficients of the quintic iteration `X ← a X + (b X Xᵀ + c (X Xᵀ)²) X` (Jordan et al. 2024).
const QUINTIC: [f64; 3] = [3.4445, -4.7750, 2.0315];
const ITERATIONS: usize = 5;

/// Momentum orthogonalised by a Newton–Schulz iteration (Jordan et al. 2024, "Muon: an optimizer for hidden layers in
/// neural networks"). Filters are taken as matrices with a row for each output channel, weights of linear layers and
/// positions as they lie, `[in, out]` and `[tokens, width]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MuonConfig {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// The share of the momentum that a step keeps.
    pub momentum: f64,
    /// Decay, times the learning rate.
    pub weight_decay: f64,
}

impl Default for MuonConfig {
    fn default() -> Self {
        Self { learning_rate: 0.03, momentum: 0.95, weight_decay: 0.01 }
    }
}

/// Whether a tensor is a matrix or a filter bank that is worth orthogonalising.
pub(super) fn applies_to(shape: &[usize]) -> bool {
    shape.len() >= 2 && shape[0] > 1 && shape[1..].iter().product::<usize>() > 1
}

impl MuonConfig {
    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("learning_rate", self.learning_rate, 1e-9..=10.0)?;
        require_within("momentum", self.momentum, 0.0..1.0)?;
        require_within("weight_decay", self.weight_decay, 0.0..=10.0)
    }

    pub(super) fn update(&self, update: Update<'_>) {
        let Update { shape, weights, gradient, moments, fraction, .. } = update;
        zeros_at_first(&mut moments.first, weights.len());
        let momentum = self.momentum as f32;
        for (memory, &slope) in moments.first.iter_mut().zip(gradient) {
            *memory = momentum * *memory + (1.0 - momentum) * slope;
        }
        let ahead: Vec<f32> = moments
            .first
            .iter()
            .zip(gradient)
            .map(|(&memory, &slope)| momentum * memory + (1.0 - momentum) * slope)
            .collect();
        let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
        let direction = orthogonalised(ahead, rows, columns);
        let rate = self.learning_rate * fraction;
        let keep = (1.0 - rate * self.weight_decay) as f32;
        let size = (rate * (rows as f64 / columns as f64).max(1.0).sqrt()) as f32;
        for (weight, step) in weights.iter_mut().zip(direction) {
            *weight = keep * *weight - size * step;
        }
    }
}

/// A matrix with the same singular vectors and singular values near 1.
fn orthogonalised(values: Vec<f32>, rows: usize, columns: usize) -> Vec<f32> {
    let matrix = Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), &Device::flex());
    // X Xᵀ is smaller for a wide matrix.
    let wide = if rows > columns { matrix.transpose() } else { matrix };
    let norm = wide.clone().powi_scalar(2).sum().sqrt().add_scalar(1e-7);
    let [a, b, c] = QUINTIC;
    let mut x = wide / norm.unsqueeze();
    for _ in 0..ITERATIONS {
        let gram = x.clone().matmul(x.clone().transpose());
        let polynomial = gram.clone() * b + gram.clone().matmul(gram) * c;
        x = x.clone() * a + polynomial.matmul(x);
    }
    let shaped = if rows > columns { x.transpose() } else { x };
    tinylsa_model::values_of(&shaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singular_values_come_near_one() {
        for (rows, columns) in [(4, 9), (9, 4)] {
            let values = (0..36).map(|index| ((index * 7 + 3) % 11) as f32 - 5.0).collect();
            let result = orthogonalised(values, rows, columns);
            let matrix = Tensor::<2>::from_data(TensorData::new(result, [rows, columns]), &Device::flex());
            let wide = if rows > columns { matrix.transpose() } else { matrix };
            let gram = tinylsa_model::values_of(&wide.clone().matmul(wide.transpose()));
            for row in 0..4 {
                let diagonal = gram[row * 4 + row];
                assert!((0.4..1.6).contains(&diagonal), "{diagonal}");
                let others: f32 = (0..4).filter(|&other| other != row).map(|other| gram[row * 4 + other].abs()).sum();
                assert!(others < 0.5, "{others}");
            }
        }
    }
}
