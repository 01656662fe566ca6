use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tinylsa_experiment::{CompletedRun, Experiment, RunOptions};
use tinylsa_explain::scores::first_variant;
use tracing::warn;

use crate::outcome::{say, stop_on_interrupt};
use crate::progress::ExperimentProgress;
use crate::score_table::say_scores;

/// What an interrupt of a run does.
pub(super) const ON_INTERRUPT: &str = "stopping where --resume can go on";

/// Arguments of the `experiment` command.
#[derive(Args, Debug)]
pub(crate) struct ExperimentArguments {
    /// The config, such as configs/base.toml.
    config: PathBuf,
    /// Change a key of the config, such as train.epochs=3; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Where the files of the images are, instead of what the config says.
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
    let experiment = Experiment::from_file(&arguments.config, &arguments.overrides)?;
    let options = RunOptions {
        data_dir: arguments.data_dir.clone(),
        out: arguments.out.clone(),
        resume: arguments.resume,
        strict: arguments.strict,
        stop: stop_on_interrupt(ON_INTERRUPT)?,
    };
    let mut progress = ExperimentProgress::default();
    let run = experiment.run(&options, &mut progress)?;
    progress.end()?;
    conclude(&run)
}

/// Says what came out of a run.
pub(super) fn conclude(run: &CompletedRun) -> Result<()> {
    if run.was_finished {
        say(format!("the run in {} is finished already, nothing was done", run.path.display()))?;
    }
    if let Some(scores) = &run.scores {
        say_scores(scores, &first_variant(&run.config.explain.scores))?;
    }
    if run.manifest.substitution.is_some() {
        warn!("these are synthetic garments: nothing here is a result on Fashion-MNIST");
    }
    say(run.evaluation.describe())?;
    if let Some(digests) = &run.manifest.digests {
        say(format!("digest {}", digests.all))?;
    }
    say(format!("report {}", run.report().display()))
}
