//! How far a trial got.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use tinylsa_system::OutputDir;

use crate::folder::{Identity, Manifest, Status, holds_checkpoints, holds_run};
use crate::sweep::{FrozenPlan, FrozenTrial};

/// How far a trial got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialState {
    /// Nobody began it.
    Waiting,
    /// A process works on it.
    Running,
    /// Its process was stopped or killed; it can be resumed.
    Interrupted,
    /// It ended with an error.
    Failed,
    /// Its directory holds something else.
    Foreign,
    /// Its run is complete.
    Finished,
}

impl TrialState {
    /// Such as "waiting".
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Foreign => "foreign",
            Self::Finished => "finished",
        }
    }
}

/// What the directory of a trial holds.
pub(super) struct FoundTrial {
    pub(super) state: TrialState,
    /// What else is known of it, such as why it failed; often empty.
    pub(super) reason: String,
    /// The manifest of its run, if it has one that belongs to the trial.
    pub(super) manifest: Option<Manifest>,
}

impl FoundTrial {
    fn without_manifest(state: TrialState, reason: impl Into<String>) -> Self {
        Self { state, reason: reason.into(), manifest: None }
    }
}

/// Looks at the directory of a trial. Nothing is changed there.
pub(super) fn look(plan: &FrozenPlan, trial: &FrozenTrial, run_dir: &Path) -> FoundTrial {
    if !holds_run(run_dir) {
        let state = match (OutputDir::is_in_use(run_dir), holds_checkpoints(run_dir)) {
            (true, _) => TrialState::Running,
            (false, true) => TrialState::Interrupted,
            (false, false) => TrialState::Waiting,
        };
        return FoundTrial::without_manifest(state, "");
    }
    let manifest = match Manifest::read(run_dir) {
        Ok(manifest) => manifest,
        Err(error) => return FoundTrial::without_manifest(TrialState::Foreign, format!("{error:#}")),
    };
    match is_of(plan, trial, run_dir, &manifest) {
        Ok(true) => {}
        Ok(false) => {
            return FoundTrial::without_manifest(TrialState::Foreign, "its directory holds a run of other settings");
        }
        Err(error) => return FoundTrial::without_manifest(TrialState::Foreign, format!("{error:#}")),
    }
    let (state, reason) = match manifest.status {
        Status::Finished => (TrialState::Finished, String::new()),
        Status::Failed => (TrialState::Failed, manifest.failure.clone().unwrap_or_default()),
        Status::Interrupted => (TrialState::Interrupted, String::new()),
        Status::Running if OutputDir::is_in_use(run_dir) => (TrialState::Running, String::new()),
        Status::Running => (TrialState::Interrupted, "its process was killed".to_owned()),
    };
    // a run that failed or was interrupted may have been resumed since, before its first line
    let state =
        if state != TrialState::Finished && OutputDir::is_in_use(run_dir) { TrialState::Running } else { state };
    FoundTrial { state, reason, manifest: Some(manifest) }
}

/// Whether a run is that of a trial, on whatever instruction set.
fn is_of(plan: &FrozenPlan, trial: &FrozenTrial, run_dir: &Path, manifest: &Manifest) -> Result<bool> {
    if manifest.instruction_set == plan.instruction_set {
        return Ok(manifest.experiment == trial.experiment);
    }
    Ok(Identity::of_run(run_dir, manifest)?.on(&plan.instruction_set).digest() == trial.experiment)
}
