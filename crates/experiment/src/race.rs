//! Different networks trained for the same time, each in a process of its own.
//!
//! Each config says in `train.steps` how many steps fifteen minutes hold on the machine that `docs/networks.md` names. A race
//! takes these numbers, or the same share of each and of its warm-up, so that it gives the same bits on a faster machine, where it is
//! shorter.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tinylsa_settings::UsageError;
use tinylsa_system::{OutputDir, write_atomically};
use tinylsa_train::EpochRecord;
use tracing::info;

use crate::children::{ChildExperiment, Children};
use crate::error::{ExperimentError, Interruption};
use crate::evaluation::SplitName;
use crate::finished::FinishedRun;
use crate::folder::{holds_run, read_lines, require_checksums};
use crate::prepare::Experiment;
use crate::schema::ExperimentConfig;

/// Explanations take their own time and are no part of a race.
const UNEXPLAINED: &str = "explain.enabled=false";

/// The time that the steps of a config stand for.
pub const WHOLE: Duration = Duration::from_mins(15);

/// The time in a text such as `15m` or `90s`.
///
/// # Errors
/// What was expected instead.
pub fn time(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text:?} is no time, expected minutes or seconds such as 15m or 90s");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(expected)?;
    let seconds = match unit {
        "m" => 60,
        "s" => 1,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    let time = number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(expected)?;
    if time.is_zero() || time > 100 * WHOLE { Err(format!("{text} is not within 1s and 25h")) } else { Ok(time) }
}

/// Who races, for how long, and where the runs go.
#[derive(Clone, Debug)]
pub struct RacePlan {
    /// The networks and the texts of their configs.
    pub networks: Vec<(String, String)>,
    /// About how long each is trained on the machine that the steps were counted on.
    pub time: Duration,
    /// A directory for all runs; a race in it is resumed.
    pub folder: PathBuf,
    /// Handed on to every experiment.
    pub data_dir: Option<PathBuf>,
    /// A program that takes the arguments of `cargo xtask`, whose command `experiment` trains one network.
    pub program: PathBuf,
    /// Set from elsewhere, it stops the race where a later start of it goes on.
    pub stop: Arc<AtomicBool>,
}

/// What a network came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RaceResult {
    /// What it is called.
    pub name: String,
    /// Steps that it was trained for.
    pub steps: usize,
    /// How often it saw the training images.
    pub epochs: f64,
    /// Minutes of training here.
    pub minutes: f64,
    /// Training images a second.
    pub images_per_s: f64,
    /// A fraction, of the validation images at the end.
    pub validation_accuracy: f64,
    /// A fraction, of the split that the config measures.
    pub accuracy: f64,
    /// The ends of its 95 % interval.
    pub accuracy_interval: [f64; 2],
    /// That split.
    pub split: SplitName,
    /// The most memory that the process held, in bytes, where the system says.
    pub peak_memory: Option<u64>,
    /// SHA-256 of all results.
    pub digest: String,
    /// Its weights.
    pub model: PathBuf,
}

/// A network whose config was checked.
struct Racer {
    name: String,
    config: PathBuf,
    run_dir: PathBuf,
    settings: Vec<String>,
}

/// Trains every network, one after the other, and leaves those that are finished as they are.
///
/// # Errors
/// If a config is invalid: nothing is trained then. If an experiment fails or is interrupted: the same race goes on from there.
pub fn race(plan: &RacePlan) -> Result<Vec<RaceResult>, ExperimentError> {
    Ok(raced(plan)?)
}

fn raced(plan: &RacePlan) -> Result<Vec<RaceResult>> {
    let settings: Vec<Vec<String>> =
        plan.networks.iter().map(|(name, text)| settings(name, text, plan.time)).collect::<Result<_>>()?;
    let _claim = OutputDir::claim(&plan.folder, "race")?;
    let children = Children::until(Arc::clone(&plan.stop));
    let mut results = Vec::new();
    for (number, ((name, text), settings)) in plan.networks.iter().zip(settings).enumerate() {
        let place = folder_name(name);
        let config = plan.folder.join(format!("{place}.toml"));
        write_atomically(&config, text.as_bytes()).with_context(|| format!("failed to write {}", config.display()))?;
        info!("{name} ({} of {})", number + 1, plan.networks.len());
        let racer = Racer { name: name.clone(), config, run_dir: plan.folder.join(place), settings };
        racer.run(plan, &children)?;
        results.push(racer.result()?);
    }
    Ok(results)
}

/// What a race changes of a config.
fn settings(name: &str, text: &str, time: Duration) -> Result<Vec<String>> {
    let experiment = Experiment::from_text(name, text, &[UNEXPLAINED.to_owned()])?;
    let Some(steps) = experiment.config().train.steps else {
        return Err(UsageError(format!("the config of {name} has no train.steps, by which networks race")).into());
    };
    let share = time.as_secs_f64() / WHOLE.as_secs_f64();
    let steps = (steps as f64 * share).round().max(1.0) as usize;
    // the warm-up of the config would be most of a short race, and a longer race needs no longer one
    let warmup = experiment.config().train.schedule.warmup_epochs * share.min(1.0);
    Ok(vec![format!("train.steps={steps}"), format!("train.schedule.warmup_epochs={warmup:?}"), UNEXPLAINED.to_owned()])
}

/// A name that every file system takes.
fn folder_name(name: &str) -> String {
    let kept = |letter: char| if letter.is_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let dashed: String = name.chars().map(kept).collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

impl Racer {
    fn run(&self, plan: &RacePlan, children: &Children) -> Result<()> {
        let experiment = ChildExperiment {
            program: &plan.program,
            config: &self.config,
            run_dir: &self.run_dir,
            data_dir: plan.data_dir.as_deref(),
            is_resumed: holds_run(&self.run_dir),
            settings: &self.settings,
        };
        let succeeded = children.run(experiment.command())?;
        if children.is_interrupted() {
            return Err(Interruption("interrupted; the same command resumes the race".to_owned()).into());
        }
        if !succeeded {
            bail!("{} did not finish; the same command goes on from there", self.name);
        }
        Ok(())
    }

    fn result(&self) -> Result<RaceResult> {
        let FinishedRun { config, manifest, evaluation, .. } = FinishedRun::read(&self.run_dir)?;
        let incomplete = || format!("the run in {} is not complete", self.run_dir.display());
        require_checksums(&self.run_dir, &manifest, &["metrics.jsonl"])?;
        let history: Vec<EpochRecord> = read_lines(&self.run_dir.join("metrics.jsonl"))?;
        let last = history.last().with_context(incomplete)?;
        let figures = manifest.figures.with_context(incomplete)?;
        let digests = manifest.digests.with_context(incomplete)?;
        let images = images_of_an_epoch(&config)?;
        Ok(RaceResult {
            name: self.name.clone(),
            steps: last.step,
            epochs: (last.step * config.train.batch_size) as f64 / images as f64,
            minutes: figures.training_seconds / 60.0,
            images_per_s: figures.images_per_second,
            validation_accuracy: last.validation_accuracy,
            accuracy: evaluation.accuracy,
            accuracy_interval: evaluation.accuracy_interval,
            split: evaluation.split,
            peak_memory: figures.peak_memory,
            digest: digests.all,
            model: self.run_dir.join("model.safetensors"),
        })
    }
}

fn images_of_an_epoch(config: &ExperimentConfig) -> Result<usize> {
    config.data.training_images().context("a race is on images whose number is known")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::COMPARED_CONFIGS;

    #[test]
    fn every_compared_config_is_valid_and_says_how_many_steps_it_races() {
        for (name, text) in COMPARED_CONFIGS {
            let whole = settings(name, text, WHOLE).unwrap();
            let steps = Experiment::from_text(name, text, &[]).unwrap().config().train.steps.unwrap();
            assert_eq!(whole[0], format!("train.steps={steps}"), "{name}");
            let short = settings(name, text, WHOLE / 10).unwrap();
            assert_eq!(short[0], format!("train.steps={}", (steps as f64 / 10.0).round()), "{name}");
            let warmup = |settings: &[String]| {
                let experiment = Experiment::from_text(name, text, settings).unwrap();
                experiment.config().train.schedule.warmup_epochs
            };
            assert!(warmup(&whole) > 0.0 && (warmup(&short) - warmup(&whole) / 10.0).abs() < 1e-12, "{name}");
        }
        let error = settings("base", crate::BASE_CONFIG, WHOLE).unwrap_err().to_string();
        assert!(error.contains("no train.steps"), "{error}");
    }

    #[test]
    fn times_are_minutes_or_seconds() {
        assert_eq!(time("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "m", "2", "2h", "-1m", "1.5m", "0s", "99999m", "18446744073709551615m", "zwei", "2µ"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_of_networks_become_names_of_folders() {
        let names = COMPARED_CONFIGS.map(|(name, _)| folder_name(name));
        assert_eq!(names[0], "tinycnn-lsa");
        assert_eq!(names[3], "vit-tiny-4");
        assert!(names.iter().enumerate().all(|(place, name)| !names[..place].contains(name)));
    }
}
