//! The accuracy of a network on corrupted images.

use serde::{Deserialize, Serialize};
use tinylsa_data::{Corruption, Dataset, Severity, corrupted};
use tinylsa_model::Predictor;

use crate::interval::Interval;
use crate::measure::MeasureError;
use crate::prediction::{Views, predict};

/// The accuracy of a network on the same images, clean and corrupted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Robustness {
    /// Number of images.
    pub images: usize,
    /// Accuracy on the images as they are.
    pub clean: Interval,
    /// One entry a corruption.
    pub corruptions: Vec<CorruptionRobustness>,
    /// Mean accuracy over all corruptions and severities.
    pub mean: f64,
}

/// The accuracy under one corruption.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorruptionRobustness {
    /// The corruption.
    pub corruption: Corruption,
    /// One entry a severity, the mildest first.
    pub severities: Vec<SeverityRobustness>,
}

/// The accuracy under one corruption at one severity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeverityRobustness {
    /// The severity, from 1 to 5.
    pub severity: u8,
    /// What it stands for, see [`Corruption::strength`].
    pub strength: f64,
    /// Accuracy on the corrupted images.
    pub accuracy: Interval,
}

/// Measures a network on the images with these indices, as they are and under every corruption at every severity: 21
/// passes over them. Noise and directions are drawn from `seed`.
///
/// # Errors
/// As [`predict`].
pub fn robustness(
    model: &dyn Predictor,
    dataset: &Dataset,
    indices: &[u32],
    seed: u64,
) -> Result<Robustness, MeasureError> {
    let accuracy = |dataset: &Dataset, indices: &[u32]| {
        predict(model, dataset, indices, Views::Plain).map(|predictions| predictions.accuracy_with_interval())
    };
    // Wrong indices are refused here, before the images are corrupted.
    let clean = accuracy(dataset, indices)?;
    let positions: Vec<u32> = (0..indices.len() as u32).collect();
    let under = |corruption: Corruption, severity: Severity| {
        Ok(SeverityRobustness {
            severity: severity.number(),
            strength: corruption.strength(severity),
            accuracy: accuracy(&corrupted(dataset, indices, corruption, severity, seed), &positions)?,
        })
    };
    let of = |corruption: Corruption| {
        let severities = Severity::ALL.into_iter().map(|severity| under(corruption, severity));
        Ok(CorruptionRobustness { corruption, severities: severities.collect::<Result<_, MeasureError>>()? })
    };
    let corruptions = Corruption::ALL.into_iter().map(of).collect::<Result<Vec<_>, MeasureError>>()?;
    let accuracies = corruptions.iter().flat_map(|entry| &entry.severities).map(|entry| entry.accuracy.value);
    let mean = accuracies.sum::<f64>() / (Corruption::ALL.len() * Severity::ALL.len()) as f64;
    Ok(Robustness { images: indices.len(), clean, corruptions, mean })
}
