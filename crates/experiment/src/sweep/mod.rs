//! Several experiments that differ in a few keys, and one table of what came out.
//!
//! Variants are compared by the validation split alone: nothing here reads a figure of the test set. Every trial is
//! checked before the first one is trained, and a finished trial counts only if it was made with the very settings that
//! the sweep's file has now.

mod comparison;
mod plan;
mod results;

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use tinylsa_system::OutputDir;
use tracing::info;

pub use comparison::{Comparison, PairedDifference, Verdict};
use comparison::{Outcome, compared};
pub use plan::{SweepPlan, Trial, Variant};
pub use results::{SweepResults, TrialResult, VariantSummary};

use crate::children::{ChildExperiment, Children};
use crate::dataset::{LoadedDataset, obtain};
use crate::error::{ExperimentError, Interruption};
use crate::folder::{Manifest, existing_run, holds_run};
use crate::prepare::{Experiment, Prepared};
use tinylsa_data::DataConfig;
use tinylsa_settings::UsageError;
use tinylsa_settings::config::ConfigSource;

/// Where a sweep's runs go and what they are given.
#[derive(Clone, Debug)]
pub struct SweepPlace {
    /// A directory for all runs of the sweep.
    pub folder: PathBuf,
    /// Handed on to every experiment.
    pub data_dir: Option<PathBuf>,
    /// Experiments at a time, at least one. They share the threads evenly, which changes no bit of a result.
    pub jobs: usize,
    /// A program that takes the arguments of `cargo xtask`, whose command `experiment` runs one trial.
    pub program: PathBuf,
    /// Set from elsewhere, it stops the experiments where a later start of the sweep resumes them.
    pub stop: Arc<AtomicBool>,
}

/// A trial whose settings fit the data.
struct CheckedTrial {
    trial: Trial,
    run_dir: PathBuf,
    /// The digest of everything that decides its result.
    experiment: String,
    progress: TrialProgress,
}

/// All trials of a sweep, and what their networks are compared on.
struct CheckedSweep {
    trials: Vec<CheckedTrial>,
    shared: Option<SharedImages>,
}

/// The validation images that all trials of a sweep with a control have in common.
struct SharedImages {
    images: LoadedDataset,
    validation: Vec<u32>,
    /// The name of the trial that they were taken from.
    trial: String,
}

/// How far a trial got before this start of the sweep.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TrialProgress {
    New,
    Begun,
    Finished,
}

/// Runs every trial in a process of its own and leaves finished ones as they are.
///
/// # Errors
/// If a trial is invalid or its directory holds the result of other settings: nothing is trained then. If an experiment
/// fails or is interrupted: no other is begun then, and a later start resumes the interrupted one where it stopped.
pub fn run_trials(plan: &SweepPlan, place: &SweepPlace) -> Result<SweepResults, ExperimentError> {
    Ok(run_all(plan, place)?)
}

fn run_all(plan: &SweepPlan, place: &SweepPlace) -> Result<SweepResults> {
    let CheckedSweep { trials, shared } = check_trials(plan, place)?;
    // Held until the results are read, so that two sweeps never write into one directory.
    let _claim = OutputDir::claim(&place.folder, "sweep")?;
    let children = Children::until(Arc::clone(&place.stop));
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some(index) = take(&next, trials.len()) {
            let trial = &trials[index];
            info!("{} ({} of {})", trial.trial.name(), index + 1, trials.len());
            run_trial(plan, trial, place, &children).inspect_err(|_| next.store(trials.len(), Ordering::Relaxed))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..place.jobs).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        ended.collect::<Result<Vec<()>>>()
    })?;
    let read = |trial: &CheckedTrial| TrialResult::read(&trial.trial, &trial.run_dir, &trial.experiment);
    let comparisons = match (&plan.control, &shared) {
        (Some(control), Some(shared)) => compared(&outcomes(&trials, shared)?, control)?,
        (None, _) | (_, None) => Vec::new(),
    };
    Ok(SweepResults { trials: trials.iter().map(read).collect::<Result<_>>()?, comparisons })
}

/// What every network makes of the validation images.
fn outcomes(trials: &[CheckedTrial], shared: &SharedImages) -> Result<Vec<Outcome>> {
    let of_trial = |CheckedTrial { trial, run_dir, .. }: &CheckedTrial| {
        Outcome::of(&trial.variant, trial.seed, run_dir, &shared.images.train, &shared.validation)
    };
    trials.iter().map(of_trial).collect()
}

fn take(next: &AtomicUsize, trials: usize) -> Option<usize> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    (index < trials).then_some(index)
}

/// Every trial, compared with the data and with what its directory holds.
fn check_trials(plan: &SweepPlan, place: &SweepPlace) -> Result<CheckedSweep> {
    let source = ConfigSource::read(&plan.config)?;
    let mut collections = Collections::default();
    let mut checked: Vec<CheckedTrial> = Vec::new();
    let mut shared: Option<SharedImages> = None;
    for trial in plan.trials() {
        let of_trial = || format!("the variant {} is invalid", trial.variant);
        let experiment = Experiment::load(source.clone(), trial.settings.clone()).with_context(of_trial)?;
        let images = collections.images(&experiment.config.data, place)?;
        let Prepared { identity, images, split, .. } = experiment.prepare(images).with_context(of_trial)?;
        let run_dir = place.folder.join(trial.name());
        let progress = if holds_run(&run_dir) {
            let run = existing_run(&experiment.config.run, Some(&run_dir), &identity)
                .context("the sweep holds a run of other settings than its file has now")?;
            if run.is_finished() { TrialProgress::Finished } else { TrialProgress::Begun }
        } else {
            TrialProgress::New
        };
        let experiment = identity.digest();
        if let Some(other) = checked.iter().find(|other| other.experiment == experiment) {
            let refusal = format!("{} and {} are the same experiment", other.trial.name(), trial.name());
            return Err(UsageError(refusal).into());
        }
        match &shared {
            Some(shared) => shared.require_of(&trial, &images, &split.validation)?,
            None if plan.control.is_some() => {
                shared = Some(SharedImages { images, validation: split.validation, trial: trial.name() });
            }
            None => {}
        }
        checked.push(CheckedTrial { trial, run_dir, experiment, progress });
    }
    Ok(CheckedSweep { trials: checked, shared })
}

impl SharedImages {
    /// Requires another trial to have the same.
    fn require_of(&self, trial: &Trial, images: &LoadedDataset, validation: &[u32]) -> Result<(), UsageError> {
        if self.validation == validation && self.images.checksums == images.checksums {
            return Ok(());
        }
        Err(UsageError(format!(
            "{} and {} have other validation images, so that they cannot be compared with a control; a data.split_seed \
             for all gives them the same",
            self.trial,
            trial.name()
        )))
    }
}

/// The images of each data section that a sweep has, read once.
#[derive(Default)]
struct Collections(Vec<(DataConfig, LoadedDataset)>);

impl Collections {
    fn images(&mut self, section: &DataConfig, place: &SweepPlace) -> Result<LoadedDataset> {
        // The validation split does not change what is read.
        let section = DataConfig { validation: 0, split_seed: None, ..section.clone() };
        if let Some((_, images)) = self.0.iter().find(|(known, _)| *known == section) {
            return Ok(images.clone());
        }
        let images = obtain(&section, place.data_dir.as_deref(), true, &place.stop)?;
        self.0.push((section, images.clone()));
        Ok(images)
    }
}

fn run_trial(plan: &SweepPlan, trial: &CheckedTrial, place: &SweepPlace, children: &Children) -> Result<()> {
    match trial.progress {
        TrialProgress::Finished => {
            info!("{}: finished already", trial.trial.name());
            Ok(())
        }
        TrialProgress::Begun => experiment(plan, trial, place, children, true),
        TrialProgress::New => experiment(plan, trial, place, children, false),
    }
}

/// A process each, since a process has one pool of threads and one handler of interrupts.
fn experiment(
    plan: &SweepPlan,
    trial: &CheckedTrial,
    place: &SweepPlace,
    children: &Children,
    resumed: bool,
) -> Result<()> {
    let shared = (place.jobs > 1).then(|| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(place.jobs);
        format!("device.threads={threads}")
    });
    let settings: Vec<String> = shared.into_iter().chain(trial.trial.settings.iter().cloned()).collect();
    let succeeded = children.run(&ChildExperiment {
        program: &place.program,
        config: &plan.config,
        run_dir: &trial.run_dir,
        data_dir: place.data_dir.as_deref(),
        is_resumed: resumed,
        settings: &settings,
    })?;
    let name = trial.trial.name();
    if children.is_interrupted() {
        return Err(Interruption("interrupted; the same command resumes the sweep".to_owned()).into());
    }
    if !succeeded {
        let reason = Manifest::read(&trial.run_dir).map(|manifest| manifest.state(&trial.run_dir));
        let reason = reason.map(|reason| format!(" (its run {reason})")).unwrap_or_default();
        bail!("{name} did not finish{reason}; the same command goes on from there");
    }
    Ok(())
}
