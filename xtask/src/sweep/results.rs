use std::path::Path;

use anyhow::{Context, Result, bail};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use tinylsa_train::EpochRecord;

use crate::folder::{Manifest, Status, require_checksums};
use crate::sweep::Trial;

/// What every trial of a sweep came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct SweepResults {
    pub(crate) trials: Vec<TrialResult>,
}

/// What one experiment came to on the validation split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TrialResult {
    pub(crate) variant: String,
    pub(crate) seed: u64,
    pub(crate) settings: Vec<String>,
    pub(crate) parameters: usize,
    pub(crate) macs: usize,
    pub(crate) epochs: usize,
    /// Of the epoch whose weights were kept, as the next two; a fraction.
    pub(crate) train_accuracy: f64,
    pub(crate) validation_accuracy: f64,
    pub(crate) validation_loss: f64,
    pub(crate) seconds: f64,
    pub(crate) images_per_second: f64,
    pub(crate) digest: String,
}

impl TrialResult {
    /// # Errors
    /// If the directory is not that of a whole finished run of the experiment with this digest.
    pub(crate) fn read(trial: &Trial, run_dir: &Path, experiment: &str) -> Result<Self> {
        let manifest = Manifest::read(run_dir)?;
        if manifest.status != Status::Finished || manifest.experiment != experiment {
            bail!("{} does not hold the finished run of this trial", run_dir.display());
        }
        require_checksums(run_dir, &manifest, &["metrics.jsonl"])?;
        let path = run_dir.join("metrics.jsonl");
        let metrics = std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let history: Vec<EpochRecord> = metrics
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{} is not what a run writes", path.display()))?;
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
            digest: digests.all,
        })
    }
}

/// A variant over all its seeds.
struct VariantSummary<'a> {
    name: &'a str,
    trials: Vec<&'a TrialResult>,
}

impl VariantSummary<'_> {
    fn mean(&self, value: impl Fn(&TrialResult) -> f64) -> f64 {
        self.trials.iter().map(|trial| value(trial)).sum::<f64>() / self.trials.len() as f64
    }

    /// The standard deviation over the seeds, if there are several.
    fn deviation(&self, value: impl Fn(&TrialResult) -> f64) -> Option<f64> {
        let mean = self.mean(&value);
        let squares: f64 = self.trials.iter().map(|trial| (value(trial) - mean).powi(2)).sum();
        (self.trials.len() > 1).then(|| (squares / (self.trials.len() - 1) as f64).sqrt())
    }

    fn row(&self) -> [String; 8] {
        let percent = |value: fn(&TrialResult) -> f64| {
            let spread = self.deviation(value).map(|spread| format!(" ± {:.2}", 100.0 * spread)).unwrap_or_default();
            format!("{:.2}{spread}", 100.0 * self.mean(value))
        };
        [
            self.name.to_owned(),
            self.trials.len().to_string(),
            percent(|trial| trial.validation_accuracy),
            format!("{:.4}", self.mean(|trial| trial.validation_loss)),
            percent(|trial| trial.train_accuracy),
            self.trials[0].parameters.to_string(),
            format!("{:.1}", self.trials[0].macs as f64 / 1e6),
            format!("{:.0}", self.mean(|trial| trial.seconds)),
        ]
    }
}

impl SweepResults {
    /// A line for each variant, the best by validation accuracy first.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_header([
            "variant",
            "seeds",
            "validation accuracy, %",
            "validation loss",
            "training accuracy, %",
            "parameters",
            "million MACs",
            "seconds",
        ]);
        let mut variants = self.variants();
        let accuracy = |variant: &VariantSummary<'_>| variant.mean(|trial| trial.validation_accuracy);
        variants.sort_by(|left, right| accuracy(right).total_cmp(&accuracy(left)));
        for variant in variants {
            table.add_row(variant.row());
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn variants(&self) -> Vec<VariantSummary<'_>> {
        let mut variants: Vec<VariantSummary<'_>> = Vec::new();
        for trial in &self.trials {
            match variants.iter_mut().find(|variant| variant.name == trial.variant) {
                Some(variant) => variant.trials.push(trial),
                None => variants.push(VariantSummary { name: &trial.variant, trials: vec![trial] }),
            }
        }
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
            digest: String::new(),
        }
    }

    #[test]
    fn seeds_are_averaged_and_the_best_variant_comes_first() {
        let trials =
            vec![trial("plain", 0, 0.92), trial("wide", 0, 0.93), trial("plain", 1, 0.94), trial("wide", 1, 0.95)];
        let table = SweepResults { trials }.table().to_string();
        let lines: Vec<&str> = table.lines().filter(|line| line.contains("400000")).collect();
        assert!(lines[0].contains("wide") && lines[0].contains("94.00 ± 1.41"), "{table}");
        assert!(lines[1].contains("plain") && lines[1].contains("93.00 ± 1.41"), "{table}");
    }

    #[test]
    fn one_seed_has_no_spread() {
        let table = SweepResults { trials: vec![trial("plain", 0, 0.92)] }.table().to_string();
        assert!(table.contains("92.00 ┆") && !table.contains("92.00 ±"), "{table}");
    }
}
