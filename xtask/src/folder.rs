//! A run's folder: where it is, and what is in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tinylsa_data::{DatasetName, FileChecksum};
use tinylsa_system::{sha256_hex, write_atomically};
use tinylsa_train::EpochRecord;

use crate::machine::Machine;
use crate::outcome::UsageError;
use crate::schema::RunSection;

/// `manifest.json`: what was run, on what, where, and what came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    /// "running", "interrupted" or "finished".
    pub(crate) status: Status,
    /// Version of this workspace.
    pub(crate) tinylsa: String,
    /// Version of burn.
    pub(crate) burn: String,
    /// Revision of the working tree at the start, `+` behind it if files differ.
    pub(crate) git_revision: Option<String>,
    pub(crate) dataset: DatasetName,
    /// Why the dataset is not the one that was asked for, if it is not.
    pub(crate) substitution: Option<String>,
    pub(crate) checksums: Vec<FileChecksum>,
    /// The model files that were learnt from.
    pub(crate) teachers: Vec<FileChecksum>,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    pub(crate) machine: Machine,
    pub(crate) parameters: usize,
    pub(crate) macs: usize,
    /// When the run was started.
    pub(crate) started: String,
    /// What `--resume` went on with it, in order.
    pub(crate) continuations: Vec<Continuation>,
    /// Figures of the finished run.
    pub(crate) figures: Option<RunFigures>,
    /// SHA-256 of the results, which the same config, seed and machine give again.
    pub(crate) digests: Option<Digests>,
}

/// One `--resume` of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Continuation {
    pub(crate) started: String,
    /// As in the [`Manifest`].
    pub(crate) git_revision: Option<String>,
}

/// How far a run got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    Running,
    Interrupted,
    Finished,
}

/// What a finished run took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunFigures {
    pub(crate) finished: String,
    /// Seconds of training, validation included, over all continuations.
    pub(crate) training_seconds: f64,
    /// Seconds from the start, or the last continuation, to the end.
    pub(crate) wall_seconds: f64,
    /// Training pictures a second, the median over the epochs.
    pub(crate) images_per_second: f64,
    /// The largest amount of memory that the process held, in bytes, where the system says.
    pub(crate) peak_memory: Option<u64>,
    /// Seconds of explaining and scoring.
    #[serde(default)]
    pub(crate) explanation_seconds: Option<f64>,
    pub(crate) kept_epoch: usize,
    /// On the split that the config measures on, a fraction.
    pub(crate) accuracy: f64,
}

/// SHA-256 of each result, and of all together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digests {
    /// `model.safetensors` without the record of what was held out, so that the digest is of what was computed.
    pub(crate) model: String,
    /// `evaluation.json`
    pub(crate) evaluation: String,
    /// `metrics.jsonl` without times and memory.
    pub(crate) metrics: String,
    /// The maps of every explained picture, and their scores; nothing if nothing was explained.
    #[serde(default)]
    pub(crate) explanations: Option<String>,
    /// All of these.
    pub(crate) all: String,
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

/// A line of JSON for each epoch.
pub(crate) fn metrics_lines(history: &[EpochRecord]) -> Result<String> {
    let lines = history.iter().map(serde_json::to_string).collect::<Result<Vec<String>, _>>()?;
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}

/// Where the parts of a run are.
#[derive(Clone, Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The folder of a new run, which [`RunFolder::make`] is to make. `out`, if given, must hold no run yet; else the
    /// run's name, with a number behind it if that is taken.
    ///
    /// # Errors
    /// [`UsageError`] if `out` holds a run.
    pub(crate) fn free(section: &RunSection, out: Option<&Path>) -> Result<Self> {
        let path = match out {
            Some(out) if holds_run(out) => {
                return Err(UsageError(format!(
                    "{} holds a run already; pass --resume to go on with it, or another --out",
                    out.display()
                ))
                .into());
            }
            Some(out) => out.to_owned(),
            None => free_name(section),
        };
        Ok(Self { path })
    }

    /// Makes the folder and those in it, if they are not there.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn make(&self) -> Result<()> {
        for part in [self.checkpoints(), self.figures(), self.explanations()] {
            std::fs::create_dir_all(&part).with_context(|| format!("failed to create {}", part.display()))?;
        }
        Ok(())
    }

    /// The folder of the run to go on with: `out`, or the last one of the run's name.
    ///
    /// # Errors
    /// [`UsageError`] if there is none.
    pub(crate) fn find(section: &RunSection, out: Option<&Path>) -> Result<Self> {
        let path = match out {
            Some(out) => Some(out.to_owned()).filter(|out| holds_run(out)),
            None => numbered(section).take_while(|path| holds_run(path)).last(),
        };
        let missing = || {
            let place = out.map_or_else(|| section.directory.join(&section.name), Path::to_owned);
            UsageError(format!("there is no run to resume in {}; leave --resume out to start one", place.display()))
        };
        Ok(Self { path: path.ok_or_else(missing)? })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the folder's manifest says.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn manifest(&self) -> Result<Manifest> {
        read_json(&self.path.join("manifest.json"))
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    pub(crate) fn figures(&self) -> PathBuf {
        self.path.join("figures")
    }

    pub(crate) fn explanations(&self) -> PathBuf {
        self.path.join("explanations")
    }

    /// Writes a part of the folder, whole or not at all.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        write_atomically(&path, bytes).with_context(|| format!("failed to write {}", path.display()))
    }

    /// Writes a part of the folder as JSON for people, and returns its bytes.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(value)?;
        bytes.push(b'\n');
        self.write(name, &bytes)?;
        Ok(bytes)
    }
}

/// Reads a file that a run wrote.
///
/// # Errors
/// If the file is missing or damaged.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not what a run writes", path.display()))
}

fn holds_run(path: &Path) -> bool {
    path.join("manifest.json").is_file()
}

/// The run's name, then the name with 2, 3 and so on behind it.
fn numbered(section: &RunSection) -> impl Iterator<Item = PathBuf> {
    let first = section.directory.join(&section.name);
    let others = (2_u64..).map(|number| section.directory.join(format!("{}-{number}", section.name)));
    std::iter::once(first).chain(others)
}

fn free_name(section: &RunSection) -> PathBuf {
    let free = numbered(section).find(|path| !path.exists());
    free.unwrap_or_else(|| section.directory.join(&section.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(directory: &Path) -> RunSection {
        RunSection { name: "trial".to_owned(), directory: directory.to_owned(), seed: 0 }
    }

    #[test]
    fn a_second_run_gets_a_folder_of_its_own_and_the_last_is_resumed() {
        let directory = tempfile::tempdir().unwrap();
        let section = section(directory.path());
        assert!(RunFolder::find(&section, None).is_err());
        for name in ["trial", "trial-2", "trial-3"] {
            let folder = RunFolder::free(&section, None).unwrap();
            folder.make().unwrap();
            assert_eq!(folder.path(), directory.path().join(name));
            folder.write("manifest.json", b"{}").unwrap();
            assert_eq!(RunFolder::find(&section, None).unwrap().path(), folder.path());
        }
    }

    #[test]
    fn a_run_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let section = section(directory.path());
        let out = directory.path().join("chosen");
        let folder = RunFolder::free(&section, Some(&out)).unwrap();
        folder.make().unwrap();
        folder.write("manifest.json", b"{}").unwrap();
        let error = RunFolder::free(&section, Some(&out)).unwrap_err();
        assert!(error.to_string().contains("pass --resume"), "{error}");
        assert_eq!(RunFolder::find(&section, Some(&out)).unwrap().path(), out);
    }
}
