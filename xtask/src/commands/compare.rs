use std::path::PathBuf;
use std::time::Duration;

use super::config_or_base;
use crate::outcome::{say, stop_on_interrupt};
use crate::table::table;
use anyhow::{Context, Result};
use clap::Args;
use tinylsa_bench::{COMPARISON_PAGE, CompareRequest, ComparedSubject, Python, RaceRequest, compare};
use tinylsa_experiment::race::time;
use tinylsa_experiment::schema::ExperimentConfig;
use tinylsa_settings::config::load;

/// Arguments of the `compare` command.
#[derive(Args, Debug)]
pub(crate) struct CompareArguments {
    /// The config whose network comes first; left out, configs/base.toml.
    #[arg(conflicts_with_all = ["runs", "race"])]
    config: Option<PathBuf>,
    /// Change a key of the config, such as model.tinycnn-lsa.attention.blocks=3; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with_all = ["runs", "race"])]
    overrides: Vec<String>,
    /// A run directory, whose network and accuracy are compared; may be given several times.
    #[arg(long = "run", value_name = "DIR", conflicts_with = "race")]
    runs: Vec<PathBuf>,
    /// Count parameters and work alone; nothing is measured.
    #[arg(long, conflicts_with = "race")]
    counted: bool,
    /// Train each network of configs/compare for the same time, such as 2m or 90s, and compare what they come to.
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "15m", value_parser = time)]
    race: Option<Duration>,
    /// Where the files of the images are for a race, instead of what the configs say.
    #[arg(long, value_name = "DIR", requires = "race")]
    data_dir: Option<PathBuf>,
    /// Where the comparison goes as files, with the runs of a race; left out, that of a race goes to runs/compare.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Explain this test image on every network of the race, on one sheet.
    #[arg(long, value_name = "INDEX", requires = "race")]
    explain: Option<u32>,
    /// Train the same networks in PyTorch beside ours; needs torch, torchvision and safetensors.
    #[arg(long, conflicts_with = "counted")]
    peers: bool,
    /// The Python of the peers; left out, the one in the variable PYTHON, or python3.
    #[arg(long, value_name = "PROGRAM", requires = "peers")]
    python: Option<PathBuf>,
    /// Height and width of the images of the large networks, which are counted; Swin takes multiples of 224.
    #[arg(long, value_name = "PIXELS", default_value_t = 224)]
    baseline_size: usize,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Sets networks of ours beside the others.
pub(crate) fn run(arguments: &CompareArguments) -> Result<()> {
    let folder = arguments.out.clone().or_else(|| arguments.race.map(|_| PathBuf::from("runs/compare")));
    let race = arguments.race.zip(folder.clone()).map(|(time, folder)| RaceRequest {
        time,
        folder,
        data_dir: arguments.data_dir.clone(),
        explain: arguments.explain,
    });
    let comparison = compare(&CompareRequest {
        subjects: subjects(arguments)?,
        measured: !arguments.counted,
        peers: arguments.peers.then(|| Python::new(arguments.python.as_deref(), None)),
        race,
        baseline_size: arguments.baseline_size,
        program: std::env::current_exe().context("failed to find this program")?,
        stop: stop_on_interrupt("stopping where the same command resumes a race")?,
    })?;
    if let Some(folder) = &folder {
        comparison.write(folder)?;
    }
    if arguments.json {
        return say(serde_json::to_string_pretty(&comparison)?);
    }
    let mut rows = comparison.table().into_iter();
    let header = rows.next().unwrap_or_default();
    say(table(1, header, rows))?;
    folder.map_or(Ok(()), |folder| say(format!("page {}", folder.join(COMPARISON_PAGE).display())))
}

fn subjects(arguments: &CompareArguments) -> Result<Vec<ComparedSubject>> {
    if arguments.runs.is_empty() {
        let source = config_or_base(arguments.config.as_deref())?;
        let config: ExperimentConfig = load(&source, &arguments.overrides, ExperimentConfig::validate)?;
        return Ok(vec![ComparedSubject::untrained(config)?]);
    }
    Ok(arguments.runs.iter().map(|run_dir| ComparedSubject::of_run(run_dir)).collect::<Result<_, _>>()?)
}
