use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use tinylsa_model::{Baseline, BaselineInput, Cost, TinyCnnLsaConfig};

use super::config_or_base;
use crate::evaluation::SplitName;
use crate::finished::FinishedRun;
use crate::outcome::{UsageError, say};
use crate::schema::ExperimentConfig;
use tinylsa_settings::config::load;

/// Arguments of the `compare` command.
#[derive(Args, Debug)]
pub(crate) struct CompareArguments {
    /// The config whose network is compared; left out, configs/base.toml.
    #[arg(conflicts_with = "runs")]
    config: Option<PathBuf>,
    /// Change a key of the config, such as model.attention.blocks=3; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "runs")]
    overrides: Vec<String>,
    /// A run directory, whose network and accuracy are compared; may be given several times.
    #[arg(long = "run", value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// Height and width to which the images are enlarged for the baselines, a multiple of 32.
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
    /// Height and width of the images.
    image_size: [usize; 2],
    parameters: usize,
    macs: usize,
    /// Parameters as a multiple of the first network's.
    parameters_ratio: f64,
    /// Multiply-accumulate operations as a multiple of the first network's.
    macs_ratio: f64,
    /// Bytes of the weights in `f32`.
    bytes: usize,
    /// What the run of this network measured, a fraction; baselines are counted, not trained.
    accuracy: Option<f64>,
    /// On which images.
    split: Option<SplitName>,
}

/// A network of ours, and what its own run measured.
struct Ours {
    name: String,
    model: TinyCnnLsaConfig,
    accuracy: Option<f64>,
    split: Option<SplitName>,
}

/// Prints what networks of ours cost beside the large ones.
pub(crate) fn run(arguments: &CompareArguments) -> Result<()> {
    let ours = match arguments.runs.as_slice() {
        [] => vec![of_config(arguments)?],
        runs => runs.iter().map(|run| of_run(run)).collect::<Result<Vec<_>>>()?,
    };
    let first = ours[0].model.cost();
    let classes = ours[0].model.classes;
    if let Some(other) = ours.iter().find(|other| other.model.classes != classes) {
        let text = format!("{} has {} classes, {} has {classes}", other.name, other.model.classes, ours[0].name);
        return Err(UsageError(text).into());
    }
    let input = BaselineInput { image_size: arguments.baseline_size, channels: 3, classes };
    let mut rows: Vec<Compared> = ours
        .iter()
        .map(|Ours { name, model, accuracy, split }| Compared {
            accuracy: *accuracy,
            split: *split,
            ..counted(name, [model.input.height, model.input.width], &model.cost(), &first)
        })
        .collect();
    for baseline in Baseline::ALL {
        let cost = baseline.cost(&input).map_err(|error| UsageError(format!("--baseline-size: {error}")))?;
        rows.push(counted(baseline.name(), [input.image_size; 2], &cost, &first));
    }
    if arguments.json { say(serde_json::to_string_pretty(&rows)?) } else { say(table(&rows)) }
}

fn of_config(arguments: &CompareArguments) -> Result<Ours> {
    let source = config_or_base(arguments.config.as_deref())?;
    let config: ExperimentConfig = load(&source, &arguments.overrides, ExperimentConfig::validate)?;
    Ok(Ours { name: "TinyCNN + LSA".to_owned(), model: config.model.network().clone(), accuracy: None, split: None })
}

fn of_run(folder: &Path) -> Result<Ours> {
    let FinishedRun { config, evaluation, .. } = FinishedRun::read(folder)?;
    Ok(Ours {
        name: format!("TinyCNN + LSA, {}", folder.display()),
        model: config.model.network().clone(),
        accuracy: Some(evaluation.accuracy),
        split: Some(evaluation.split),
    })
}

fn counted(network: &str, image_size: [usize; 2], cost: &Cost, first: &Cost) -> Compared {
    let (parameters, macs) = (cost.parameters(), cost.macs());
    Compared {
        network: network.to_owned(),
        image_size,
        parameters,
        macs,
        parameters_ratio: parameters as f64 / first.parameters() as f64,
        macs_ratio: macs as f64 / first.macs() as f64,
        bytes: parameters * size_of::<f32>(),
        accuracy: None,
        split: None,
    }
}

fn table(rows: &[Compared]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header([
        "network",
        "images",
        "parameters",
        "×",
        "MACs, M",
        "×",
        "MB",
        "accuracy",
    ]);
    for row in rows {
        table.add_row([
            row.network.clone(),
            format!("{} × {}", row.image_size[0], row.image_size[1]),
            row.parameters.to_string(),
            format!("{:.0}", row.parameters_ratio),
            format!("{:.1}", row.macs as f64 / 1e6),
            format!("{:.0}", row.macs_ratio),
            format!("{:.1}", row.bytes as f64 / 1e6),
            row.accuracy
                .zip(row.split)
                .map_or_else(|| "–".to_owned(), |(accuracy, split)| format!("{split} {:.2} %", 100.0 * accuracy)),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
