use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::Device;
use clap::Args;
use tinylsa_model::{LoadedModel, Precision, TinyCnnLsa};
use tinylsa_system::write_atomically;
use tinylsa_train::{Logits, fit_temperature};

use super::load_model_or_pretrained;
use crate::finished::FinishedRun;
use crate::matching::{held_out, require_classes};
use crate::outcome::say;

/// Arguments of the `export` command.
#[derive(Args, Debug)]
pub(crate) struct ExportArguments {
    /// A model.safetensors of a run, instead of the weights that ship with the program.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// A run directory: its model, with the temperature that calibrates it on the run's validation split.
    #[arg(long, value_name = "DIR", conflicts_with = "model")]
    run: Option<PathBuf>,
    /// Where the files of Fashion-MNIST are.
    #[arg(long, value_name = "DIR", requires = "run")]
    data_dir: Option<PathBuf>,
    /// Round the weights to 16 bits, which halves the file.
    #[arg(long)]
    half: bool,
    /// The file to write, as safetensors.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Validates a model file and rewrites it.
pub(crate) fn run(arguments: &ExportArguments) -> Result<()> {
    let precision = if arguments.half { Precision::Half } else { Precision::Single };
    let loaded = match &arguments.run {
        Some(folder) => calibrated(&FinishedRun::read(folder)?, arguments.data_dir.as_deref(), precision)?,
        None => load_model_or_pretrained(arguments.model.as_deref())?,
    };
    let bytes = loaded.to_safetensors(precision)?;
    write_atomically(&arguments.out, &bytes).with_context(|| format!("failed to write {}", arguments.out.display()))?;
    let cost = loaded.metadata.model.cost();
    say(format!("{}: {} parameters, {} bytes", arguments.out.display(), cost.parameters(), bytes.len()))
}

/// The model of a run as a file of this precision will hold it, with the temperature that suits these rounded weights.
fn calibrated(run: &FinishedRun, data_dir: Option<&Path>, precision: Precision) -> Result<LoadedModel> {
    let device = Device::flex();
    let mut loaded = TinyCnnLsa::from_safetensors(&run.load_model()?.to_safetensors(precision)?, &device)?;
    let pictures = run.pictures(data_dir)?;
    require_classes(&loaded.metadata, &pictures.train)?;
    let validation = run.split(&pictures)?.validation;
    let logits = Logits::of(&loaded.model.for_inference(), &pictures.train, &validation)
        .context("failed to measure the model")?;
    let fit = fit_temperature(&logits, run.config.run.seed).context("failed to calibrate the model")?;
    loaded.metadata.temperature = Some(fit.temperature);
    loaded.metadata.held_out = Some(held_out(&pictures.train, validation.len(), run.config.split_seed()));
    say(format!(
        "temperature {:.4}, fitted to {} validation images: NLL {:.4} to {:.4}, ECE {:.4} to {:.4}",
        fit.temperature, fit.images, fit.before.nll, fit.after.nll, fit.before.ece.value, fit.after.ece.value
    ))?;
    Ok(loaded)
}
