//! The results of a sweep from what is in its directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use serde::Serialize;
use tinylsa_settings::UsageError;
use tinylsa_system::write_atomically;

use crate::dataset::{LoadedDataset, obtain, validation_split};
use crate::error::ExperimentError;
use crate::sweep::comparison::Outcome;
use crate::sweep::state::{FoundTrial, look};
use crate::sweep::{Comparison, FrozenPlan, FrozenTrial, MissingTrial, SweepResults, TrialResult, TrialState};

/// The results of a sweep in its directory.
const RESULTS: &str = "results.json";

/// How the trials of a sweep are gathered.
#[derive(Clone, Debug)]
pub struct GatherRequest<'a> {
    /// The directory of the sweep.
    pub folder: &'a Path,
    /// Whether results of different instruction sets may stand beside each other.
    pub allow_mixed: bool,
    /// Set from elsewhere, it ends a download of the images that variants are compared on.
    pub stop: Arc<AtomicBool>,
}

/// Where a trial is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrialStatus {
    /// The number of the trial.
    pub index: usize,
    /// The name of its directory.
    pub name: String,
    /// How far it got.
    pub state: TrialState,
    /// What else is known, such as why it failed; often empty.
    pub reason: String,
}

/// Where each trial of a planned sweep is.
///
/// # Errors
/// [`UsageError`] if the directory has no plan; if the plan is damaged.
pub fn status(folder: &Path) -> Result<Vec<TrialStatus>, ExperimentError> {
    let plan = FrozenPlan::read(folder)?;
    let of_trial = |(index, trial): (usize, &FrozenTrial)| {
        let FoundTrial { state, reason, .. } = look(&plan, trial, &folder.join(trial.name()));
        TrialStatus { index, name: trial.name(), state, reason }
    };
    Ok(plan.trials.iter().enumerate().map(of_trial).collect())
}

/// Writes `results.json` from the trials that are finished, and says which are missing.
///
/// # Errors
/// [`UsageError`] if the directory has no plan, or if trials were made with different instruction sets and that is not
/// allowed; if the images that variants are compared on are not available.
pub fn gather(request: &GatherRequest<'_>) -> Result<SweepResults, ExperimentError> {
    Ok(gathered(&FrozenPlan::read(request.folder)?, request)?)
}

/// The same for a plan that was read.
pub(super) fn gathered(plan: &FrozenPlan, request: &GatherRequest<'_>) -> Result<SweepResults> {
    let mut results = SweepResults::default();
    // with a control the networks themselves are compared
    let files: &[&str] =
        if plan.control.is_some() { &["metrics.jsonl", "model.safetensors"] } else { &["metrics.jsonl"] };
    for (index, trial) in plan.trials.iter().enumerate() {
        let run_dir = request.folder.join(trial.name());
        let FoundTrial { state, reason, manifest } = look(plan, trial, &run_dir);
        let found = manifest.filter(|_| state == TrialState::Finished);
        match found.map(|manifest| TrialResult::read(trial, &run_dir, manifest, files)) {
            Some(Ok(result)) => results.trials.push(result),
            Some(Err(damage)) => {
                let reason = format!("{damage:#}; delete its directory to run it again");
                results.missing.push(MissingTrial { index, name: trial.name(), state, reason });
            }
            None => results.missing.push(MissingTrial { index, name: trial.name(), state, reason }),
        }
    }
    if !request.allow_mixed {
        require_one_instruction_set(&results.trials)?;
    }
    results.comparisons = comparisons(plan, &results.trials, request)?;
    let path = request.folder.join(RESULTS);
    let document = serde_json::to_string_pretty(&results)?;
    write_atomically(&path, document.as_bytes()).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(results)
}

fn require_one_instruction_set(trials: &[TrialResult]) -> Result<(), UsageError> {
    let mut sets: BTreeMap<&str, Vec<&TrialResult>> = BTreeMap::new();
    for trial in trials {
        sets.entry(&trial.instruction_set).or_default().push(trial);
    }
    if sets.len() < 2 {
        return Ok(());
    }
    let of_set = |(set, trials): (&&str, &Vec<&TrialResult>)| {
        let example = trials.first().map(|trial| trial.name()).unwrap_or_default();
        format!("{set} ({}, such as {example})", trials.len())
    };
    Err(UsageError(format!(
        "the trials were made with different instruction sets, whose results differ in their last bits: {}; pass \
         --allow-mixed to gather them all the same",
        sets.iter().map(of_set).collect::<Vec<_>>().join(", ")
    )))
}

/// The variants beside the control, as far as both are there. At any time the answers of two variants are in memory.
fn comparisons(plan: &FrozenPlan, found: &[TrialResult], request: &GatherRequest<'_>) -> Result<Vec<Comparison>> {
    let (Some(control), Some(first)) = (&plan.control, plan.trials.first()) else { return Ok(Vec::new()) };
    let mut variants: Vec<&str> = Vec::new();
    for trial in &plan.trials {
        if !variants.contains(&trial.variant.as_str()) {
            variants.push(&trial.variant);
        }
    }
    let of_variant = |variant: &str| found.iter().filter(|trial| trial.variant == variant).collect::<Vec<_>>();
    let controls = of_variant(control);
    let others: Vec<(&str, Vec<&TrialResult>)> = variants
        .into_iter()
        .filter(|variant| variant != control)
        .map(|variant| (variant, of_variant(variant)))
        .filter(|(_, trials)| trials.iter().any(|trial| controls.iter().any(|control| control.seed == trial.seed)))
        .collect();
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let SharedImages { images, validation } = shared_images(plan, first, request)?;
    let outcomes = |trials: &[&TrialResult]| -> Result<Vec<Outcome>> {
        let run_dir = |trial: &TrialResult| -> PathBuf { request.folder.join(trial.name()) };
        let of_trial = |trial: &&TrialResult| Outcome::of(trial.seed, &run_dir(trial), &images.train, &validation);
        trials.iter().map(of_trial).collect()
    };
    let controls = outcomes(&controls)?;
    others.iter().map(|(variant, trials)| Comparison::of(variant, &outcomes(trials)?, &controls)).collect()
}

/// The validation images that all trials of a sweep with a control have in common.
struct SharedImages {
    images: LoadedDataset,
    validation: Vec<u32>,
}

fn shared_images(plan: &FrozenPlan, first: &FrozenTrial, request: &GatherRequest<'_>) -> Result<SharedImages> {
    let config = plan.experiment(first, None)?.config;
    let images = obtain(&config.data, plan.data_dir.as_deref(), true, &request.stop)?;
    let is_planned = |images: &LoadedDataset| {
        plan.data.iter().any(|data| data.dataset == *images.name() && data.checksums == images.checksums)
    };
    if !is_planned(&images) {
        let refusal = format!("the images of {} have other checksums than those of the plan", images.name());
        return Err(UsageError(refusal).into());
    }
    let validation = validation_split(&images, config.data.validation, config.split_seed())?.validation;
    Ok(SharedImages { images, validation })
}
