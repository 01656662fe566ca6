//! `plan.json`: everything that the trials of a sweep are made with, in the directory of the sweep.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tinylsa_data::{DatasetName, FileChecksum};
use tinylsa_settings::UsageError;
use tinylsa_settings::config::{ConfigError, ConfigSource};
use tinylsa_system::write_atomically;
use tinylsa_train::BURN_VERSION;

use crate::error::ExperimentError;
use crate::folder::{Basis, read_json};
use crate::prepare::Experiment;
use crate::sweep::Trial;

/// The name of the plan in the directory of a sweep.
const PLAN: &str = "plan.json";

/// The plan of a sweep. Whoever has the directory can run any of its trials, by its number in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenPlan {
    /// When it was made.
    pub planned: String,
    /// Version of this workspace.
    pub tinylsa: String,
    /// Version of burn.
    pub burn: String,
    /// Revision of the working tree, `+` behind it if files differ.
    pub git_revision: Option<String>,
    /// The instruction set of the machine that the plan was made on. The digests of the trials are of it.
    pub instruction_set: String,
    /// The config that all trials change.
    pub config: FrozenConfig,
    /// Where the files of the images are, instead of what the config says.
    pub data_dir: Option<PathBuf>,
    /// The images of the trials.
    pub data: Vec<FrozenData>,
    /// The name of the variant that all others are compared with.
    pub control: Option<String>,
    /// Every trial, in the order of their numbers from 0.
    pub trials: Vec<FrozenTrial>,
}

/// A config as it was when the sweep was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenConfig {
    /// The name under which errors speak of it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Images that trials are made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenData {
    /// Their data set.
    pub dataset: DatasetName,
    /// Of the published files; empty for images that are drawn.
    pub checksums: Vec<FileChecksum>,
}

/// A trial, and the digest of everything that decides its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenTrial {
    /// The name of the variant.
    pub variant: String,
    /// The seed of the run.
    pub seed: u64,
    /// Every change to the config, as `--set` takes them.
    pub settings: Vec<String>,
    /// As `experiment` in the manifest of a run on the plan's instruction set.
    pub experiment: String,
}

impl FrozenTrial {
    /// The name of its directory.
    pub fn name(&self) -> String {
        Trial::directory_name(&self.variant, self.seed)
    }
}

impl FrozenPlan {
    /// Reads the plan in the directory of a sweep.
    ///
    /// # Errors
    /// [`UsageError`] if there is none; if it is damaged.
    pub fn read(folder: &Path) -> Result<Self, ExperimentError> {
        Ok(Self::read_from(folder)?)
    }

    fn read_from(folder: &Path) -> Result<Self> {
        let path = folder.join(PLAN);
        if !path.is_file() {
            let text = format!(
                "{} has no {PLAN}, expected the directory of a sweep that was planned (`sweep FILE --plan --out DIR`)",
                folder.display()
            );
            return Err(UsageError(text).into());
        }
        read_json(&path)
    }

    /// The plan in a directory; nothing if there is none.
    pub(super) fn existing(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(PLAN);
        path.is_file().then(|| read_json(&path)).transpose()
    }

    /// Writes the plan into the directory of its sweep.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(PLAN);
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        write_atomically(&path, &bytes).with_context(|| format!("failed to write {}", path.display()))
    }

    /// The trial of this number.
    ///
    /// # Errors
    /// [`UsageError`] if there is none.
    pub fn trial(&self, index: usize) -> Result<&FrozenTrial, UsageError> {
        let last = self.trials.len().saturating_sub(1);
        self.trials.get(index).ok_or_else(|| {
            UsageError(format!("there is no trial {index}: the plan has {}, 0 to {last}", self.trials.len()))
        })
    }

    /// The experiment of a trial, with settings over its own that change no bit of it.
    pub(super) fn experiment(&self, trial: &FrozenTrial, more: Option<String>) -> Result<Experiment, ConfigError> {
        let source = ConfigSource::new(&self.config.name, &self.config.text);
        Experiment::load(source, trial.settings.iter().cloned().chain(more).collect())
    }

    /// What a trial rests on here and not in the plan, in words, apart from the instruction set.
    pub(super) fn differences(&self, here: &Basis) -> String {
        let versions = [("tinylsa", &self.tinylsa, here.tinylsa.as_str()), ("burn", &self.burn, BURN_VERSION)];
        let versions = versions
            .into_iter()
            .filter(|(_, planned, here)| planned != here)
            .map(|(name, planned, here)| format!("{name} is {planned} there and {here} here"));
        let has_images = self.data.iter().any(|data| data.dataset == here.dataset && data.checksums == here.checksums);
        let images = (!has_images).then(|| format!("the images of {} have other checksums", here.dataset));
        let found: Vec<String> = versions.chain(images).collect();
        if found.is_empty() { "teachers or initial weights are others".to_owned() } else { found.join(", ") }
    }
}
