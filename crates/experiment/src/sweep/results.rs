use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use tinylsa_train::EpochRecord;

use crate::folder::{Manifest, read_lines, require_checksums};
use crate::statistics::MeanAndDeviation;
use crate::sweep::{Comparison, FrozenTrial, Trial, TrialState};

/// What every trial of a sweep came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SweepResults {
    /// Those that are finished, in the order of their numbers.
    pub trials: Vec<TrialResult>,
    /// The variants beside the control, if the sweep has one.
    pub comparisons: Vec<Comparison>,
    /// The trials that have no result yet.
    pub missing: Vec<MissingTrial>,
}

/// A trial that has no result yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingTrial {
    /// The number of the trial.
    pub index: usize,
    /// The name of its directory.
    pub name: String,
    /// How far it got; finished if its result is damaged.
    pub state: TrialState,
    /// What else is known, such as why it failed; often empty.
    pub reason: String,
}

/// What one experiment came to on the validation split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrialResult {
    /// The name of the variant.
    pub variant: String,
    /// The seed of the run.
    pub seed: u64,
    /// Every change to the config, as `--set` takes them.
    pub settings: Vec<String>,
    /// Trained numbers.
    pub parameters: usize,
    /// Multiply-accumulate operations of one image.
    pub macs: usize,
    /// How many epochs were trained.
    pub epochs: usize,
    /// Of the epoch whose weights were kept, as the next two; a fraction.
    pub train_accuracy: f64,
    /// A fraction.
    pub validation_accuracy: f64,
    /// In nats.
    pub validation_loss: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// Training images a second, the median over the epochs.
    pub images_per_second: f64,
    /// The instruction set that it was made with.
    pub instruction_set: String,
    /// SHA-256 of all results of the run.
    pub digest: String,
}

impl TrialResult {
    /// Reads what a trial came to, whose finished run has this manifest. The manifest's checksums of `files` are compared.
    ///
    /// # Errors
    /// If the directory is damaged.
    pub(super) fn read(trial: &FrozenTrial, run_dir: &Path, manifest: Manifest, files: &[&str]) -> Result<Self> {
        require_checksums(run_dir, &manifest, files)?;
        let history: Vec<EpochRecord> = read_lines(&run_dir.join("metrics.jsonl"))?;
        let incomplete = |what: &str| format!("the run in {} has no {what}", run_dir.display());
        let figures = manifest.figures.with_context(|| incomplete("figures"))?;
        let kept = history.iter().find(|record| record.epoch == figures.kept_epoch);
        let kept = kept.with_context(|| incomplete("line of the epoch that was kept"))?;
        let digests = manifest.digests.with_context(|| incomplete("digests"))?;
        Ok(Self {
            variant: trial.variant.clone(),
            seed: trial.seed,
            settings: trial.settings.clone(),
            parameters: manifest.parameters,
            macs: manifest.macs,
            epochs: history.len(),
            train_accuracy: kept.train_accuracy,
            validation_accuracy: kept.validation_accuracy,
            validation_loss: kept.validation_loss,
            seconds: figures.training_seconds,
            images_per_second: figures.images_per_second,
            instruction_set: manifest.instruction_set,
            digest: digests.all,
        })
    }

    /// The name of its directory.
    pub fn name(&self) -> String {
        Trial::directory_name(&self.variant, self.seed)
    }
}

/// A variant over all its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantSummary {
    /// The name of the variant.
    pub name: String,
    /// Of the kept epochs on the validation split, fractions.
    pub validation_accuracy: MeanAndDeviation,
    /// Of the kept epochs on the validation split.
    pub validation_loss: MeanAndDeviation,
    /// Of the kept epochs on the images that are trained on, fractions.
    pub train_accuracy: MeanAndDeviation,
    /// Seconds of training.
    pub seconds: MeanAndDeviation,
    /// Of the network of the first seed.
    pub parameters: usize,
    /// Multiply-accumulate operations of one image, of the network of the first seed.
    pub macs: usize,
}

impl VariantSummary {
    fn of(name: &str, first: &TrialResult, trials: &[&TrialResult]) -> Self {
        let over = |value: fn(&TrialResult) -> f64| {
            MeanAndDeviation::of(&trials.iter().map(|trial| value(trial)).collect::<Vec<_>>())
        };
        Self {
            name: name.to_owned(),
            validation_accuracy: over(|trial| trial.validation_accuracy),
            validation_loss: over(|trial| trial.validation_loss),
            train_accuracy: over(|trial| trial.train_accuracy),
            seconds: over(|trial| trial.seconds),
            parameters: first.parameters,
            macs: first.macs,
        }
    }
}

impl SweepResults {
    /// Each variant over its seeds, the best by mean validation accuracy first.
    pub fn variants(&self) -> Vec<VariantSummary> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut of_variants: Vec<Vec<&TrialResult>> = Vec::new();
        for trial in &self.trials {
            let place = *places.entry(&trial.variant).or_insert(of_variants.len());
            if place == of_variants.len() {
                of_variants.push(Vec::new());
            }
            of_variants[place].push(trial);
        }
        let summary = |trials: &Vec<&TrialResult>| VariantSummary::of(&trials[0].variant, trials[0], trials);
        let mut variants: Vec<VariantSummary> = of_variants.iter().map(summary).collect();
        variants.sort_by(|left, right| right.validation_accuracy.mean.total_cmp(&left.validation_accuracy.mean));
        variants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(variant: &str, seed: u64, validation_accuracy: f64) -> TrialResult {
        TrialResult {
            variant: variant.to_owned(),
            seed,
            settings: Vec::new(),
            parameters: 400_000,
            macs: 27_000_000,
            epochs: 3,
            train_accuracy: 0.9,
            validation_accuracy,
            validation_loss: 0.25,
            seconds: 60.0,
            images_per_second: 900.0,
            instruction_set: "portable".to_owned(),
            digest: String::new(),
        }
    }

    #[test]
    fn seeds_are_averaged_and_the_best_variant_comes_first() {
        let trials =
            vec![trial("plain", 0, 0.92), trial("wide", 0, 0.93), trial("plain", 1, 0.94), trial("wide", 1, 0.95)];
        let variants = SweepResults { trials, ..SweepResults::default() }.variants();
        assert_eq!(variants.iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>(), ["wide", "plain"]);
        let wide = variants[0].validation_accuracy;
        assert!(wide.count == 2 && (wide.mean - 0.94).abs() < 1e-12, "{wide:?}");
        assert!((wide.deviation.unwrap() - 0.01 * 2.0_f64.sqrt()).abs() < 1e-12, "{wide:?}");
        assert_eq!((variants[0].parameters, variants[0].macs), (400_000, 27_000_000));
    }
}
