//! `evaluation.json`, which is also what `evaluate --json` prints.

use serde::{Deserialize, Serialize};
use tinylsa_data::{CLASS_NAMES, Dataset, DatasetName};
use tinylsa_model::InferenceModel;
use tinylsa_report::ClassScores;
use tinylsa_train::{CalibrationBin, Evaluation, Interval, Views, evaluate, predict};

/// The figures of one model on one split. Intervals are of 95 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EvaluationReport {
    pub(crate) dataset: DatasetName,
    pub(crate) split: String,
    pub(crate) images: usize,
    /// Share of right predictions, a fraction, each picture looked at once.
    pub(crate) accuracy: f64,
    pub(crate) accuracy_interval: [f64; 2],
    /// The same with mirrored and shifted views of each picture, if that was measured.
    pub(crate) accuracy_tta: Option<f64>,
    pub(crate) accuracy_tta_interval: Option<[f64; 2]>,
    /// Mean negative log-likelihood in nats.
    pub(crate) nll: f64,
    pub(crate) nll_interval: [f64; 2],
    /// Expected calibration error, a fraction.
    pub(crate) ece: f64,
    pub(crate) ece_interval: [f64; 2],
    pub(crate) parameters: usize,
    pub(crate) macs: usize,
    pub(crate) classes: Vec<ClassReport>,
    /// `confusion[truth][prediction]`
    pub(crate) confusion: Vec<Vec<u64>>,
    pub(crate) calibration: Vec<CalibrationBin>,
}

/// The figures of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClassReport {
    pub(crate) name: String,
    pub(crate) precision: f64,
    pub(crate) precision_interval: [f64; 2],
    pub(crate) recall: f64,
    pub(crate) recall_interval: [f64; 2],
    pub(crate) f1: f64,
    pub(crate) support: u64,
}

/// Some pictures of a dataset, under the name of a split.
pub(crate) struct SplitView<'a> {
    pub(crate) name: &'a str,
    pub(crate) dataset: &'a Dataset,
    pub(crate) indices: &'a [u32],
}

/// Measures a model; `augmented` says whether also with mirrored and shifted views.
pub(crate) fn measure(model: &InferenceModel, split: &SplitView<'_>, augmented: bool, seed: u64) -> EvaluationReport {
    let look = |views| evaluate(&predict(model, split.dataset, split.indices, views), seed);
    let plain = look(Views::Plain);
    let with_views = augmented.then(|| look(Views::MirroredAndShifted).accuracy);
    let cost = model.config().cost();
    EvaluationReport {
        dataset: split.dataset.name,
        split: split.name.to_owned(),
        images: plain.images,
        accuracy: plain.accuracy.value,
        accuracy_interval: ends(plain.accuracy),
        accuracy_tta: with_views.map(|accuracy| accuracy.value),
        accuracy_tta_interval: with_views.map(ends),
        nll: plain.nll.value,
        nll_interval: ends(plain.nll),
        ece: plain.ece.value,
        ece_interval: ends(plain.ece),
        parameters: cost.parameters(),
        macs: cost.macs(),
        classes: classes(&plain),
        confusion: plain.confusion,
        calibration: plain.calibration,
    }
}

impl EvaluationReport {
    /// One line for a terminal.
    pub(crate) fn in_words(&self) -> String {
        let [low, high] = self.accuracy_interval;
        let augmented = self
            .accuracy_tta
            .map(|accuracy| format!("; {:.2} % with mirrored and shifted views", 100.0 * accuracy))
            .unwrap_or_default();
        format!(
            "{} {} split, {} pictures: accuracy {:.2} % (95 % interval {:.2} to {:.2}){augmented}; \
             NLL {:.4}, ECE {:.4}",
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

fn classes(evaluation: &Evaluation) -> Vec<ClassReport> {
    evaluation
        .classes
        .iter()
        .enumerate()
        .map(|(index, class)| ClassReport {
            name: CLASS_NAMES.get(index).map_or_else(|| index.to_string(), |&name| name.to_owned()),
            precision: class.precision.value,
            precision_interval: ends(class.precision),
            recall: class.recall.value,
            recall_interval: ends(class.recall),
            f1: class.f1,
            support: class.support,
        })
        .collect()
}

fn ends(interval: Interval) -> [f64; 2] {
    [interval.low, interval.high]
}
