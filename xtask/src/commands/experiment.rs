use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::experiment::{ExperimentOptions, perform};
use crate::prepare::Experiment;
use tinylsa_settings::config::ConfigSource;

/// Arguments of the `experiment` command.
#[derive(Args, Debug)]
pub(crate) struct ExperimentArguments {
    /// The config, such as configs/base.toml.
    config: PathBuf,
    /// Change a key of the config, such as train.epochs=3; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Where the files of Fashion-MNIST are.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The run directory, instead of one named by the config.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Resume a run that was interrupted, killed or failed: the one in --out, or else the unfinished one of this config.
    #[arg(long)]
    resume: bool,
    /// Fail if the images are not available, instead of taking synthetic ones.
    #[arg(long)]
    strict: bool,
}

/// One experiment, from the config to the report.
pub(crate) fn run(arguments: &ExperimentArguments) -> Result<()> {
    let experiment = Experiment::load(ConfigSource::read(&arguments.config)?, arguments.overrides.clone())?;
    let options = ExperimentOptions {
        data_dir: arguments.data_dir.clone(),
        out: arguments.out.clone(),
        resume: arguments.resume,
        strict: arguments.strict,
    };
    perform(&experiment, &options).map(drop)
}
