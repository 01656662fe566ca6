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
use crate::statistics::MeanAndDeviation;

pub use measure::{CardSubject, measure_card};
pub use text::markdown;

/// What is known of a model. Accuracies are fractions, intervals are of 95 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The images.
    pub data: CardData,
    /// The weights.
    pub weights: CardWeights,
    /// The network.
    pub model: ModelSection,
    /// The training recipe.
    pub train: TrainConfig,
    /// The config's file, if the runs were made from one that is known.
    pub config: Option<String>,
    /// The runs of this recipe; the first one's weights are those of the card.
    pub runs: Vec<CardRun>,
    /// The spread of the test accuracy.
    pub accuracy_over_runs: OverRuns,
    /// The weights of the card, as they are stored, on the test split.
    pub test: EvaluationReport,
    /// How probable the predictions are, and how often they are correct.
    pub calibration: CardCalibration,
    /// The most frequent mistakes on the test split, the most frequent first.
    pub confusions: Vec<Confusion>,
    /// On the test split.
    pub robustness: Robustness,
}

/// What the model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardData {
    /// The images.
    pub dataset: DatasetName,
    /// Why the dataset is not the one that was asked for, if it is not.
    pub substitution: Option<String>,
    /// Of the published files.
    pub checksums: Vec<FileChecksum>,
    /// Images that were trained on.
    pub training_images: usize,
    /// Images that were set aside.
    pub validation_images: usize,
    /// Images of the test split.
    pub test_images: usize,
}

/// The weights as they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardWeights {
    /// Trained numbers.
    pub parameters: usize,
    /// Multiply-accumulate operations of one image.
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
    /// The run's name in its config.
    pub name: String,
    /// Seed of everything that is random.
    pub seed: u64,
    /// Of the run as it ended, a fraction.
    pub test_accuracy: f64,
    /// Its 95 % interval.
    pub test_accuracy_interval: [f64; 2],
    /// The same with mirrored and shifted views.
    pub test_accuracy_tta: Option<f64>,
    /// Minutes of training, validation included.
    pub training_minutes: f64,
    /// Where it ran.
    pub machine: Machine,
    /// Version of burn.
    pub burn: String,
    /// Revision of the working tree at the start.
    pub git_revision: Option<String>,
    /// When it was started.
    pub started: String,
    /// What `--resume` went on with it, in order.
    pub continuations: Vec<Continuation>,
    /// The model files of its teachers.
    pub teachers: Vec<FileChecksum>,
    /// The model file whose weights the training began with, if they were not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_weights: Option<FileChecksum>,
    /// Of the weights, the evaluation and the metrics together, as in the run's manifest.
    pub digest: String,
}

/// The test accuracy over the runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverRuns {
    /// How many runs there are.
    pub runs: usize,
    /// The mean, a fraction.
    pub mean: f64,
    /// Sample standard deviation; none of a single run.
    pub deviation: Option<f64>,
}

/// How sure the model is, at temperature 1 and at its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardCalibration {
    /// The temperature that is stored with the weights.
    pub temperature: f64,
    /// On the validation split at temperature 1.
    pub validation_before: Calibration,
    /// On the validation split at the temperature of the model.
    pub validation_after: Calibration,
    /// On the test split at temperature 1.
    pub test_before: Calibration,
    /// On the test split at the temperature of the model.
    pub test_after: Calibration,
}

/// One kind of mistake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// The class of the images.
    pub truth: String,
    /// What they are taken for.
    pub prediction: String,
    /// How many of the test images.
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
