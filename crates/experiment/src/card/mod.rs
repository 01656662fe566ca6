//! The model card: what the weights that ship are, where they come from and what they are worth.
//!
//! [`ModelCard`] holds numbers and is written as JSON; [`markdown`] puts the same numbers into words. No figure is in the
//! text that is not in the card.

mod measure;
#[cfg(test)]
mod tests;
mod text;

use serde::{Deserialize, Serialize};
use tinylsa_data::{DatasetName, FileChecksum};
use tinylsa_model::TinyCnnLsaConfig;
use tinylsa_train::{Calibration, Robustness, TrainConfig};

use crate::evaluation::EvaluationReport;
use crate::folder::Continuation;
use crate::machine::Machine;
use crate::statistics::MeanAndDeviation;

pub use measure::{CardSubject, measure_card};
pub use text::markdown;

/// What is known of a model. Accuracies are fractions, intervals are of 95 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    pub data: CardData,
    pub weights: CardWeights,
    pub model: TinyCnnLsaConfig,
    pub train: TrainConfig,
    /// The config's file, if the runs were made from one that is known.
    pub config: Option<String>,
    /// The runs of this recipe; the first one's weights are those of the card.
    pub runs: Vec<CardRun>,
    pub accuracy_over_runs: OverRuns,
    /// The weights of the card, as they are stored, on the test split.
    pub test: EvaluationReport,
    pub calibration: CardCalibration,
    /// The most frequent mistakes on the test split, the most frequent first.
    pub confusions: Vec<Confusion>,
    /// On the test split.
    pub robustness: Robustness,
}

/// What the model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardData {
    pub dataset: DatasetName,
    /// Why the dataset is not the one that was asked for, if it is not.
    pub substitution: Option<String>,
    pub checksums: Vec<FileChecksum>,
    pub training_images: usize,
    pub validation_images: usize,
    pub test_images: usize,
}

/// The weights as they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardWeights {
    pub parameters: usize,
    /// Multiply-accumulate operations of one picture.
    pub macs: usize,
    /// Size of the file.
    pub bytes: usize,
    /// Bits of a weight.
    pub bits: usize,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// One run of the recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardRun {
    pub name: String,
    pub seed: u64,
    pub test_accuracy: f64,
    pub test_accuracy_interval: [f64; 2],
    pub test_accuracy_tta: Option<f64>,
    pub training_minutes: f64,
    pub machine: Machine,
    pub burn: String,
    pub git_revision: Option<String>,
    pub started: String,
    /// What `--resume` went on with it, in order.
    pub continuations: Vec<Continuation>,
    /// The model files that it learnt from.
    pub teachers: Vec<FileChecksum>,
    /// Of the weights, the evaluation and the metrics together, as in the run's manifest.
    pub digest: String,
}

/// The test accuracy over the runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverRuns {
    pub runs: usize,
    pub mean: f64,
    /// Sample standard deviation; none of a single run.
    pub deviation: Option<f64>,
}

/// How sure the model is, at temperature 1 and at its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardCalibration {
    /// The temperature that is stored with the weights.
    pub temperature: f64,
    pub validation_before: Calibration,
    pub validation_after: Calibration,
    pub test_before: Calibration,
    pub test_after: Calibration,
}

/// One kind of mistake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    pub truth: String,
    pub prediction: String,
    pub images: u64,
    /// Share of all mistakes.
    pub share: f64,
}

impl OverRuns {
    fn of(accuracies: &[f64]) -> Self {
        let MeanAndDeviation { count: runs, mean, deviation } = MeanAndDeviation::of(accuracies);
        Self { runs, mean, deviation }
    }
}

impl Confusion {
    /// The `most` largest numbers off the diagonal, the largest first, the earlier row and column of equal ones.
    fn most_frequent(report: &EvaluationReport, most: usize) -> Vec<Self> {
        let mistakes = report.confusion.iter().enumerate().flat_map(|(truth, row)| {
            let others = row.iter().enumerate().filter(move |(prediction, _)| *prediction != truth);
            others.map(move |(prediction, &images)| (truth, prediction, images))
        });
        let mut mistakes: Vec<_> = mistakes.filter(|&(_, _, images)| images > 0).collect();
        let all: u64 = mistakes.iter().map(|&(_, _, images)| images).sum();
        mistakes.sort_by_key(|&(_, _, images)| std::cmp::Reverse(images));
        mistakes.truncate(most);
        let name = |class: usize| report.classes[class].name.clone();
        let confusion = |(truth, prediction, images)| Self {
            truth: name(truth),
            prediction: name(prediction),
            images,
            share: images as f64 / all as f64,
        };
        mistakes.into_iter().map(confusion).collect()
    }
}
