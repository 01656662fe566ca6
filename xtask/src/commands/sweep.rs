use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tinylsa_system::write_atomically;

use crate::outcome::{UsageError, say};
use crate::sweep::{SweepPlace, SweepPlan, run_trials};

/// Arguments of the `sweep` command.
#[derive(Args, Debug)]
pub(crate) struct SweepArguments {
    /// The sweep's file, such as configs/sweeps/recipe.toml.
    sweep: PathBuf,
    /// Where the files of Fashion-MNIST are.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The directory of all runs, instead of one named after the sweep's file; a sweep in it is resumed.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Experiments at a time; they share the cores evenly. Two that have a core each finish sooner than one after the other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs a list of variants and compares them on the validation split.
pub(crate) fn run(arguments: &SweepArguments) -> Result<()> {
    let plan = SweepPlan::read(&arguments.sweep)?;
    let name = arguments.sweep.file_stem().ok_or_else(|| UsageError("a sweep without a name".to_owned()))?;
    let folder = arguments.out.clone().unwrap_or_else(|| PathBuf::from("runs/sweeps").join(name));
    let place = SweepPlace { folder, data_dir: arguments.data_dir.clone(), jobs: arguments.jobs.into() };
    let results = run_trials(&plan, &place)?;
    let document = serde_json::to_string_pretty(&results)?;
    write_atomically(&place.folder.join("results.json"), document.as_bytes())?;
    if arguments.json { say(document) } else { say(results.table()) }
}
