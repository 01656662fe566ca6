//! What the commands that a cluster can run have in common.

use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};
use tinylsa_experiment::cluster::Submission;

use crate::outcome::say;

/// Where tasks are handed to.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubmitArguments {
    /// Hand the tasks to a cluster, with a job behind them that gathers their results.
    #[arg(long, value_enum, value_name = "CLUSTER")]
    pub(crate) submit: Option<Cluster>,
    /// An option of sbatch, such as --sbatch=--time=2:00:00; may be given several times.
    #[arg(long = "sbatch", value_name = "OPT", allow_hyphen_values = true, requires = "submit")]
    pub(crate) options: Vec<String>,
    /// Tasks at a time; without it as many as the cluster starts.
    #[arg(long, value_name = "N", requires = "submit", value_parser = counting)]
    pub(crate) slots: Option<usize>,
}

/// A kind of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cluster {
    Slurm,
}

/// A number from 1 on.
pub(crate) fn counting(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| "expected a number from 1 on".to_owned())
}

/// Says the numbers of the jobs.
pub(crate) fn say_submission(submitted: &Submission, folder: &Path) -> Result<()> {
    let arrays = submitted.arrays.join(", ");
    say(format!(
        "submitted as {arrays}, gathered by {}; scripts and logs in {}/slurm",
        submitted.gather,
        folder.display()
    ))
}
