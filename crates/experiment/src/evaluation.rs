//! `evaluation.json`, which is also what `evaluate --json` prints.

use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tinylsa_data::{Dataset, DatasetName};
use tinylsa_model::Predictor;
use tinylsa_model::networks::NetworkConfig;
use tinylsa_report::ClassScores;
use tinylsa_train::{CalibrationBin, Evaluation, Interval, Logits, Views, evaluate, predict};

use crate::error::ExperimentError;
use crate::models::AskedNetwork;

/// The figures of one model on one split. Intervals are of 95 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// The dataset of the images.
    pub dataset: DatasetName,
    /// The split of the images.
    pub split: SplitName,
    /// How many images there are.
    pub images: usize,
    /// Share of correct predictions, a fraction, each image looked at once.
    pub accuracy: f64,
    /// From low to high.
    pub accuracy_interval: [f64; 2],
    /// The same with mirrored and shifted views of each image, if that was measured.
    pub accuracy_tta: Option<f64>,
    /// From low to high.
    pub accuracy_tta_interval: Option<[f64; 2]>,
    /// Mean negative log-likelihood in nats, at temperature 1.
    pub nll: f64,
    /// From low to high.
    pub nll_interval: [f64; 2],
    /// Expected calibration error, a fraction, at temperature 1.
    pub ece: f64,
    /// From low to high.
    pub ece_interval: [f64; 2],
    /// The temperature that is stored with the weights, and what it makes of the two; left out if there is none.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub calibrated: Option<CalibratedReport>,
    /// Trained numbers of the network.
    pub parameters: usize,
    /// Multiply-accumulate operations of one image.
    pub macs: usize,
    /// The figures of every class, in their order.
    pub classes: Vec<ClassReport>,
    /// `confusion[truth][prediction]`
    pub confusion: Vec<Vec<u64>>,
    /// Accuracy by confidence.
    pub calibration: Vec<CalibrationBin>,
}

/// Figures of the logits divided by the temperature of the model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibratedReport {
    /// The number by which the logits are divided.
    pub temperature: f64,
    /// Mean negative log-likelihood in nats.
    pub nll_calibrated: f64,
    /// Expected calibration error, a fraction.
    pub ece_calibrated: f64,
    /// From low to high.
    pub ece_calibrated_interval: [f64; 2],
}

/// The figures of one class; those that do not exist are `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// The name of the class.
    pub name: String,
    /// Share of the predictions of this class that are correct.
    pub precision: Option<f64>,
    /// From low to high.
    pub precision_interval: Option<[f64; 2]>,
    /// Share of the images of this class that are recognised.
    pub recall: Option<f64>,
    /// From low to high.
    pub recall_interval: Option<[f64; 2]>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Images of this class.
    pub support: u64,
}

/// The images of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitName {
    /// The training images without the validation split.
    Train,
    /// The training images that were set aside.
    Validation,
    /// The test images.
    Test,
}

/// Some images of a dataset, under the name of a split.
pub struct SplitView<'a> {
    /// The name of the split.
    pub name: SplitName,
    /// Holds the images.
    pub dataset: &'a Dataset,
    /// The images by their place in the dataset.
    pub indices: &'a [u32],
}

/// A network and what is known of it.
pub struct MeasuredModel<'a> {
    /// The network.
    pub network: &'a dyn Predictor,
    /// The config that it was made from.
    pub config: &'a NetworkConfig,
    /// In the order of the logits, as many as there are.
    pub class_names: &'a [String],
    /// The temperature that is stored with the weights.
    pub temperature: Option<f64>,
}

impl<'a> From<&'a AskedNetwork> for MeasuredModel<'a> {
    fn from(loaded: &'a AskedNetwork) -> Self {
        let AskedNetwork { network, metadata, .. } = loaded;
        Self {
            network: network.as_ref(),
            config: &metadata.config,
            class_names: &metadata.class_names,
            temperature: metadata.temperature,
        }
    }
}

/// Measures a model; `augmented` says whether also with mirrored and shifted views.
///
/// # Errors
/// If the images do not fit the model, or if a logit is not finite.
pub fn measure(
    model: &MeasuredModel<'_>,
    split: &SplitView<'_>,
    augmented: bool,
    seed: u64,
) -> Result<EvaluationReport, ExperimentError> {
    Ok(measured(model, split, augmented, seed)?)
}

pub(crate) fn measured(
    model: &MeasuredModel<'_>,
    split: &SplitView<'_>,
    augmented: bool,
    seed: u64,
) -> Result<EvaluationReport> {
    let MeasuredModel { network, config, class_names, temperature } = *model;
    let look = |views| predict(network, split.dataset, split.indices, views);
    let plain = evaluate(&look(Views::Plain)?, seed)?;
    let with_views = augmented.then(|| look(Views::MirroredAndShifted)).transpose()?;
    let with_views = with_views.map(|predictions| predictions.accuracy_with_interval());
    let calibrated = |temperature| calibrated(network, split, temperature, seed);
    let cost = config.cost();
    Ok(EvaluationReport {
        dataset: split.dataset.name.clone(),
        split: split.name,
        images: plain.images,
        accuracy: plain.accuracy.value,
        accuracy_interval: ends(plain.accuracy),
        accuracy_tta: with_views.map(|accuracy| accuracy.value),
        accuracy_tta_interval: with_views.map(ends),
        nll: plain.nll.value,
        nll_interval: ends(plain.nll),
        ece: plain.ece.value,
        ece_interval: ends(plain.ece),
        calibrated: temperature.map(calibrated).transpose()?,
        parameters: cost.parameters(),
        macs: cost.macs(),
        classes: classes(&plain, class_names),
        confusion: plain.confusion,
        calibration: plain.calibration,
    })
}

fn calibrated(network: &dyn Predictor, split: &SplitView<'_>, temperature: f64, seed: u64) -> Result<CalibratedReport> {
    let measured = Logits::of(network, split.dataset, split.indices)?.calibration(temperature, seed)?;
    Ok(CalibratedReport {
        temperature,
        nll_calibrated: measured.nll,
        ece_calibrated: measured.ece.value,
        ece_calibrated_interval: ends(measured.ece),
    })
}

impl SplitName {
    /// As it begins a heading, such as "Test accuracy".
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Train => "Training",
            Self::Validation => "Validation",
            Self::Test => "Test",
        }
    }
}

impl fmt::Display for SplitName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

impl EvaluationReport {
    /// One line for a terminal.
    pub fn describe(&self) -> String {
        let [low, high] = self.accuracy_interval;
        let augmented = self
            .accuracy_tta
            .map(|accuracy| format!("; {:.2} % with mirrored and shifted views", 100.0 * accuracy))
            .unwrap_or_default();
        let calibrated = self.calibrated.map(CalibratedReport::describe).unwrap_or_default();
        format!(
            "{} {} split, {} images: accuracy {:.2} % (95 % interval {:.2} to {:.2}){augmented}; \
             NLL {:.4}, ECE {:.4}{calibrated}",
            self.dataset,
            self.split,
            self.images,
            100.0 * self.accuracy,
            100.0 * low,
            100.0 * high,
            self.nll,
            self.ece
        )
    }

    /// The names of the classes, in their order.
    pub(crate) fn class_names(&self) -> Vec<&str> {
        self.classes.iter().map(|class| class.name.as_str()).collect()
    }

    /// What the per-class figure shows.
    pub(crate) fn class_scores(&self) -> Vec<ClassScores> {
        self.classes
            .iter()
            .map(|class| ClassScores {
                name: class.name.clone(),
                precision: class.precision,
                recall: class.recall,
                f1: class.f1,
                support: class.support,
            })
            .collect()
    }
}

impl CalibratedReport {
    fn describe(self) -> String {
        format!(
            "; calibrated by the temperature {:.4}: NLL {:.4}, ECE {:.4}",
            self.temperature, self.nll_calibrated, self.ece_calibrated
        )
    }
}

fn classes(evaluation: &Evaluation, class_names: &[String]) -> Vec<ClassReport> {
    evaluation
        .classes
        .iter()
        .zip(class_names)
        .map(|(class, name)| ClassReport {
            name: name.clone(),
            precision: class.precision.map(|precision| precision.value),
            precision_interval: class.precision.map(ends),
            recall: class.recall.map(|recall| recall.value),
            recall_interval: class.recall.map(ends),
            f1: class.f1,
            support: class.support,
        })
        .collect()
}

fn ends(interval: Interval) -> [f64; 2] {
    [interval.low, interval.high]
}
