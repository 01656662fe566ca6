use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use tinylsa_experiment::export::{CalibratedModel, calibrate_run};
use tinylsa_experiment::finished::FinishedRun;
use tinylsa_experiment::models::load_model_or_pretrained;
use tinylsa_model::Precision;
use tinylsa_system::write_atomically;

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
    /// Where the files of the images are, instead of what the config says.
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
        Some(run_dir) => {
            let run = FinishedRun::read(run_dir)?;
            let data_dir = arguments.data_dir.as_deref();
            let CalibratedModel { loaded, fit } = calibrate_run(&run, data_dir, precision, &Arc::default())?;
            say(format!(
                "temperature {:.4}, fitted to {} validation images: NLL {:.4} to {:.4}, ECE {:.4} to {:.4}",
                fit.temperature, fit.images, fit.before.nll, fit.after.nll, fit.before.ece.value, fit.after.ece.value
            ))?;
            loaded
        }
        None => load_model_or_pretrained(arguments.model.as_deref())?,
    };
    let bytes = loaded.to_safetensors(precision)?;
    write_atomically(&arguments.out, &bytes).with_context(|| format!("failed to write {}", arguments.out.display()))?;
    let cost = loaded.metadata.config.cost();
    say(format!("{}: {} parameters, {} bytes", arguments.out.display(), cost.parameters(), bytes.len()))
}
