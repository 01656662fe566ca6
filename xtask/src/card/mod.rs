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
use tinylsa_train::{Calibration, Robustness, TrainConfig};

use crate::evaluation::EvaluationReport;
use crate::folder::Continuation;
use crate::machine::Machine;
use crate::schema::ModelSection;

pub(crate) use measure::{CardSubject, measure_card};
pub(crate) use text::markdown;

/// What is known of a model. Accuracies are fractions, intervals are of 95 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ModelCard {
    pub(crate) data: CardData,
    pub(crate) weights: CardWeights,
    pub(crate) model: ModelSection,
    pub(crate) train: TrainConfig,
    /// The config's file, if the runs were made from one that is known.
    pub(crate) config: Option<String>,
    /// The runs of this recipe; the first one's weights are those of the card.
    pub(crate) runs: Vec<CardRun>,
    pub(crate) accuracy_over_runs: OverRuns,
    /// The weights of the card, as they are stored, on the test split.
    pub(crate) test: EvaluationReport,
    pub(crate) calibration: CardCalibration,
    /// The most frequent mistakes on the test split, the most frequent first.
    pub(crate) confusions: Vec<Confusion>,
    /// On the test split.
    pub(crate) robustness: Robustness,
}

/// What the model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CardData {
    pub(crate) dataset: DatasetName,
    /// Why the dataset is not the one that was asked for, if it is not.
    pub(crate) substitution: Option<String>,
    pub(crate) checksums: Vec<FileChecksum>,
    pub(crate) training_images: usize,
    pub(crate) validation_images: usize,
    pub(crate) test_images: usize,
}

/// The weights as they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CardWeights {
    pub(crate) parameters: usize,
    /// Multiply-accumulate operations of one picture.
    pub(crate) macs: usize,
    /// Size of the file.
    pub(crate) bytes: usize,
    /// Bits of a weight.
    pub(crate) bits: usize,
    /// SHA-256 of the file.
    pub(crate) sha256: String,
}

/// One run of the recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CardRun {
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) test_accuracy: f64,
    pub(crate) test_accuracy_interval: [f64; 2],
    pub(crate) test_accuracy_tta: Option<f64>,
    pub(crate) training_minutes: f64,
    pub(crate) machine: Machine,
    pub(crate) burn: String,
    pub(crate) git_revision: Option<String>,
    pub(crate) started: String,
    /// What `--resume` went on with it, in order.
    pub(crate) continuations: Vec<Continuation>,
    /// The model files that it learnt from.
    pub(crate) teachers: Vec<FileChecksum>,
    /// Of the weights, the evaluation and the metrics together, as in the run's manifest.
    pub(crate) digest: String,
}

/// The test accuracy over the runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OverRuns {
    pub(crate) runs: usize,
    pub(crate) mean: f64,
    /// Sample standard deviation; none of a single run.
    pub(crate) deviation: Option<f64>,
}

/// How sure the model is, at temperature 1 and at its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CardCalibration {
    /// The temperature that is stored with the weights.
    pub(crate) temperature: f64,
    pub(crate) validation_before: Calibration,
    pub(crate) validation_after: Calibration,
    pub(crate) test_before: Calibration,
    pub(crate) test_after: Calibration,
}

/// One kind of mistake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Confusion {
    pub(crate) truth: String,
    pub(crate) prediction: String,
    pub(crate) images: u64,
    /// Share of all mistakes.
    pub(crate) share: f64,
}

impl OverRuns {
    fn of(accuracies: &[f64]) -> Self {
        let runs = accuracies.len();
        let mean = accuracies.iter().sum::<f64>() / runs.max(1) as f64;
        let squares: f64 = accuracies.iter().map(|accuracy| (accuracy - mean).powi(2)).sum();
        Self { runs, mean, deviation: (runs > 1).then(|| (squares / (runs - 1) as f64).sqrt()) }
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
