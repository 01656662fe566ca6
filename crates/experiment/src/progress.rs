//! What an experiment tells while it runs.

use std::path::Path;

use tinylsa_explain::{ExplainProgress, MethodId};
use tinylsa_model::Cost;
use tinylsa_train::{EpochRecord, Progress};

/// Watches an experiment: its training, its explanations, and what is known before the first of them.
pub trait RunProgress: Progress + ExplainProgress {
    /// The run directory is claimed, and the training comes next.
    fn run_started(&mut self, _run: &StartedRun<'_>) {}
}

/// A run that is about to train.
#[derive(Clone, Copy, Debug)]
pub struct StartedRun<'a> {
    /// The run directory.
    pub path: &'a Path,
    /// What the network costs, layer by layer.
    pub cost: &'a Cost,
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl RunProgress for Unwatched {}

impl Progress for Unwatched {
    fn epoch_started(&mut self, _epoch: usize, _epochs: usize, _images: usize) {}

    fn step_done(&mut self, _images: usize, _loss: f64, _accuracy: f64) {}

    fn epoch_finished(&mut self, _record: &EpochRecord, _best: bool) {}

    fn checkpoint_written(&mut self, _path: &Path) {}
}

impl ExplainProgress for Unwatched {
    fn started(&mut self, _explanations: usize) {}

    fn explained(&mut self, _image: &str, _method: MethodId) {}
}
