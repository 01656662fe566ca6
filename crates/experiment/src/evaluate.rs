//! Measuring a model file, the model of a run, or the weights that ship.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use tinylsa_data::{Dataset, to_unit};
use tinylsa_model::{HostTensor, ModelConfig, State, state_to_safetensors};
use tinylsa_settings::UsageError;
use tracing::info;

use crate::dataset::{LoadedDataset, all_indices, require_size};
use crate::error::ExperimentError;
use crate::evaluation::{EvaluationReport, MeasuredModel, SplitName, SplitView, measured};
use crate::finished::FinishedRun;
use crate::matching::{AskedSplit, require_classes, split_of_training};
use crate::model_images::{ImageRequest, ImagesOf};
use crate::models::{AskedNetwork, load_model, load_model_or_pretrained};

/// The most images whose logits [`EvaluatedModel::compared_logits`] holds.
const COMPARED: usize = 256;

/// What is measured, and on which images.
#[derive(Clone, Debug)]
pub struct EvaluateRequest {
    /// The model.
    pub model: ModelSource,
    /// The images. The model file says how the training images were split when the model was trained.
    pub split: SplitName,
    /// The collection that holds the images. Without a source it is the one that the model was trained on.
    pub collection: ImageRequest,
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
    /// A `model.safetensors`, or the directory that it lies in; none for the weights that ship.
    pub path: Option<PathBuf>,
    /// Images of the validation split, for a model file that does not say it.
    pub validation: Option<usize>,
}

/// A model that was measured.
#[derive(Debug)]
pub struct EvaluatedModel {
    /// The figures.
    pub report: EvaluationReport,
    /// The model.
    pub loaded: AskedNetwork,
    /// The dataset that holds the images.
    pub dataset: Dataset,
    /// The images of the split by their place in the dataset.
    pub indices: Vec<u32>,
}

/// A model and the images to measure it on.
struct Subject {
    loaded: AskedNetwork,
    images: LoadedDataset,
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
    Subject::of(request)?.measure(request.split)
}

/// Measures a model file on images that are in memory.
///
/// # Errors
/// As [`evaluate_model`].
pub fn evaluate_model_on(
    path: &Path,
    images: LoadedDataset,
    split: SplitName,
) -> Result<EvaluatedModel, ExperimentError> {
    let loaded = load_model(path)?.into();
    images.check().map_err(anyhow::Error::from)?;
    Ok(Subject { loaded, images, asked: AskedSplit::default() }.measure(split)?)
}

impl Subject {
    fn of(request: &EvaluateRequest) -> Result<Self> {
        let ImageRequest { source, data_dir } = &request.collection;
        match &request.model {
            ModelSource::Run(run_dir) => {
                if let Some(source) = source {
                    let text =
                        format!("--source {source} has no effect: the images are those that the run was made with");
                    return Err(UsageError(text).into());
                }
                let run = FinishedRun::read(run_dir)?;
                let validation = Some(run.config.data.validation);
                let asked = AskedSplit { validation, seed: request.seed.or(Some(run.config.split_seed())) };
                let loaded = load_model(&run.model_path())?.into();
                Ok(Self { loaded, images: run.images(data_dir.as_deref(), &request.stop)?, asked })
            }
            ModelSource::File(file) => {
                let loaded = AskedNetwork::from(load_model_or_pretrained(file.path.as_deref())?);
                let images_of = ImagesOf { metadata: &loaded.metadata, file: file.path.as_deref() };
                let images = images_of.obtain(&request.collection, &request.stop)?;
                Ok(Self { loaded, images, asked: AskedSplit { validation: file.validation, seed: request.seed } })
            }
        }
    }

    fn measure(self, split: SplitName) -> Result<EvaluatedModel> {
        let Self { loaded, images, asked } = self;
        require_size(&images.test, loaded.metadata.config.input())?;
        require_classes(&loaded.metadata, &images.test)?;
        let training = || -> Result<_> {
            let split = split_of_training(&loaded.metadata, &images.train, asked)?;
            info!("{} training images were held out", split.validation.len());
            Ok(split)
        };
        let indices = match split {
            SplitName::Test => all_indices(&images.test),
            SplitName::Train => training()?.train,
            SplitName::Validation => training()?.validation,
        };
        let dataset = match split {
            SplitName::Test => images.test,
            SplitName::Train | SplitName::Validation => images.train,
        };
        let recorded = loaded.metadata.held_out.as_ref().map(|held_out| held_out.seed);
        let seed = asked.seed.or(recorded).unwrap_or_default();
        let view = SplitView { name: split, dataset: &dataset, indices: &indices };
        let report = measured(&MeasuredModel::from(&loaded), &view, true, seed)?;
        Ok(EvaluatedModel { report, loaded, dataset, indices })
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
        let logits = loaded.network.logits(&pixels)?;
        let classes = loaded.metadata.config.classes();
        let state = State::from([
            ("images".to_owned(), HostTensor { shape, values: pixels }),
            ("logits".to_owned(), HostTensor { shape: vec![shown.len(), classes], values: logits }),
        ]);
        Ok(state_to_safetensors(&state, "dataset", dataset.name.title().to_owned())?)
    }
}
