use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use tinylsa_data::{Dataset, SyntheticConfig, stratified_split, synthetic_garments, to_unit};
use tinylsa_model::{HeldOut, HostTensor, LoadedInferenceModel, State, state_to_safetensors};
use tinylsa_system::write_atomically;
use tracing::info;

use super::load_inference_model_or_pretrained;
use crate::dataset::{DEFAULT_DIRECTORY, Pictures, all_indices, fashion_mnist, find_directory, require_size};
use crate::evaluation::{SplitView, measure};
use crate::outcome::say;

/// Pictures whose logits are written.
const WRITTEN: usize = 256;

/// The split of models that do not say which pictures they did not learn from: that of `configs/base.toml`.
const HELD_OUT: HeldOut = HeldOut { pictures: 5000, seed: 0 };

/// What stands behind `evaluate`.
#[derive(Args, Debug)]
pub(crate) struct EvaluateArguments {
    /// A model.safetensors of a run; without it, the weights that ship with the program.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Where the files of Fashion-MNIST are.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The pictures to measure on.
    #[arg(long, value_enum, default_value_t = SplitName::Test)]
    split: SplitName,
    /// Measure on the synthetic garments instead of Fashion-MNIST.
    #[arg(long, conflicts_with = "data_dir")]
    synthetic: bool,
    /// Pictures of the validation split; without it as the model file says, or 5000.
    #[arg(long, value_name = "N")]
    validation: Option<NonZeroUsize>,
    /// Seed of the validation split, without it as the model file says, and of the bootstrap; or 0.
    #[arg(long)]
    seed: Option<u64>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Write, besides, the first 256 pictures and their logits as safetensors, to compare with another implementation.
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SplitName {
    Train,
    Validation,
    Test,
}

/// Measures a model, plain and with mirrored and shifted views.
pub(crate) fn run(arguments: &EvaluateArguments) -> Result<()> {
    let loaded = load_inference_model_or_pretrained(arguments.model.as_deref())?;
    let pictures = if arguments.synthetic {
        let garments = synthetic_garments(&SyntheticConfig::default())?;
        Pictures { train: garments.train, test: garments.test, checksums: Vec::new(), substitution: None }
    } else {
        fashion_mnist(&find_directory(arguments.data_dir.as_deref(), Path::new(DEFAULT_DIRECTORY)))?
    };
    require_size(&pictures.test, loaded.metadata.model.image_size)?;
    let (name, dataset, indices) = match arguments.split {
        SplitName::Test => ("test", &pictures.test, all_indices(&pictures.test)),
        SplitName::Train | SplitName::Validation => {
            let recorded = loaded.metadata.held_out.unwrap_or(HELD_OUT);
            let validation =
                arguments.validation.map_or(recorded.pictures.min(pictures.train.len() / 2), NonZeroUsize::get);
            let seed = arguments.seed.unwrap_or(recorded.seed);
            info!("{validation} training pictures were set aside with seed {seed}");
            let split = stratified_split(&pictures.train.labels, validation, seed)?;
            match arguments.split {
                SplitName::Train => ("train", &pictures.train, split.train),
                _ => ("validation", &pictures.train, split.validation),
            }
        }
    };
    if let Some(path) = &arguments.logits {
        write_logits(path, &loaded, dataset, &indices)?;
    }
    let view = SplitView { name, dataset, indices: &indices };
    let report = measure(&loaded.model, &view, true, arguments.seed.unwrap_or_default());
    if arguments.json { say(serde_json::to_string_pretty(&report)?) } else { say(report.in_words()) }
}

fn write_logits(path: &Path, loaded: &LoadedInferenceModel, dataset: &Dataset, indices: &[u32]) -> Result<()> {
    let shown = &indices[..WRITTEN.min(indices.len())];
    let pixels: Vec<f32> = shown.iter().flat_map(|&index| to_unit(dataset.image(index as usize))).collect();
    let shape = vec![shown.len(), 1, dataset.height, dataset.width];
    let logits = loaded.model.logits(&pixels)?;
    let state = State::from([
        ("images".to_owned(), HostTensor { shape, values: pixels }),
        ("logits".to_owned(), HostTensor { shape: vec![shown.len(), loaded.metadata.model.classes], values: logits }),
    ]);
    let bytes = state_to_safetensors(&state, "dataset", dataset.name.title().to_owned())?;
    write_atomically(path, &bytes).with_context(|| format!("failed to write {}", path.display()))
}
