//! What a training run can be resumed from.

use std::path::Path;

use tinylsa_model::ModelConfig;

use crate::checkpoint::{
    BEST_CHECKPOINT, CheckpointError, CheckpointForm, Counters, EpochRecord, LAST_CHECKPOINT, SealedCheckpoint,
};
use crate::error::{Rescue, TrainError};
use crate::plan::TrainingPlan;

/// What to do without the last checkpoint: the best one is a whole checkpoint of an earlier epoch.
pub(crate) fn without_last<C: ModelConfig>(
    plan: &TrainingPlan<C>,
    form: &CheckpointForm,
    error: TrainError,
) -> TrainError {
    let is_absent = matches!(
        &error,
        TrainError::CheckpointFile { source, .. } if source.kind() == std::io::ErrorKind::NotFound
    );
    let is_damaged = matches!(&error, TrainError::Checkpoint { source, .. } if source.is_damage());
    if !is_absent && !is_damaged {
        return error;
    }
    let [best, last] = [BEST_CHECKPOINT, LAST_CHECKPOINT].map(|name| plan.checkpoints.join(name));
    let whole = form.read(&best).ok();
    let rescue = whole.map(|whole| Rescue { best, epoch: whole.checkpoint.counters.epoch, last });
    TrainError::NoLastCheckpoint { source: Box::new(error), rescue }
}

/// Refuses a best checkpoint that is not the one of the counters' history. One of the epoch that comes next is allowed:
/// it was written before a kill, and is written again when that epoch is finished again.
pub(crate) fn require_best<C: ModelConfig>(
    plan: &TrainingPlan<C>,
    form: &CheckpointForm,
    counters: &Counters,
) -> Result<(), TrainError> {
    if counters.history.is_empty() {
        return Ok(());
    }
    let path = plan.checkpoints.join(BEST_CHECKPOINT);
    let best = form.read(&path)?;
    let found = &best.checkpoint.counters;
    let is_next = found.epoch == counters.epoch + 1 && found.history[..counters.epoch] == counters.history[..];
    if is_next { Ok(()) } else { require_same(&path, &best, counters) }
}

pub(crate) fn require_same(path: &Path, best: &SealedCheckpoint, counters: &Counters) -> Result<(), TrainError> {
    let epoch = best_epoch(&counters.history).map_or(0, |best| best.epoch);
    let recorded = counters.best.clone().unwrap_or_else(|| "none".to_owned());
    let found = &best.checkpoint.counters;
    if found.epoch == epoch && found.batch == 0 && best.sha256 == recorded {
        return Ok(());
    }
    let found = format!("it is of epoch {} with SHA-256 {}", found.epoch, best.sha256);
    let source = CheckpointError::OtherBest { epoch, recorded, found };
    Err(TrainError::Checkpoint { path: path.to_owned(), source })
}

/// The epoch with the best validation accuracy; the first of several.
pub(crate) fn best_epoch(history: &[EpochRecord]) -> Option<&EpochRecord> {
    history.iter().reduce(|best, next| if next.validation_accuracy > best.validation_accuracy { next } else { best })
}
