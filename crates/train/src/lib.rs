//! Training, evaluation and exact resumption of any [`Classifier`](tinylsa_model::Classifier).
//!
//! [`train`] takes a [`TrainingPlan`], plain data that describes the whole run, and runs the loop: forward, loss, backward,
//! optimizer, average of the weights; validation and checkpoints after each epoch. There is no framework of callbacks. A
//! [`Progress`] watches, a flag stops; [`TrainingPlan::run`] does without both.
//!
//! [`resume`] starts at the last checkpoint and ends with the same bits as a run that was never interrupted. That holds
//! because nothing in a step depends on what the process did before except what a checkpoint holds: weights, running
//! statistics, their average, the optimizer's moments and a few counters. Order and augmentation are functions of seed,
//! epoch and image; the learning rate, the decay of the average and what the network draws itself are functions of the
//! step.
//!
//! [`predict`] and [`evaluate`] measure a network: accuracy, likelihood, calibration, each with its 95 % interval. They ask
//! a [`Predictor`](tinylsa_model::Predictor), the forward pass of a network or a faster form of it.
//!
//! ```
//! use tinylsa_data::{SyntheticConfig, stratified_split, synthetic_garments};
//! use tinylsa_model::{StageConfig, TinyCnnLsaConfig};
//! use tinylsa_train::TrainingPlan;
//!
//! let garments = synthetic_garments(&SyntheticConfig { train: 80, test: 10, seed: 0 })?;
//! let split = stratified_split(&garments.train.labels, 20, 0)?;
//! let mut network = TinyCnnLsaConfig::default();
//! network.stages = vec![StageConfig { channels: 8, stride: 2, residual_blocks: 0, pool: true }];
//! let checkpoints = tempfile::tempdir()?;
//! let mut plan = TrainingPlan::new(network, garments.train, split, checkpoints.path());
//! plan.train.epochs = 1;
//! plan.train.batch_size = 20;
//! assert_eq!(plan.run()?.history.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate's `README.md` trains a network of stock burn layers on images of its own.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod checkpoint;
mod config;
mod continuation;
mod error;
mod evaluation;
mod interval;
mod measure;
mod optimizer;
mod outcome;
mod plan;
mod prediction;
mod progress;
mod robustness;
mod run;
mod step;
mod targets;
mod task;
mod temperature;
mod training;

pub use checkpoint::{BEST_CHECKPOINT, BURN_VERSION, CheckpointError, EpochRecord, LAST_CHECKPOINT};
pub use config::{EmaConfig, KeptEpoch, ScheduleConfig, TrainConfig};
pub use error::{Rescue, TrainError};
pub use evaluation::{CALIBRATION_BINS, CalibrationBin, ClassEvaluation, Evaluation, evaluate};
pub use interval::Interval;
pub use measure::MeasureError;
pub use optimizer::{AdamWConfig, Moments, MuonConfig, NesterovConfig, OptimizerConfig, OptimizerKind, OptimizerState};
pub use outcome::{Trained, TrainingOutcome};
pub use plan::TrainingPlan;
pub use prediction::{Predictions, Views, argmax, predict, softmax};
pub use progress::{Progress, Silent};
pub use robustness::{CorruptionRobustness, Robustness, SeverityRobustness, robustness};
pub use run::{resume, train};
pub use targets::{DistillationConfig, LoadTeacher, smoothed_targets};
pub use task::Task;
pub use temperature::{Calibration, Logits, TemperatureError, TemperatureFit, fit_temperature};
pub use training::Training;

/// The examples of the README are tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
