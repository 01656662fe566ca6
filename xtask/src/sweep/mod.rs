//! Several experiments that differ in a few keys, and one table of what came out.
//!
//! Variants are compared by the validation split alone: nothing here reads a figure of the test set.

mod plan;
mod results;

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use tracing::info;

pub(crate) use plan::{SweepPlan, Trial};
pub(crate) use results::{SweepResults, TrialResult};

use crate::folder::{Manifest, Status};

/// Changes that come after all others: nothing of the test set is looked at.
const UNREAD_TEST_SET: [&str; 2] = ["evaluate.split=validation", "explain.enabled=false"];

/// Where a sweep's runs go and what they are given.
#[derive(Clone, Debug)]
pub(crate) struct SweepPlace {
    /// A folder for all runs of the sweep.
    pub(crate) folder: PathBuf,
    /// Handed on to every experiment.
    pub(crate) data_dir: Option<PathBuf>,
    /// Experiments at a time, at least one. They share the threads evenly, which changes no bit of a result.
    pub(crate) jobs: usize,
}

/// Runs every trial in a process of its own and leaves finished ones as they are.
///
/// # Errors
/// If an experiment fails or is interrupted; no other is begun then. Going on later takes up the interrupted one where
/// it stopped.
pub(crate) fn run_trials(plan: &SweepPlan, place: &SweepPlace) -> Result<SweepResults> {
    let trials = plan.trials();
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some((index, trial)) = take(&next, &trials) {
            info!("{} ({} of {})", trial.name(), index + 1, trials.len());
            run_trial(plan, trial, place).inspect_err(|_| next.store(trials.len(), Ordering::Relaxed))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..place.jobs).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        ended.collect::<Result<Vec<()>>>()
    })?;
    let read = |trial| TrialResult::read(trial, &place.folder.join(trial.name()));
    Ok(SweepResults { trials: trials.iter().map(read).collect::<Result<_>>()? })
}

fn take<'a>(next: &AtomicUsize, trials: &'a [Trial]) -> Option<(usize, &'a Trial)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    trials.get(index).map(|trial| (index, trial))
}

fn run_trial(plan: &SweepPlan, trial: &Trial, place: &SweepPlace) -> Result<()> {
    let folder = place.folder.join(trial.name());
    match status(&folder)? {
        Some(Status::Finished) => {
            info!("{}: finished already", trial.name());
            Ok(())
        }
        started => experiment(plan, trial, place, &folder, started.is_some()),
    }
}

fn status(folder: &Path) -> Result<Option<Status>> {
    let path = folder.join("manifest.json");
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let manifest: Manifest =
        serde_json::from_str(&text).with_context(|| format!("{} is no manifest", path.display()))?;
    Ok(Some(manifest.status))
}

/// A process each, since a process has one pool of threads and one handler of interrupts.
fn experiment(plan: &SweepPlan, trial: &Trial, place: &SweepPlace, folder: &Path, resumed: bool) -> Result<()> {
    let program = std::env::current_exe().context("failed to find this program")?;
    let mut command = Command::new(program);
    command.arg("experiment").arg(&plan.config).arg("--strict").arg("--out").arg(folder);
    if let Some(data_dir) = &place.data_dir {
        command.arg("--data-dir").arg(data_dir);
    }
    if resumed {
        command.arg("--resume");
    }
    if place.jobs > 1 {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(place.jobs);
        command.arg("--set").arg(format!("device.threads={threads}"));
    }
    for setting in trial.settings.iter().map(String::as_str).chain(UNREAD_TEST_SET) {
        command.arg("--set").arg(setting);
    }
    // standard output belongs to the sweep's own table
    let output = command.stdout(std::process::Stdio::null()).status().context("failed to start an experiment")?;
    if !output.success() {
        bail!("{} did not finish; the same command goes on from there", trial.name());
    }
    Ok(())
}
