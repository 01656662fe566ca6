//! A whole sweep on one machine, each trial in a process of its own.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use tracing::info;

use crate::children::Children;
use crate::error::{ExperimentError, Interruption};
use crate::folder::Manifest;
use crate::sweep::gather::gathered;
use crate::sweep::planning::{Accepted, planned};
use crate::sweep::state::look;
use crate::sweep::{FrozenPlan, FrozenTrial, GatherRequest, SweepPlace, SweepPlan, SweepResults, TrialState};

/// How trials are run on this machine.
#[derive(Clone, Debug)]
pub struct LocalJobs {
    /// Trials at a time, at least one. They share the threads evenly, which changes no bit of a result.
    pub jobs: usize,
    /// A program that takes the arguments of this project's command line, whose `sweep --trial` runs one trial.
    pub program: PathBuf,
}

/// Runs every trial in a process of its own and leaves finished ones as they are.
///
/// # Errors
/// If a trial is invalid or its directory holds the result of other settings: nothing is trained then. If an experiment
/// fails or is interrupted: no other is begun then, and a later start resumes the interrupted one where it stopped.
pub fn run_trials(plan: &SweepPlan, place: &SweepPlace, local: &LocalJobs) -> Result<SweepResults, ExperimentError> {
    Ok(run_all(plan, place, local)?)
}

fn run_all(plan: &SweepPlan, place: &SweepPlace, local: &LocalJobs) -> Result<SweepResults> {
    // The claim is held until the results are read, so that two sweeps never write into one directory.
    let (plan, _claim) = planned(plan, place, Accepted::OwnInstructionSet)?;
    let children = Children::until(Arc::clone(&place.stop));
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some((index, trial)) = take(&next, &plan.trials) {
            info!("{} ({} of {})", trial.name(), index + 1, plan.trials.len());
            run_trial(&plan, index, trial, place, local, &children)
                .inspect_err(|_| next.store(plan.trials.len(), Ordering::Relaxed))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..local.jobs).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        ended.collect::<Result<Vec<()>>>()
    })?;
    let request = GatherRequest { folder: &place.folder, allow_mixed: false, stop: Arc::clone(&place.stop) };
    let results = gathered(&plan, &request)?;
    if let Some(missing) = results.missing.first() {
        bail!("{} is not complete: {}", missing.name, missing.reason);
    }
    Ok(results)
}

fn take<'a>(next: &AtomicUsize, trials: &'a [FrozenTrial]) -> Option<(usize, &'a FrozenTrial)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, trials.get(index)?))
}

/// A process each, since a process has one pool of threads and one handler of interrupts.
fn run_trial(
    plan: &FrozenPlan,
    index: usize,
    trial: &FrozenTrial,
    place: &SweepPlace,
    local: &LocalJobs,
    children: &Children,
) -> Result<()> {
    let (name, run_dir) = (trial.name(), place.folder.join(trial.name()));
    if look(plan, trial, &run_dir).state == TrialState::Finished {
        info!("{name}: finished already");
        return Ok(());
    }
    let succeeded = children.run(worker(index, &place.folder, local))?;
    if children.is_interrupted() {
        return Err(Interruption("interrupted; the same command resumes the sweep".to_owned()).into());
    }
    if !succeeded {
        let reason = Manifest::read(&run_dir).map(|manifest| manifest.state(&run_dir));
        let reason = reason.map(|reason| format!(" (its run {reason})")).unwrap_or_default();
        bail!("{name} did not finish{reason}; the same command goes on from there");
    }
    Ok(())
}

fn worker(index: usize, folder: &Path, local: &LocalJobs) -> Command {
    let mut command = Command::new(&local.program);
    command.arg("sweep").arg("--trial").arg(index.to_string());
    if local.jobs > 1 {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(local.jobs);
        command.arg("--threads").arg(threads.to_string());
    }
    command.arg(folder);
    command
}
