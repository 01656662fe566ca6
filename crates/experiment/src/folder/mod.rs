//! A run's directory: where it is, who may write there, and what is in it.

mod identity;
mod json;
mod manifest;
mod resume;
mod verify;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use tinylsa_system::{ClaimError, OutputDir, remove_leftovers, write_atomically};
use tinylsa_train::{BEST_CHECKPOINT, LAST_CHECKPOINT};

pub(crate) use identity::{Basis, Identity};
pub(crate) use json::{read_json, read_lines};
#[cfg(test)]
pub(crate) use manifest::tests;
pub use manifest::{Continuation, Digests, Manifest, RunFigures, Status};
pub(crate) use manifest::{MANIFEST, metrics_lines};
pub(crate) use resume::{ExistingRun, existing_run};
pub use verify::problems;
pub(crate) use verify::{checksums, require_checksums};

use crate::schema::RunSection;
use tinylsa_settings::UsageError;

/// The kind of output that a run's directory is marked with.
const KIND: &str = "run";
const CHECKPOINTS: &str = "checkpoints";
const FIGURES: &str = "figures";
const EXPLANATIONS: &str = "explanations";
/// What an earlier start of an unfinished run may have left beside its checkpoints; all of it is written again.
const RESULTS: [&str; 4] = ["metrics.jsonl", "model.safetensors", "evaluation.json", "report.html"];

/// The directory of a run, which this process alone writes to.
#[derive(Debug)]
pub(crate) struct RunFolder {
    output: OutputDir,
}

impl RunFolder {
    /// Claims the directory of a new run: `out`, if given, which must hold nothing yet; else the run's name, with a
    /// number behind it if that is taken.
    ///
    /// # Errors
    /// [`UsageError`] if `out` holds a run; [`ClaimError`] if it holds anything else or another process uses it.
    pub(crate) fn claim_new(section: &RunSection, out: Option<&Path>) -> Result<Self> {
        if let Some(out) = out {
            require_no_run(out)?;
            let claimed = Self::claim(out)?;
            // Another process may have made a whole run there since.
            require_no_run(out)?;
            return Ok(claimed);
        }
        for path in numbered(section).filter(|path| !path.exists()) {
            match OutputDir::claim(&path, KIND) {
                Ok(output) if !holds_run(&path) => return Ok(Self { output }),
                // Another process was quicker.
                Ok(_) | Err(ClaimError::InUse { .. } | ClaimError::NotOurs { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(UsageError(format!("{} has no free name for the run", section.directory.display())).into())
    }

    /// Claims a directory, so that no other process writes there.
    ///
    /// # Errors
    /// [`ClaimError`] says what it holds or who uses it; nothing in it is changed then.
    pub(crate) fn claim(path: &Path) -> Result<Self> {
        Ok(Self { output: OutputDir::claim(path, KIND)? })
    }

    /// Removes what an earlier start of the run left besides its checkpoints, and makes the directories for what this
    /// one writes.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn prepare(&self) -> Result<()> {
        for name in RESULTS {
            ignore_absence(fs::remove_file(self.path().join(name)), name)?;
        }
        for dir in [self.figures(), self.explanations()] {
            ignore_absence(fs::remove_dir_all(&dir), &dir.display().to_string())?;
        }
        for dir in [self.checkpoints(), self.figures(), self.explanations()] {
            fs::create_dir_all(&dir).with_context(|| format!("failed to create {}", dir.display()))?;
        }
        let checkpoints = self.checkpoints();
        remove_leftovers(&checkpoints).map(drop).with_context(|| format!("failed to clean {}", checkpoints.display()))
    }

    pub(crate) fn path(&self) -> &Path {
        self.output.path()
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.path().join(CHECKPOINTS)
    }

    pub(crate) fn figures(&self) -> PathBuf {
        self.path().join(FIGURES)
    }

    pub(crate) fn explanations(&self) -> PathBuf {
        self.path().join(EXPLANATIONS)
    }

    /// Writes a part of the directory, whole or not at all.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path().join(name);
        write_atomically(&path, bytes).with_context(|| format!("failed to write {}", path.display()))
    }

    /// Writes a part of the directory as JSON for people, and returns its bytes.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(value)?;
        bytes.push(b'\n');
        self.write(name, &bytes)?;
        Ok(bytes)
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.write(MANIFEST, &manifest.to_bytes()?)
    }
}

/// Whether a directory has a run's manifest.
pub(crate) fn holds_run(path: &Path) -> bool {
    path.join(MANIFEST).is_file()
}

/// Whether a directory has checkpoints of a run.
pub(crate) fn holds_checkpoints(path: &Path) -> bool {
    [LAST_CHECKPOINT, BEST_CHECKPOINT].iter().any(|name| path.join(CHECKPOINTS).join(name).is_file())
}

fn require_no_run(out: &Path) -> Result<()> {
    if !holds_run(out) && !holds_checkpoints(out) {
        return Ok(());
    }
    let refusal = format!("{} holds a run already; pass --resume to resume it, or choose another --out", out.display());
    Err(UsageError(refusal).into())
}

fn ignore_absence(result: std::io::Result<()>, name: &str) -> Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {name} of the earlier start"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The run's name, then the name with 2, 3 and so on behind it.
fn numbered(section: &RunSection) -> impl Iterator<Item = PathBuf> {
    let first = section.directory.join(&section.name);
    let others = (2_u64..).map(|number| section.directory.join(format!("{}-{number}", section.name)));
    std::iter::once(first).chain(others)
}

#[cfg(test)]
mod directory_tests {
    use super::*;

    fn section(directory: &Path) -> RunSection {
        RunSection { name: "trial".to_owned(), directory: directory.to_owned(), seed: 0, tensorboard: false }
    }

    #[test]
    fn every_new_run_gets_a_directory_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let section = section(directory.path());
        let mut claimed = Vec::new();
        for name in ["trial", "trial-2", "trial-3"] {
            // The first ones are still in use and have no manifest yet.
            let folder = RunFolder::claim_new(&section, None).unwrap();
            assert_eq!(folder.path(), directory.path().join(name));
            claimed.push(folder);
        }
    }

    #[test]
    fn a_run_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let section = section(directory.path());
        let out = directory.path().join("chosen");
        let folder = RunFolder::claim_new(&section, Some(&out)).unwrap();
        assert!(RunFolder::claim_new(&section, Some(&out)).unwrap_err().to_string().contains("in use"));
        folder.write(MANIFEST, b"{}").unwrap();
        drop(folder);
        let error = RunFolder::claim_new(&section, Some(&out)).unwrap_err();
        assert!(error.to_string().contains("pass --resume"), "{error}");
        assert!(error.is::<UsageError>());
    }

    #[test]
    fn a_directory_of_other_files_is_refused_and_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("config.toml"), b"mine").unwrap();
        let error = RunFolder::claim_new(&section(directory.path()), Some(directory.path())).unwrap_err();
        assert!(error.to_string().contains("holds other files, such as config.toml"), "{error}");
        assert_eq!(fs::read(directory.path().join("config.toml")).unwrap(), b"mine");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_an_earlier_start_left_is_removed_and_what_others_put_there_stays() {
        let directory = tempfile::tempdir().unwrap();
        let folder = RunFolder::claim(&directory.path().join("run")).unwrap();
        folder.prepare().unwrap();
        let (stale, kept) = (
            ["model.safetensors", "figures/old.svg", "checkpoints/.tinylsa-x.part"],
            ["checkpoints/last.safetensors", "notes.txt"],
        );
        for name in stale.iter().chain(&kept) {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        folder.prepare().unwrap();
        for name in stale {
            assert!(!folder.path().join(name).exists(), "{name}");
        }
        for name in kept {
            assert!(folder.path().join(name).exists(), "{name}");
        }
    }
}
