use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tinylsa_experiment::compare::{ComparedNetwork, OwnNetwork, compare};
use tinylsa_experiment::schema::ExperimentConfig;
use tinylsa_settings::config::load;

use super::config_or_base;
use crate::outcome::{UsageError, say};
use crate::table::table;

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
    /// Height and width to which the images are enlarged for the large networks; the windows of Swin divide multiples of 224.
    #[arg(long, value_name = "PIXELS", default_value_t = 224)]
    baseline_size: usize,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Prints what networks of ours cost beside the large ones.
pub(crate) fn run(arguments: &CompareArguments) -> Result<()> {
    let ours = match arguments.runs.as_slice() {
        [] => {
            let source = config_or_base(arguments.config.as_deref())?;
            let config: ExperimentConfig = load(&source, &arguments.overrides, ExperimentConfig::validate)?;
            let network = config.untrained_network().map_err(|error| UsageError(error.to_string()))?;
            vec![OwnNetwork::untrained(network)]
        }
        runs => runs.iter().map(|run_dir| OwnNetwork::of_run(run_dir)).collect::<Result<_, _>>()?,
    };
    let compared = compare(&ours, arguments.baseline_size)?;
    if arguments.json { say(serde_json::to_string_pretty(&compared)?) } else { say(comparison_table(&compared)) }
}

fn comparison_table(rows: &[ComparedNetwork]) -> String {
    let header = ["network", "images", "parameters", "×", "MACs, M", "×", "MB", "accuracy"];
    let row = |row: &ComparedNetwork| {
        let accuracy = row.accuracy.zip(row.split);
        [
            row.network.clone(),
            format!("{} × {}", row.image_size[0], row.image_size[1]),
            row.parameters.to_string(),
            format!("{:.0}", row.parameters_ratio),
            format!("{:.1}", row.macs as f64 / 1e6),
            format!("{:.0}", row.macs_ratio),
            format!("{:.1}", row.bytes as f64 / 1e6),
            accuracy.map_or_else(|| "–".to_owned(), |(accuracy, split)| format!("{split} {:.2} %", 100.0 * accuracy)),
        ]
    };
    table(1, header, rows.iter().map(row))
}
