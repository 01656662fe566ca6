use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tinylsa_data::{DatasetName, FileChecksum};
use tinylsa_system::{OutputDir, sha256_hex};
use tinylsa_train::EpochRecord;

use crate::error::ExperimentError;
use crate::machine::Machine;

/// The name of a run's manifest in its directory.
pub(crate) const MANIFEST: &str = "manifest.json";

/// `manifest.json`: what was run, on what, where, and what came out. It is written last, and carries its own checksum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The run's name in its config.
    pub name: String,
    /// "running", "interrupted", "failed" or "finished".
    pub status: Status,
    /// Why the run failed, if it did.
    pub failure: Option<String>,
    /// SHA-256 of everything that decides the result: the resolved config and what it rests on.
    pub experiment: String,
    /// Version of this workspace.
    pub tinylsa: String,
    /// Version of burn.
    pub burn: String,
    /// Revision of the working tree at the start, `+` behind it if files differ.
    pub git_revision: Option<String>,
    /// The instruction set of the kernels, which `TINYLSA_SIMD` chooses.
    pub instruction_set: String,
    /// The images that the run was made with.
    pub dataset: DatasetName,
    /// Why the dataset is not the one that was asked for, if it is not.
    pub substitution: Option<String>,
    /// Of the published files; empty for images that are drawn.
    pub checksums: Vec<FileChecksum>,
    /// The model files that taught the network.
    pub teachers: Vec<FileChecksum>,
    /// The model file whose weights the training began with, if they were not drawn.
    pub initial_weights: Option<FileChecksum>,
    /// Seed of everything that is random.
    pub seed: u64,
    /// Threads that the run used, which change no bit of it.
    pub threads: usize,
    /// Where it ran.
    pub machine: Machine,
    /// Trained numbers of the network.
    pub parameters: usize,
    /// Multiply-accumulate operations of one image.
    pub macs: usize,
    /// When the run was started.
    pub started: String,
    /// Every `--resume` of the run, in order.
    pub continuations: Vec<Continuation>,
    /// Figures of the finished run.
    pub figures: Option<RunFigures>,
    /// SHA-256 of the results, which the same config, seed and machine give again.
    pub digests: Option<Digests>,
    /// The explained images, in the order in which the digest of the explanations takes them.
    pub explained: Vec<String>,
    /// SHA-256 of every other file of the finished run by its path.
    pub files: BTreeMap<String, String>,
    /// SHA-256 of this file with nothing in this place.
    pub sha256: String,
}

/// One `--resume` of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation {
    /// When it was started.
    pub started: String,
    /// As in the [`Manifest`].
    pub git_revision: Option<String>,
}

/// How far a run got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It runs, or it was killed.
    Running,
    /// It was interrupted and can be resumed.
    Interrupted,
    /// It ended with an error, which the manifest holds.
    Failed,
    /// Its directory is complete.
    Finished,
}

/// What a finished run took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFigures {
    /// When the run was finished.
    pub finished: String,
    /// Seconds of training, validation included, over all continuations.
    pub training_seconds: f64,
    /// Seconds from the start, or the last continuation, to the end.
    pub wall_seconds: f64,
    /// Training images a second, the median over the epochs.
    pub images_per_second: f64,
    /// The largest amount of memory that the process held, in bytes, where the system says.
    pub peak_memory: Option<u64>,
    /// Seconds of explaining and scoring.
    #[serde(default)]
    pub explanation_seconds: Option<f64>,
    /// The epoch whose weights were kept, the first is 1.
    pub kept_epoch: usize,
    /// On the split that the config measures on, a fraction.
    pub accuracy: f64,
}

/// SHA-256 of each result, and of all together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// `model.safetensors`
    pub model: String,
    /// `evaluation.json`
    pub evaluation: String,
    /// `metrics.jsonl` without times and memory.
    pub metrics: String,
    /// The maps of every explained image, and their scores; nothing if nothing was explained.
    #[serde(default)]
    pub explanations: Option<String>,
    /// All of these.
    pub all: String,
}

impl Digests {
    pub(crate) fn new(
        model: &[u8],
        evaluation: &[u8],
        history: &[EpochRecord],
        explanations: Option<String>,
    ) -> Result<Self> {
        let timeless = |record: &EpochRecord| EpochRecord {
            images_per_second: 0.0,
            seconds: 0.0,
            peak_memory: None,
            ..record.clone()
        };
        let history: Vec<EpochRecord> = history.iter().map(timeless).collect();
        let (model, evaluation) = (sha256_hex(model), sha256_hex(evaluation));
        let metrics = sha256_hex(metrics_lines(&history)?.as_bytes());
        let explained = explanations.as_deref().unwrap_or("nothing");
        let all = sha256_hex(format!("{model} {evaluation} {metrics} {explained}").as_bytes());
        Ok(Self { model, evaluation, metrics, explanations, all })
    }
}

impl Manifest {
    /// Reads the manifest of a run directory.
    ///
    /// # Errors
    /// If it cannot be read, or was changed after it was written.
    pub fn read(run_dir: &Path) -> Result<Self, ExperimentError> {
        Ok(Self::read_sealed(run_dir)?)
    }

    fn read_sealed(run_dir: &Path) -> Result<Self> {
        let path = run_dir.join(MANIFEST);
        // read once: the run may replace it at any moment
        let bytes = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let manifest: Self =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is not what a run writes", path.display()))?;
        if bytes != manifest.to_bytes()? {
            bail!("{} is damaged or was edited: its contents are not those of the SHA-256 in it", path.display());
        }
        Ok(manifest)
    }

    /// The bytes of the file, with their checksum.
    ///
    /// # Errors
    /// If a number has no form in JSON.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let sealed = Self { sha256: self.checksum()?, ..self.clone() };
        Ok(pretty(&sealed)?)
    }

    fn checksum(&self) -> Result<String> {
        let unsealed = Self { sha256: String::new(), ..self.clone() };
        Ok(sha256_hex(&pretty(&unsealed)?))
    }

    /// How the run in `run_dir` ended, or that it did not, to complete a sentence like "the run in runs/base". A run
    /// whose process was killed says "running", but nobody holds its lock.
    pub fn state(&self, run_dir: &Path) -> String {
        match (self.status, &self.failure) {
            (Status::Finished, _) => "is finished".to_owned(),
            (Status::Interrupted, _) => "was interrupted and can be resumed".to_owned(),
            (Status::Failed, Some(reason)) => format!("failed: {reason}"),
            (Status::Failed, None) => "failed".to_owned(),
            (Status::Running, _) if OutputDir::is_in_use(run_dir) => "is still running".to_owned(),
            (Status::Running, _) => "was killed and can be resumed".to_owned(),
        }
    }
}

fn pretty(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A line of JSON for each epoch.
pub(crate) fn metrics_lines(history: &[EpochRecord]) -> Result<String> {
    let lines = history.iter().map(serde_json::to_string).collect::<Result<Vec<String>, _>>()?;
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn manifest(status: Status) -> Manifest {
        Manifest {
            name: "trial".to_owned(),
            status,
            failure: None,
            experiment: "digest".to_owned(),
            tinylsa: "0.1.0".to_owned(),
            burn: "0.22.1".to_owned(),
            git_revision: None,
            instruction_set: "portable".to_owned(),
            dataset: DatasetName::SYNTHETIC_GARMENTS,
            substitution: None,
            checksums: Vec::new(),
            teachers: Vec::new(),
            initial_weights: None,
            seed: 0,
            threads: 1,
            machine: Machine::here(),
            parameters: 10,
            macs: 100,
            started: "2026-01-01T00:00:00Z".to_owned(),
            continuations: Vec::new(),
            figures: Some(RunFigures {
                finished: "2026-01-01T00:00:01Z".to_owned(),
                training_seconds: 0.1 + 0.2,
                wall_seconds: 1e-7,
                images_per_second: 1.0 / 3.0,
                peak_memory: Some(1 << 40),
                explanation_seconds: None,
                kept_epoch: 1,
                accuracy: 0.943_1,
            }),
            digests: None,
            explained: Vec::new(),
            files: BTreeMap::from([("config.toml".to_owned(), sha256_hex(b""))]),
            sha256: String::new(),
        }
    }

    #[test]
    fn a_manifest_comes_back_and_a_changed_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(MANIFEST);
        let written = manifest(Status::Finished);
        let bytes = written.to_bytes().unwrap();
        fs::write(&path, &bytes).unwrap();
        let read = Manifest::read(dir.path()).unwrap();
        assert_eq!(Manifest { sha256: String::new(), ..read }, written);
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << (place % 8);
            fs::write(&path, changed).unwrap();
            assert!(Manifest::read(dir.path()).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_killed_run_is_told_from_a_running_one() {
        let dir = tempfile::tempdir().unwrap();
        let running = manifest(Status::Running);
        assert_eq!(running.state(dir.path()), "was killed and can be resumed");
        let claim = OutputDir::claim(dir.path(), "run").unwrap();
        assert_eq!(running.state(dir.path()), "is still running");
        drop(claim);
        assert_eq!(running.state(dir.path()), "was killed and can be resumed");
        let failed = Manifest { failure: Some("the disk is full".to_owned()), ..manifest(Status::Failed) };
        assert_eq!(failed.state(dir.path()), "failed: the disk is full");
    }
}
