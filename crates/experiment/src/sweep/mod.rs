//! Several experiments that differ in a few keys, and one table of what came out.
//!
//! Variants are compared by the validation split alone: nothing here reads a figure of the test set. Every trial is
//! checked before the first one is trained, and a finished trial counts only if it was made with the very settings that
//! the sweep's file has now.
//!
//! [`plan_trials`] puts all of that into `plan.json` in the directory of the sweep. From there on a trial is a number:
//! [`run_trial`] runs it, on whatever machine sees the directory, [`status`] says where all of them are, and [`gather`]
//! makes one table of those that are finished. [`run_trials`] does all of it on one machine, a process a trial.
//! [`cluster`](crate::cluster) hands the numbers to Slurm.

mod comparison;
mod frozen;
mod gather;
mod local;
mod place;
mod plan;
mod planning;
mod results;
#[cfg(test)]
mod scale;
mod state;
mod worker;

pub use comparison::{Comparison, PairedDifference, Verdict};
pub use frozen::{FrozenConfig, FrozenData, FrozenPlan, FrozenTrial};
pub use gather::{GatherRequest, TrialStatus, gather, status};
pub use local::{LocalJobs, run_trials};
pub use place::SweepPlace;
pub use plan::{SweepPlan, Trial, Variant};
pub use planning::plan_trials;
pub use results::{MissingTrial, SweepResults, TrialResult, VariantSummary};
pub use state::TrialState;
pub use worker::{TrialRequest, run_trial};
