//! Photographs of garments: how well they are classified, beside the images of the data set that they show.
//!
//! Of every image, a photograph of each kind is drawn, stored as a file would be, and brought back into the form of the
//! data set by the same function as `classify` uses. What is measured is the preparation: a preparation without fault
//! would leave the accuracy of the images themselves.

mod garment;
mod kinds;
mod scene;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use serde::Serialize;
use tinylsa_data::photograph::{Photograph, prepare};
use tinylsa_data::{Dataset, DatasetName, stratified_split, to_unit};
use tinylsa_experiment::models::{AskedNetwork, load_model_or_pretrained};
use tinylsa_model::{ModelConfig, Predictor};
use tracing::info;

use garment::Garment;
pub use kinds::Strengths;
use kinds::{angles, kinds};
use tinylsa_experiment::dataset::{all_indices, fashion_mnist};

/// Images in the validation split of configs/base.toml, and the seed that draws it.
const VALIDATION: usize = 5000;
const VALIDATION_SEED: u64 = 0;
/// The normal distribution's 97.5 % point.
const TWO_SIDED: f64 = 1.96;

/// What is measured.
#[derive(Clone, Debug)]
pub struct PhotographsPlan {
    /// The weights; those that ship if left out.
    pub model: Option<PathBuf>,
    /// Where the files of Fashion-MNIST are.
    pub data_dir: Option<PathBuf>,
    /// How many images are photographed.
    pub images: usize,
    /// Which images are photographed.
    pub split: PhotographsSplit,
    /// Seed of the photographs.
    pub seed: u64,
    /// How strong the conditions are.
    pub strengths: Strengths,
    /// Set from elsewhere, it ends a download.
    pub stop: Arc<AtomicBool>,
}

/// The images that are photographed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhotographsSplit {
    /// The part of the training set that configs/base.toml keeps for choices.
    Validation,
    /// The test set.
    Test,
}

/// What the kinds of photograph came to.
#[derive(Debug, Serialize)]
pub struct PhotographsReport {
    /// The dataset of the images.
    pub dataset: DatasetName,
    /// Which images were photographed.
    pub split: PhotographsSplit,
    /// How many images were photographed.
    pub images: usize,
    /// Seed of the photographs.
    pub seed: u64,
    /// How strong the conditions were.
    pub strengths: Strengths,
    /// Every kind of photograph; the first is the image itself.
    pub kinds: Vec<KindReport>,
    /// What the network makes of images that are turned by the same angles with no preparation: the part of a loss that
    /// is the network's own.
    pub turned_images: Vec<KindReport>,
}

/// What one kind of photograph came to.
#[derive(Debug, Serialize)]
pub struct KindReport {
    /// What kind of photograph it is.
    pub kind: &'static str,
    /// How strong its condition is.
    pub strength: String,
    /// A fraction.
    pub accuracy: f64,
    /// By how much the accuracy is above that of the images themselves.
    pub difference: f64,
    /// Half the width of the difference's 95 % confidence interval, images being paired.
    pub difference_interval: f64,
    /// The share of the photographs in which no garment was found, which count as wrong.
    pub refused: f64,
}

/// An answer to one photograph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Correct,
    Wrong,
    Refused,
}

pub(super) fn run(plan: &PhotographsPlan) -> Result<PhotographsReport> {
    let loaded = AskedNetwork::from(load_model_or_pretrained(plan.model.as_deref())?);
    let images = fashion_mnist(plan.data_dir.as_deref(), &plan.stop)?;
    let (dataset, mut indices) = match plan.split {
        PhotographsSplit::Validation => {
            let split = stratified_split(&images.train.labels, VALIDATION, VALIDATION_SEED)?;
            (images.train, split.validation)
        }
        PhotographsSplit::Test => {
            let indices = all_indices(&images.test);
            (images.test, indices)
        }
    };
    indices.truncate(plan.images);
    measure(&loaded, &dataset, &indices, plan)
}

fn measure(
    loaded: &AskedNetwork,
    dataset: &Dataset,
    indices: &[u32],
    plan: &PhotographsPlan,
) -> Result<PhotographsReport> {
    ensure!(loaded.metadata.config.input() == dataset.shape, "the model does not take images of {}", dataset.shape);
    let mut reports: Vec<KindReport> = Vec::new();
    let mut plain = None;
    for kind in kinds(plan.strengths) {
        info!("{} ({})", kind.name, kind.strength);
        let answers = answers(loaded.network.as_ref(), dataset, indices, |garment, index| {
            let file = kind.scene.photograph(garment, plan.seed, index)?;
            let prepared = Photograph::decode(&file).and_then(|photograph| prepare(&photograph, dataset.shape));
            Ok(prepared.ok().map(|prepared| prepared.pixels))
        })?;
        let plain = plain.get_or_insert_with(|| answers.clone());
        reports.push(KindReport::new(kind.name, kind.strength, plain, &answers));
    }
    let plain = plain.context("there are no kinds of photograph")?;
    let turned_images = angles(plan.strengths).into_iter().map(|angle| {
        let answers = answers(loaded.network.as_ref(), dataset, indices, |garment, _| Ok(Some(garment.turned(angle))))?;
        Ok(KindReport::new("turned images", format!("{angle}°"), &plain, &answers))
    });
    Ok(PhotographsReport {
        dataset: dataset.name.clone(),
        split: plan.split,
        images: indices.len(),
        seed: plan.seed,
        strengths: plan.strengths,
        kinds: reports,
        turned_images: turned_images.collect::<Result<_>>()?,
    })
}

/// What the network says of every image, after something was done to it.
fn answers(
    model: &dyn Predictor,
    dataset: &Dataset,
    indices: &[u32],
    prepared: impl Fn(&Garment, u64) -> Result<Option<Vec<u8>>> + Sync,
) -> Result<Vec<Answer>> {
    let answer = |&index: &u32| {
        let position = index as usize;
        let garment = Garment::new(dataset.image(position), dataset.shape.width);
        let Some(pixels) = prepared(&garment, u64::from(index))? else { return Ok(Answer::Refused) };
        let logits = model.logits(&to_unit(&pixels))?;
        let best = (0..logits.len()).max_by(|&left, &right| logits[left].total_cmp(&logits[right]));
        Ok(if best == Some(dataset.label(position) as usize) { Answer::Correct } else { Answer::Wrong })
    };
    indices.par_iter().map(answer).collect()
}

impl KindReport {
    fn new(kind: &'static str, strength: String, plain: &[Answer], answers: &[Answer]) -> Self {
        let count = answers.len().max(1) as f64;
        let share = |wanted: Answer| answers.iter().filter(|&&answer| answer == wanted).count() as f64 / count;
        let gains = plain.iter().zip(answers).map(|(before, after)| {
            f64::from(u8::from(*after == Answer::Correct)) - f64::from(u8::from(*before == Answer::Correct))
        });
        let (sum, squares) = gains.fold((0.0, 0.0), |(sum, squares), gain| (sum + gain, squares + gain * gain));
        let difference = sum / count;
        let variance = squares / count - difference * difference;
        Self {
            kind,
            strength,
            accuracy: share(Answer::Correct),
            difference,
            difference_interval: TWO_SIDED * (variance / count).sqrt(),
            refused: share(Answer::Refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use tinylsa_data::{SyntheticConfig, synthetic_garments};

    use super::*;

    #[test]
    fn a_difference_is_that_of_pairs() {
        let plain = [Answer::Correct, Answer::Correct, Answer::Correct, Answer::Wrong];
        let report = KindReport::new(
            "x",
            String::new(),
            &plain,
            &[Answer::Correct, Answer::Wrong, Answer::Refused, Answer::Wrong],
        );
        assert_eq!((report.accuracy, report.difference, report.refused), (0.25, -0.5, 0.25));
        // the gains are 0, -1, -1 and 0, with a variance of 1/4
        assert!((report.difference_interval - TWO_SIDED * 0.25).abs() < 1e-12);
    }

    #[test]
    fn every_kind_is_measured_and_the_same_seed_gives_the_same_report() {
        let garments = synthetic_garments(&SyntheticConfig { train: 10, test: 10, seed: 1 }).unwrap();
        let plan = PhotographsPlan {
            model: None,
            data_dir: None,
            images: 3,
            split: PhotographsSplit::Test,
            seed: 5,
            strengths: Strengths::Tuned,
            stop: Arc::default(),
        };
        let loaded = AskedNetwork::from(load_model_or_pretrained(None).unwrap());
        let measured = || measure(&loaded, &garments.test, &[0, 1, 2], &plan).unwrap();
        let report = measured();
        assert_eq!(report.kinds.len(), kinds(Strengths::Tuned).len());
        assert!(report.kinds[0].difference.abs() < 1e-12);
        assert_eq!(report.turned_images.len(), 2);
        let json = |report: &PhotographsReport| serde_json::to_string(report).unwrap();
        assert_eq!(json(&report), json(&measured()));
        assert!(report.kinds.iter().any(|kind| kind.kind.contains("vignette")));
    }
}
