//! Training, evaluation and exact continuation of [`TinyCnnLsa`](tinylsa_model::TinyCnnLsa).
//!
//! [`train`] takes a [`TrainingPlan`], plain data that says all there is to say, and runs the loop: forward, loss,
//! backward, optimiser, average of the weights; validation and checkpoints after each epoch. There is no framework of
//! callbacks. Whoever wants to show how it goes passes a [`Progress`]; whoever wants it to stop sets a flag.
//!
//! [`resume`] goes on from the last checkpoint and ends with the same bits as a training that was never interrupted.
//! That holds because nothing in a step depends on what the process did before except what a checkpoint holds:
//! weights, their average, the optimizer's moments and a few counters. Order and augmentation are functions of seed,
//! epoch and picture, the learning rate and the average's decay functions of the step.
//!
//! [`predict`] and [`evaluate`] measure a network: accuracy, likelihood, calibration, each with its 95 % interval.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//! use tinylsa_data::{SyntheticConfig, stratified_split, synthetic_garments};
//! use tinylsa_model::{StageConfig, TinyCnnLsaConfig};
//! use tinylsa_train::{Silent, TrainingOutcome, TrainingPlan, train};
//!
//! let garments = synthetic_garments(&SyntheticConfig { train: 80, test: 10, seed: 0 })?;
//! let split = stratified_split(&garments.train.labels, 20, 0)?;
//! let mut model = TinyCnnLsaConfig::default();
//! model.stages = vec![StageConfig { channels: 8, stride: 2, residual_blocks: 0, pool: true }];
//! let checkpoints = tempfile::tempdir()?;
//! let mut plan = TrainingPlan::new(model, garments.train, split, checkpoints.path());
//! plan.train.epochs = 1;
//! plan.train.batch_size = 20;
//! let TrainingOutcome::Finished(trained) = train(&plan, &AtomicBool::new(false), &mut Silent)? else {
//!     unreachable!("nobody asked for a stop");
//! };
//! assert_eq!(trained.history.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod checkpoint;
mod config;
mod continuation;
mod error;
mod evaluation;
mod measure;
mod optimizer;
mod plan;
mod prediction;
mod progress;
mod robustness;
mod step;
mod targets;
mod temperature;
mod training;

pub use checkpoint::{BEST_CHECKPOINT, BURN_VERSION, CheckpointError, EpochRecord, LAST_CHECKPOINT};
pub use config::{EmaConfig, KeptEpoch, ScheduleConfig, TrainConfig};
pub use error::{Rescue, TrainError};
pub use evaluation::{CALIBRATION_BINS, CalibrationBin, ClassEvaluation, Evaluation, Interval, evaluate};
pub use measure::MeasureError;
pub use optimizer::{AdamWConfig, Moments, MuonConfig, NesterovConfig, OptimizerConfig, OptimizerKind, OptimizerState};
pub use plan::TrainingPlan;
pub use prediction::{Predictions, Views, argmax, predict, softmax};
pub use progress::{Progress, Silent};
pub use robustness::{CorruptionRobustness, Robustness, SeverityRobustness, robustness};
pub use targets::{DistillationConfig, LoadTeacher, Task, smoothed_targets};
pub use temperature::{Calibration, Logits, TemperatureError, TemperatureFit, fit_temperature};
pub use training::{Trained, Training, TrainingOutcome, resume, train};
