//! Batch normalisation as part of the convolution before it.

use crate::layers::EPSILON;

/// A convolution that does what it and its batch normalisation did.
pub(crate) struct Folded {
    /// In the order of the weights that it was made from.
    pub(crate) weight: Vec<f32>,
    /// One for each output channel.
    pub(crate) bias: Vec<f32>,
}

/// `γ (w ∗ x − mean) / √(variance + ε) + β` is a convolution with scaled weights and a bias. The outputs come first in the
/// order of the weights.
pub(crate) fn fold(weight: &[f32], gamma: &[f32], beta: &[f32], mean: &[f32], variance: &[f32]) -> Folded {
    let scales: Vec<f64> = gamma
        .iter()
        .zip(variance)
        .map(|(&gamma, &variance)| f64::from(gamma) / (f64::from(variance) + EPSILON).sqrt())
        .collect();
    let kernels = weight.chunks_exact((weight.len() / scales.len().max(1)).max(1)).zip(&scales);
    let weight = kernels
        .flat_map(|(kernel, scale)| kernel.iter().map(move |&weight| (f64::from(weight) * scale) as f32))
        .collect();
    let bias = scales
        .iter()
        .zip(beta.iter().zip(mean))
        .map(|(scale, (&beta, &mean))| (f64::from(beta) - f64::from(mean) * scale) as f32)
        .collect();
    Folded { weight, bias }
}
