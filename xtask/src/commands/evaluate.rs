use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use tinylsa_experiment::evaluate::{EvaluateRequest, ModelFile, ModelSource, evaluate_model};
use tinylsa_experiment::evaluation::SplitName;
use tinylsa_system::write_atomically;

use super::images::ImageArguments;
use crate::outcome::say;

/// Arguments of the `evaluate` command.
#[derive(Args, Debug)]
pub(crate) struct EvaluateArguments {
    /// A model.safetensors of a run; without it, the weights that ship with the program.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// A run directory: its model, on the images that the run was made with.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["model", "synthetic", "source"])]
    run: Option<PathBuf>,
    #[command(flatten)]
    images: ImageArguments,
    /// The images to measure on. The model file says how the training images were split when it was trained.
    #[arg(long, value_enum, default_value_t = SplitArgument::Test)]
    split: SplitArgument,
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

/// The images of a measurement.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SplitArgument {
    Train,
    Validation,
    Test,
}

impl From<SplitArgument> for SplitName {
    fn from(argument: SplitArgument) -> Self {
        match argument {
            SplitArgument::Train => Self::Train,
            SplitArgument::Validation => Self::Validation,
            SplitArgument::Test => Self::Test,
        }
    }
}

/// Measures a model, plain and with mirrored and shifted views.
pub(crate) fn run(arguments: &EvaluateArguments) -> Result<()> {
    let model = match &arguments.run {
        Some(run_dir) => ModelSource::Run(run_dir.clone()),
        None => ModelSource::File(ModelFile {
            path: arguments.model.clone(),
            validation: arguments.validation.map(NonZeroUsize::get),
        }),
    };
    let evaluated = evaluate_model(&EvaluateRequest {
        model,
        split: arguments.split.into(),
        collection: arguments.images.request(),
        seed: arguments.seed,
        stop: Arc::default(),
    })?;
    if let Some(path) = &arguments.logits {
        let bytes = evaluated.compared_logits()?;
        write_atomically(path, &bytes).with_context(|| format!("failed to write {}", path.display()))?;
    }
    let report = &evaluated.report;
    if arguments.json { say(serde_json::to_string_pretty(report)?) } else { say(report.describe()) }
}
