//! Experiments: a config becomes a run directory.

#![allow(missing_docs, unreachable_pub)]
#![forbid(unsafe_code)]

pub mod card;
pub mod choice;
pub mod dataset;
mod error;
pub mod evaluation;
mod experiment;
mod explanations;
pub mod finished;
pub mod folder;
pub mod machine;
pub mod matching;
pub mod models;
mod page;
pub mod picture;
mod prepare;
mod progress;
pub mod schema;
pub mod statistics;
pub mod sweep;

pub use error::{ExperimentError, InContext, chain};
pub use experiment::{CompletedRun, RunOptions};
pub use prepare::Experiment;
pub use progress::{RunProgress, StartedRun, Unwatched};
