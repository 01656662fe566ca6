use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::experiment::{ExperimentOptions, perform};
use crate::schema::ExperimentConfig;
use crate::settings::{ConfigSource, load, located};

/// What stands behind `experiment`.
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
    /// The run's folder, instead of one named by the config.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with a run that was interrupted.
    #[arg(long)]
    resume: bool,
    /// Fail if the pictures are not to be had, instead of going on with synthetic ones.
    #[arg(long)]
    strict: bool,
}

/// One experiment, from the config to the report.
pub(crate) fn run(arguments: &ExperimentArguments) -> Result<()> {
    let source = ConfigSource::read(&arguments.config)?;
    let config: ExperimentConfig = load(&source, &arguments.overrides, ExperimentConfig::validate)?;
    let options = ExperimentOptions {
        data_dir: arguments.data_dir.clone(),
        out: arguments.out.clone(),
        resume: arguments.resume,
        strict: arguments.strict,
    };
    perform(&config, &options).map(drop).map_err(|error| located(error, &source, &arguments.overrides))
}
