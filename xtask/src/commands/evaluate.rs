use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use tinylsa_data::{Dataset, SyntheticConfig, synthetic_garments, to_unit};
use tinylsa_model::{HostTensor, LoadedInferenceModel, State, state_to_safetensors};
use tinylsa_system::write_atomically;
use tracing::info;

use super::{load_inference_model, load_inference_model_or_pretrained};
use crate::dataset::{Pictures, all_indices, fashion_mnist, require_size};
use crate::evaluation::{MeasuredModel, SplitName, SplitView, measure};
use crate::finished::FinishedRun;
use crate::matching::{AskedSplit, require_classes, split_of_training};
use crate::outcome::{UsageError, say};

/// Images whose logits are written.
const WRITTEN: usize = 256;

/// Arguments of the `evaluate` command.
#[derive(Args, Debug)]
pub(crate) struct EvaluateArguments {
    /// A model.safetensors of a run; without it, the weights that ship with the program.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// A run directory: its model, on the images that the run was made with.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["model", "synthetic"])]
    run: Option<PathBuf>,
    /// Where the files of Fashion-MNIST are.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The images to measure on. The model file says how the training images were split when it was trained.
    #[arg(long, value_enum, default_value_t = SplitName::Test)]
    split: SplitName,
    /// Measure on the synthetic garments instead of Fashion-MNIST.
    #[arg(long, conflicts_with = "data_dir")]
    synthetic: bool,
    /// Images of the validation split, for a model file that does not say it.
    #[arg(long, value_name = "N", conflicts_with = "run")]
    validation: Option<NonZeroUsize>,
    /// Seed of the bootstrap, and of the validation split for a model file that does not say it. Left out, it is the seed
    /// that the model file names, or 0.
    #[arg(long)]
    seed: Option<u64>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Also write the first 256 images and their logits as safetensors, to compare with another implementation.
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
}

/// A model and the images to measure it on.
struct Subject {
    loaded: LoadedInferenceModel,
    pictures: Pictures,
    asked: AskedSplit,
}

/// Measures a model, plain and with mirrored and shifted views.
pub(crate) fn run(arguments: &EvaluateArguments) -> Result<()> {
    if let (SplitName::Test, Some(validation)) = (arguments.split, arguments.validation) {
        let text = format!("--validation {validation} has no effect on --split test");
        return Err(UsageError(text).into());
    }
    let Subject { loaded, pictures, asked } = Subject::of(arguments)?;
    require_size(&pictures.test, loaded.metadata.model.image_size)?;
    require_classes(&loaded.metadata, &pictures.test)?;
    let training = || -> Result<_> {
        let split = split_of_training(&loaded.metadata, &pictures.train, asked)?;
        info!("{} training images were held out", split.validation.len());
        Ok(split)
    };
    let (dataset, indices) = match arguments.split {
        SplitName::Test => (&pictures.test, all_indices(&pictures.test)),
        SplitName::Train => (&pictures.train, training()?.train),
        SplitName::Validation => (&pictures.train, training()?.validation),
    };
    let recorded = loaded.metadata.held_out.as_ref().map(|held_out| held_out.seed);
    let seed = asked.seed.or(recorded).unwrap_or_default();
    let view = SplitView { name: arguments.split, dataset, indices: &indices };
    let report = measure(&MeasuredModel::from(&loaded), &view, true, seed)?;
    if let Some(path) = &arguments.logits {
        write_logits(path, &loaded, dataset, &indices)?;
    }
    if arguments.json { say(serde_json::to_string_pretty(&report)?) } else { say(report.in_words()) }
}

impl Subject {
    fn of(arguments: &EvaluateArguments) -> Result<Self> {
        if let Some(folder) = &arguments.run {
            let run = FinishedRun::read(folder)?;
            let asked = AskedSplit {
                validation: Some(run.config.data.validation),
                seed: arguments.seed.or(Some(run.config.split_seed())),
            };
            let loaded = load_inference_model(&run.model_path())?;
            return Ok(Self { loaded, pictures: run.pictures(arguments.data_dir.as_deref())?, asked });
        }
        let loaded = load_inference_model_or_pretrained(arguments.model.as_deref())?;
        let pictures = if arguments.synthetic {
            let garments = synthetic_garments(&SyntheticConfig::default())?;
            Pictures { train: garments.train, test: garments.test, checksums: Vec::new(), substitution: None }
        } else {
            fashion_mnist(arguments.data_dir.as_deref())?
        };
        let validation = arguments.validation.map(NonZeroUsize::get);
        Ok(Self { loaded, pictures, asked: AskedSplit { validation, seed: arguments.seed } })
    }
}

fn write_logits(path: &Path, loaded: &LoadedInferenceModel, dataset: &Dataset, indices: &[u32]) -> Result<()> {
    let shown = &indices[..WRITTEN.min(indices.len())];
    let pixels: Vec<f32> = shown.iter().flat_map(|&index| to_unit(dataset.image(index as usize))).collect();
    let shape = [&[shown.len()], &dataset.shape.dims()[..]].concat();
    let logits = loaded.model.logits(&pixels)?;
    let state = State::from([
        ("images".to_owned(), HostTensor { shape, values: pixels }),
        ("logits".to_owned(), HostTensor { shape: vec![shown.len(), loaded.metadata.model.classes], values: logits }),
    ]);
    let bytes = state_to_safetensors(&state, "dataset", dataset.name.title().to_owned())?;
    write_atomically(path, &bytes).with_context(|| format!("failed to write {}", path.display()))
}
