//! Measuring a model file, the model of a run, or the weights that ship.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use tinylsa_data::{Dataset, SyntheticConfig, synthetic_garments, to_unit};
use tinylsa_model::{HostTensor, LoadedInferenceModel, State, state_to_safetensors};
use tinylsa_settings::UsageError;
use tracing::info;

use crate::dataset::{Pictures, all_indices, fashion_mnist, require_size};
use crate::error::ExperimentError;
use crate::evaluation::{EvaluationReport, MeasuredModel, SplitName, SplitView, measured};
use crate::finished::FinishedRun;
use crate::matching::{AskedSplit, require_classes, split_of_training};
use crate::models::{load_inference_model, load_inference_model_or_pretrained};

/// The most images whose logits [`EvaluatedModel::compared_logits`] holds.
const COMPARED: usize = 256;

/// What is measured, and on which images.
#[derive(Clone, Debug)]
pub struct EvaluateRequest {
    /// The model.
    pub model: ModelSource,
    /// The images. The model file says how the training images were split when the model was trained.
    pub split: SplitName,
    /// Where the files of Fashion-MNIST are.
    pub data_dir: Option<PathBuf>,
    /// Seed of the bootstrap, and of the validation split for a model file that does not say it. Left out, it is the seed
    /// that the run or the model file names, or 0.
    pub seed: Option<u64>,
    /// Set from elsewhere, it ends a download.
    pub stop: Arc<AtomicBool>,
}

/// Where a model comes from, and with it the images that it is measured on.
#[derive(Clone, Debug)]
pub enum ModelSource {
    /// The model of the finished run in this directory, on the images that the run was made with.
    Run(PathBuf),
    /// A model file.
    File(ModelFile),
}

/// A model file, or the weights that ship.
#[derive(Clone, Debug, Default)]
pub struct ModelFile {
    /// A `model.safetensors`; none for the weights that ship.
    pub path: Option<PathBuf>,
    /// Measure on the synthetic garments instead of Fashion-MNIST.
    pub synthetic: bool,
    /// Images of the validation split, for a model file that does not say it.
    pub validation: Option<usize>,
}

/// A model that was measured.
#[derive(Debug)]
pub struct EvaluatedModel {
    /// The figures.
    pub report: EvaluationReport,
    /// The model.
    pub loaded: LoadedInferenceModel,
    /// The dataset that holds the images.
    pub dataset: Dataset,
    /// The images of the split by their place in the dataset.
    pub indices: Vec<u32>,
}

/// A model and the images to measure it on.
struct Subject {
    loaded: LoadedInferenceModel,
    pictures: Pictures,
    asked: AskedSplit,
}

/// Measures a model, once plain and once with mirrored and shifted views.
///
/// # Errors
/// [`ExperimentError::Usage`] if the model and the images do not belong together, or the request contradicts the model
/// file; otherwise what failed.
pub fn evaluate_model(request: &EvaluateRequest) -> Result<EvaluatedModel, ExperimentError> {
    Ok(evaluated(request)?)
}

fn evaluated(request: &EvaluateRequest) -> Result<EvaluatedModel> {
    if let (SplitName::Test, ModelSource::File(ModelFile { validation: Some(validation), .. })) =
        (request.split, &request.model)
    {
        let text = format!("--validation {validation} has no effect on --split test");
        return Err(UsageError(text).into());
    }
    let Subject { loaded, pictures, asked } = Subject::of(request)?;
    require_size(&pictures.test, loaded.metadata.config.input)?;
    require_classes(&loaded.metadata, &pictures.test)?;
    let training = || -> Result<_> {
        let split = split_of_training(&loaded.metadata, &pictures.train, asked)?;
        info!("{} training images were held out", split.validation.len());
        Ok(split)
    };
    let indices = match request.split {
        SplitName::Test => all_indices(&pictures.test),
        SplitName::Train => training()?.train,
        SplitName::Validation => training()?.validation,
    };
    let dataset = match request.split {
        SplitName::Test => pictures.test,
        SplitName::Train | SplitName::Validation => pictures.train,
    };
    let recorded = loaded.metadata.held_out.as_ref().map(|held_out| held_out.seed);
    let seed = asked.seed.or(recorded).unwrap_or_default();
    let view = SplitView { name: request.split, dataset: &dataset, indices: &indices };
    let report = measured(&MeasuredModel::from(&loaded), &view, true, seed)?;
    Ok(EvaluatedModel { report, loaded, dataset, indices })
}

impl Subject {
    fn of(request: &EvaluateRequest) -> Result<Self> {
        let data_dir = request.data_dir.as_deref();
        match &request.model {
            ModelSource::Run(run_dir) => {
                let run = FinishedRun::read(run_dir)?;
                let validation = Some(run.config.data.validation);
                let asked = AskedSplit { validation, seed: request.seed.or(Some(run.config.split_seed())) };
                let loaded = load_inference_model(&run.model_path())?;
                Ok(Self { loaded, pictures: run.pictures(data_dir, &request.stop)?, asked })
            }
            ModelSource::File(file) => {
                let loaded = load_inference_model_or_pretrained(file.path.as_deref())?;
                let pictures = if file.synthetic {
                    let garments = synthetic_garments(&SyntheticConfig::default())?;
                    Pictures { train: garments.train, test: garments.test, checksums: Vec::new(), substitution: None }
                } else {
                    fashion_mnist(data_dir, &request.stop)?
                };
                Ok(Self { loaded, pictures, asked: AskedSplit { validation: file.validation, seed: request.seed } })
            }
        }
    }
}

impl EvaluatedModel {
    /// The first 256 images of the split and their logits as safetensors, to compare with another implementation:
    /// `images` `[count, channels, height, width]` and `logits` `[count, classes]`.
    ///
    /// # Errors
    /// If a logit is not finite.
    pub fn compared_logits(&self) -> Result<Vec<u8>, ExperimentError> {
        Ok(self.logits_file()?)
    }

    fn logits_file(&self) -> Result<Vec<u8>> {
        let Self { loaded, dataset, indices, .. } = self;
        let shown = &indices[..COMPARED.min(indices.len())];
        let pixels: Vec<f32> = shown.iter().flat_map(|&index| to_unit(dataset.image(index as usize))).collect();
        let shape = [&[shown.len()], &dataset.shape.dims()[..]].concat();
        let logits = loaded.model.logits(&pixels)?;
        let classes = loaded.metadata.config.classes;
        let state = State::from([
            ("images".to_owned(), HostTensor { shape, values: pixels }),
            ("logits".to_owned(), HostTensor { shape: vec![shown.len(), classes], values: logits }),
        ]);
        Ok(state_to_safetensors(&state, "dataset", dataset.name.title().to_owned())?)
    }
}
