//! Runs one trial of a plan: what a task of a cluster does, and each process of a local sweep.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use tinylsa_settings::UsageError;
use tinylsa_system::OutputDir;
use tracing::{info, warn};

use crate::dataset::obtain;
use crate::error::{ExperimentError, Interruption};
use crate::folder::holds_checkpoints;
use crate::folder::holds_run;
use crate::machine::set_threads;
use crate::prepare::{Experiment, Prepared};
use crate::progress::RunProgress;
use crate::run::{CompletedRun, RunOptions};
use crate::sweep::state::look;
use crate::sweep::{FrozenPlan, FrozenTrial, TrialState};

/// A trial that is to be run.
#[derive(Clone, Debug)]
pub struct TrialRequest<'a> {
    /// The directory of the sweep.
    pub folder: &'a Path,
    /// The number of the trial.
    pub index: usize,
    /// The number of threads instead of the config's, which changes no bit of the result.
    pub threads: Option<usize>,
    /// Set from elsewhere, it ends the run at its next step.
    pub stop: Arc<AtomicBool>,
}

/// Runs one trial of the plan in a directory: starts it, resumes it, or leaves it as it is if it is finished. Returns the
/// run, or nothing if it was finished before.
///
/// # Errors
/// [`ExperimentError::Interrupted`] if it was stopped, or another process works on it: the same request later goes on.
/// [`UsageError`] if there is no such plan or trial, or if this machine would make another experiment of it.
pub fn run_trial(
    request: &TrialRequest<'_>,
    progress: &mut dyn RunProgress,
) -> Result<Option<CompletedRun>, ExperimentError> {
    let plan = FrozenPlan::read(request.folder)?;
    let trial = plan.trial(request.index).map_err(anyhow::Error::from)?;
    Ok(run(&plan, trial, request, progress)?)
}

fn run(
    plan: &FrozenPlan,
    trial: &FrozenTrial,
    request: &TrialRequest<'_>,
    progress: &mut dyn RunProgress,
) -> Result<Option<CompletedRun>> {
    let (name, run_dir) = (trial.name(), request.folder.join(trial.name()));
    let in_use = || Interruption(format!("{name} is in use by another process; the same command later looks again"));
    match look(plan, trial, &run_dir).state {
        TrialState::Finished => {
            info!("{name}: finished already");
            return Ok(None);
        }
        TrialState::Running => return Err(in_use().into()),
        // what a foreign run differs in is told when its directory is to be resumed
        TrialState::Waiting | TrialState::Interrupted | TrialState::Failed | TrialState::Foreign => {}
    }
    let threads = request.threads.map(|threads| format!("device.threads={threads}"));
    let experiment = plan.experiment(trial, threads)?;
    set_threads(experiment.config.device.threads)?;
    let images = obtain(&experiment.config.data, plan.data_dir.as_deref(), true, &request.stop)?;
    require_planned(plan, trial, experiment.prepare(images.clone())?)?;
    let options = RunOptions {
        out: Some(run_dir.clone()),
        resume: holds_run(&run_dir) || holds_checkpoints(&run_dir),
        strict: true,
        stop: Arc::clone(&request.stop),
        ..RunOptions::default()
    };
    match Experiment::run_on(&experiment, images, &options, progress) {
        Ok(completed) => Ok(Some(completed)),
        Err(ExperimentError::Interrupted(_)) => {
            Err(Interruption(format!("{name} was interrupted; the same command resumes it")).into())
        }
        // two began at the same moment
        Err(ExperimentError::Failed(_) | ExperimentError::Usage(_)) if OutputDir::is_in_use(&run_dir) => {
            Err(in_use().into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses a trial that would be another experiment here than the plan says, and warns of another instruction set.
fn require_planned(plan: &FrozenPlan, trial: &FrozenTrial, here: Prepared) -> Result<(), UsageError> {
    let Prepared { identity, basis, .. } = here;
    if identity.on(&plan.instruction_set).digest() != trial.experiment {
        return Err(UsageError(format!(
            "{} would not be the experiment that was planned: {}",
            trial.name(),
            plan.differences(&basis)
        )));
    }
    if basis.instruction_set != plan.instruction_set {
        warn!(
            "this machine has the instruction set {}, the plan was made on {}: the results differ in their last bits",
            basis.instruction_set, plan.instruction_set
        );
    }
    Ok(())
}
