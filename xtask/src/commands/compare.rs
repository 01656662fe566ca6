use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use tinylsa_model::{Baseline, BaselineInput, Cost};

use crate::evaluation::EvaluationReport;
use crate::outcome::{UsageError, say};
use crate::schema::ExperimentConfig;
use crate::settings::{ConfigSource, load};

/// What stands behind `compare`.
#[derive(Args, Debug)]
pub(crate) struct CompareArguments {
    /// The config whose network is compared.
    #[arg(default_value = "configs/base.toml")]
    config: PathBuf,
    /// Change a key of the config, such as model.attention.blocks=3; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// A run's folder, whose measured accuracy is shown.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Height and width to which the pictures are enlarged for the baselines, a multiple of 32.
    #[arg(long, value_name = "PIXELS", default_value_t = 224)]
    baseline_size: usize,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// A network beside the others.
#[derive(Debug, Serialize)]
struct Compared {
    network: String,
    image_size: usize,
    parameters: usize,
    macs: usize,
    /// Parameters as a multiple of our network's.
    parameters_ratio: f64,
    /// Multiply-accumulate operations as a multiple of our network's.
    macs_ratio: f64,
    /// Bytes of the weights in `f32`.
    bytes: usize,
    /// What the run measured, a fraction; baselines are counted, not trained.
    accuracy: Option<f64>,
}

/// Prints what a config's network costs beside the large ones.
pub(crate) fn run(arguments: &CompareArguments) -> Result<()> {
    let source = ConfigSource::read(&arguments.config)?;
    let config: ExperimentConfig = load(&source, &arguments.overrides, ExperimentConfig::validate)?;
    let ours = config.model.cost();
    let accuracy = arguments.run.as_deref().map(measured_accuracy).transpose()?;
    let input = BaselineInput { image_size: arguments.baseline_size, channels: 3, classes: config.model.classes };
    let mut rows = vec![compared("TinyCNN + LSA", config.model.image_size, &ours, &ours, accuracy)];
    for baseline in Baseline::ALL {
        let cost = baseline.cost(&input).map_err(|error| UsageError(format!("--baseline-size: {error}")))?;
        rows.push(compared(baseline.name(), input.image_size, &cost, &ours, None));
    }
    if arguments.json { say(serde_json::to_string_pretty(&rows)?) } else { say(table(&rows)) }
}

fn measured_accuracy(run: &Path) -> Result<f64> {
    let path = run.join("evaluation.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let report: EvaluationReport =
        serde_json::from_str(&text).with_context(|| format!("{} is not an evaluation", path.display()))?;
    Ok(report.accuracy)
}

fn compared(network: &str, image_size: usize, cost: &Cost, ours: &Cost, accuracy: Option<f64>) -> Compared {
    let (parameters, macs) = (cost.parameters(), cost.macs());
    Compared {
        network: network.to_owned(),
        image_size,
        parameters,
        macs,
        parameters_ratio: parameters as f64 / ours.parameters() as f64,
        macs_ratio: macs as f64 / ours.macs() as f64,
        bytes: parameters * size_of::<f32>(),
        accuracy,
    }
}

fn table(rows: &[Compared]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header([
        "network",
        "pictures",
        "parameters",
        "×",
        "million MACs",
        "×",
        "weights, MB",
        "test accuracy",
    ]);
    for row in rows {
        table.add_row([
            row.network.clone(),
            format!("{0} × {0}", row.image_size),
            row.parameters.to_string(),
            format!("{:.0}", row.parameters_ratio),
            format!("{:.1}", row.macs as f64 / 1e6),
            format!("{:.0}", row.macs_ratio),
            format!("{:.1}", row.bytes as f64 / 1e6),
            row.accuracy.map_or_else(|| "–".to_owned(), |accuracy| format!("{:.2} %", 100.0 * accuracy)),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
