//! A whole training run in one call.

use std::sync::atomic::AtomicBool;

use tinylsa_model::ModelConfig;

use crate::error::TrainError;
use crate::outcome::{Trained, TrainingOutcome};
use crate::plan::TrainingPlan;
use crate::progress::{Progress, Silent};
use crate::training::Training;

/// Trains from the initial weights: [`Training::start`] and [`Training::run`].
///
/// # Errors
/// As those two.
pub fn train<C: ModelConfig>(
    plan: &TrainingPlan<C>,
    stop: &AtomicBool,
    progress: &mut dyn Progress,
) -> Result<TrainingOutcome<C::Model>, TrainError> {
    Training::start(plan)?.run(stop, progress)
}

impl<C: ModelConfig> TrainingPlan<C> {
    /// Trains to the end, with nobody to watch or to stop it: the short form of [`train`].
    ///
    /// # Errors
    /// As [`train`].
    ///
    /// # Panics
    /// Never: nobody asks for a stop.
    pub fn run(&self) -> Result<Trained<C::Model>, TrainError> {
        Ok(finished(train(self, &AtomicBool::new(false), &mut Silent)?))
    }

    /// Resumes from the last checkpoint and trains to the end, with nobody to watch or to stop it: the short form of
    /// [`resume`].
    ///
    /// # Errors
    /// As [`resume`].
    ///
    /// # Panics
    /// Never: nobody asks for a stop.
    pub fn resume(&self) -> Result<Trained<C::Model>, TrainError> {
        Ok(finished(resume(self, &AtomicBool::new(false), &mut Silent)?))
    }
}

/// The result of a run that nobody asked to stop.
fn finished<M>(outcome: TrainingOutcome<M>) -> Trained<M> {
    match outcome {
        TrainingOutcome::Finished(trained) => *trained,
        TrainingOutcome::Interrupted { .. } => unreachable!("nobody asked for a stop"),
    }
}

/// Resumes from the last checkpoint, to the same bits as a training that was never interrupted: [`Training::resume`] and
/// [`Training::run`].
///
/// # Errors
/// As those two.
pub fn resume<C: ModelConfig>(
    plan: &TrainingPlan<C>,
    stop: &AtomicBool,
    progress: &mut dyn Progress,
) -> Result<TrainingOutcome<C::Model>, TrainError> {
    Training::resume(plan)?.run(stop, progress)
}
