use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{ArgGroup, Args};
use tinylsa_experiment::export::hub::{
    HubFigures, HubFiles, HubRequest, read_card, require_new, shipped_card, shipped_licenses,
};
use tinylsa_experiment::export::{CalibratedModel, calibrate_run};
use tinylsa_experiment::finished::FinishedRun;
use tinylsa_experiment::models::{LoadedNetwork, load_model_or_pretrained};
use tinylsa_model::Precision;
use tinylsa_onnx::{OPSET, OnnxError, OnnxOptions, to_onnx};
use tinylsa_system::write_atomically;

use crate::outcome::{UsageError, say};

/// Arguments of the `export` command.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("target").args(["out", "onnx", "hub"]).required(true).multiple(true)))]
pub(crate) struct ExportArguments {
    /// A model.safetensors of a run, or the directory that it lies in, instead of the weights that ship with the program.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// A run directory: its model, with the temperature that calibrates it on the run's validation split.
    #[arg(long, value_name = "DIR", conflicts_with = "model")]
    run: Option<PathBuf>,
    /// Where the files of the images are, instead of what the config says.
    #[arg(long, value_name = "DIR", requires = "run")]
    data_dir: Option<PathBuf>,
    /// Round the weights to 16 bits, which halves the file.
    #[arg(long, conflicts_with = "onnx")]
    half: bool,
    /// The file to write, as safetensors.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The file to write, as an ONNX graph.
    #[arg(long, value_name = "FILE")]
    onnx: Option<PathBuf>,
    /// Make the attention of every layer and the evidence for each class outputs of the ONNX graph, too.
    #[arg(long, requires = "onnx")]
    attention: bool,
    /// The directory to write for the Hub of Hugging Face: config.json, model.safetensors and README.md.
    #[arg(long, value_name = "DIR")]
    hub: Option<PathBuf>,
    /// A licence of the weights by the Hub's name, such as mit; those of the weights that ship are known.
    #[arg(long, value_name = "NAME", requires = "hub")]
    license: Vec<String>,
    /// The JSON file that `card` wrote of these weights, whose figures README.md then shows. The card of the weights that ship
    /// is known, and a run knows its own figures.
    #[arg(long, value_name = "FILE", requires = "hub")]
    card: Option<PathBuf>,
}

/// Validates a model and writes it in the forms that are asked for. All of them are made before the first is written.
pub(crate) fn run(arguments: &ExportArguments) -> Result<()> {
    if arguments.out.is_some() && arguments.out == arguments.onnx {
        return Err(UsageError("--out and --onnx name the same file".to_owned()).into());
    }
    arguments.hub.as_deref().map(require_new).transpose()?;
    let precision = if arguments.half { Precision::Half } else { Precision::Single };
    let run = arguments.run.as_deref().map(FinishedRun::read).transpose()?;
    let loaded = match &run {
        Some(run) => calibrated(run, arguments.data_dir.as_deref(), precision)?,
        None => load_model_or_pretrained(arguments.model.as_deref())?,
    };
    let model = arguments.out.as_ref().map(|_| loaded.to_safetensors(precision)).transpose()?;
    let graph = arguments.onnx.as_ref().map(|_| graph(&loaded, arguments.attention)).transpose()?;
    let hub = arguments.hub.as_ref().map(|_| hub_files(arguments, run.as_ref(), &loaded, precision)).transpose()?;

    let parameters = loaded.metadata.config.cost().parameters();
    if let (Some(path), Some(bytes)) = (&arguments.out, model) {
        write(path, &bytes)?;
        say(format!("{}: {parameters} parameters, {} bytes", path.display(), bytes.len()))?;
    }
    if let (Some(path), Some(bytes)) = (&arguments.onnx, graph) {
        write(path, &bytes)?;
        let shown = if arguments.attention { "logits and attention" } else { "logits" };
        let (path, bytes) = (path.display(), bytes.len());
        say(format!("{path}: opset {OPSET}, {shown}, {parameters} parameters, {bytes} bytes"))?;
    }
    if let (Some(dir), Some(files)) = (&arguments.hub, hub) {
        files.write(dir)?;
        let figures =
            if files.has_figures { "with figures" } else { "without figures: none are known of these weights" };
        say(format!("{}: config.json, model.safetensors, README.md {figures}", dir.display()))?;
    }
    Ok(())
}

fn calibrated(run: &FinishedRun, data_dir: Option<&Path>, precision: Precision) -> Result<LoadedNetwork> {
    let CalibratedModel { loaded, fit } = calibrate_run(run, data_dir, precision, &Arc::default())?;
    say(format!(
        "temperature {:.4}, fitted to {} validation images: NLL {:.4} to {:.4}, ECE {:.4} to {:.4}",
        fit.temperature, fit.images, fit.before.nll, fit.after.nll, fit.before.ece.value, fit.after.ece.value
    ))?;
    Ok(loaded)
}

fn graph(loaded: &LoadedNetwork, attention: bool) -> Result<Vec<u8>> {
    match to_onnx(&loaded.model, &loaded.metadata, OnnxOptions { attention }) {
        Err(error @ OnnxError::NoAttention { .. }) => {
            Err(UsageError(format!("--attention has no effect: {error}")).into())
        }
        made => Ok(made?),
    }
}

fn hub_files(
    arguments: &ExportArguments,
    run: Option<&FinishedRun>,
    loaded: &LoadedNetwork,
    precision: Precision,
) -> Result<HubFiles> {
    let ships = arguments.model.is_none() && run.is_none();
    let figures = match (&arguments.card, run) {
        (Some(path), _) => HubFigures::Card(Box::new(read_card(path)?)),
        (None, Some(run)) => HubFigures::Run(run),
        (None, None) if ships => HubFigures::Card(Box::new(shipped_card()?)),
        (None, None) => HubFigures::None,
    };
    let known = if ships && arguments.license.is_empty() { shipped_licenses() } else { arguments.license.clone() };
    Ok(HubRequest { loaded, precision, figures, licenses: &known }.files()?)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, bytes).with_context(|| format!("failed to write {}", path.display()))
}
