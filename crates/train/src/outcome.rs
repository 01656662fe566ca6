use std::path::PathBuf;

use crate::checkpoint::EpochRecord;

/// How a training run ended.
#[derive(Debug)]
pub enum TrainingOutcome<M> {
    /// All epochs are done, or the patience is at its end.
    Finished(Box<Trained<M>>),
    /// A stop was requested; `checkpoint` is what to resume from.
    Interrupted {
        /// The checkpoint that was written.
        checkpoint: PathBuf,
        /// Epochs that are finished.
        epochs: usize,
        /// Steps that are finished.
        steps: usize,
    },
}

/// The result of a training run.
#[derive(Debug)]
pub struct Trained<M> {
    /// The network with the averaged weights of the epoch that was kept.
    pub model: M,
    /// That epoch, counted from 1.
    pub kept_epoch: usize,
    /// One entry an epoch.
    pub history: Vec<EpochRecord>,
}
