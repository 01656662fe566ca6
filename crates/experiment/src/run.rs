//! What a run is asked for, and what it leaves.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tinylsa_explain::scores::ScoreTable;

use crate::evaluation::EvaluationReport;
use crate::folder::Manifest;
use crate::schema::ExperimentConfig;

/// What an experiment is asked for besides its config.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Where the files of the images are, instead of what the config says.
    pub data_dir: Option<PathBuf>,
    /// The run directory, instead of one named by the config.
    pub out: Option<PathBuf>,
    /// Resume a run that was interrupted.
    pub resume: bool,
    /// Fail if the images are not available, instead of taking synthetic ones.
    pub strict: bool,
    /// Set from elsewhere, it ends the run at the next step with [`ExperimentError::Interrupted`](crate::ExperimentError::Interrupted), where
    /// [`resume`](Self::resume) continues.
    pub stop: Arc<AtomicBool>,
}

/// A run whose directory is complete.
#[derive(Clone, Debug)]
pub struct CompletedRun {
    /// The run directory.
    pub path: PathBuf,
    /// What `config.toml` holds.
    pub config: ExperimentConfig,
    /// What `manifest.json` holds.
    pub manifest: Manifest,
    /// What `evaluation.json` holds.
    pub evaluation: EvaluationReport,
    /// How the explanations scored, as `explanations/scores.json` holds it; none if nothing was scored.
    pub scores: Option<ScoreTable>,
    /// Whether the run was finished before, so that nothing was done.
    pub was_finished: bool,
}

impl CompletedRun {
    /// The page of the run.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }
}
