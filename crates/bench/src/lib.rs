//! Measurements of our training, inference and explanations, beside other programs that do the same work.
//!
//! Whatever is measured is a process of its own, ours and the peers' alike: it makes itself ready, then sleeps until it is
//! asked for a block of timings, by a line of text that it answers with a line of JSON. The harness asks them in turn,
//! round after round, so that whatever else happens on the machine hits all of them, and compares medians. A process of its
//! own also has memory of its own, and as many threads as it is told.
//!
//! A [`Plan`] says what is measured and for how long; [`train()`], [`infer()`], [`tokens()`] and [`explain()`] return a
//! report each, which serde writes as JSON. [`explore()`] asks the page to explore over HTTP, as a browser does. [`photographs()`]
//! is no timing: it measures how well photographs are classified.
//!
//! The processes are those of the program in [`Plan::program`], which calls [`serve`] when it is started as
//! `bench --worker JOB`. It may be the calling program itself or, as here, one that does not exist:
//!
//! ```
//! use tinylsa_bench::Plan;
//! use tinylsa_experiment::{BASE_CONFIG, Experiment};
//!
//! let experiment = Experiment::from_text("base.toml", BASE_CONFIG, &["train.batch_size=32".to_owned()])?;
//! let plan = Plan { rounds: 1, ..Plan::new(experiment.config().clone(), "no-such-program".into()) };
//! let error = tinylsa_bench::train(&plan).unwrap_err();
//! assert_eq!(error.to_string(), "tinylsa cannot be started");
//! # Ok::<(), tinylsa_experiment::ExperimentError>(())
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod compare;
mod comparison;
mod explain;
mod explore;
mod images;
mod infer;
mod models;
mod networks;
mod peers;
mod photographs;
mod plan;
mod protocol;
mod rounds;
mod served;
mod tokens;
mod train;
mod worker;

pub use compare::{CompareRequest, ComparedSubject, RaceRequest, compare};
pub use comparison::{ComparedRow, Comparison, PAGE as COMPARISON_PAGE};
pub use explain::{ExplainReport, MethodReport, case_names};
pub use explore::{ExploreReport, QuestionReport};
pub use images::{MeasuredImages, SourceImages};
pub use infer::{ClassifyReport, InferReport, InferSetting, Timing};
pub use networks::{MeasuredNetwork, NetworkPeer};
pub use peers::Python;
pub use photographs::{KindReport, PhotographsPlan, PhotographsReport, PhotographsSplit, Strengths};
pub use plan::Plan;
pub use rounds::Latency;
pub use tokens::{BlockReport, TokensReport};
pub use train::{PeerReport, PhaseReport, TrainReport};
pub use worker::Passes;

use tinylsa_experiment::ExperimentError;

/// Reports on training.
///
/// # Errors
/// If a process that is measured fails, or the peers that were asked for are not there.
pub fn train(plan: &Plan) -> Result<Vec<TrainReport>, ExperimentError> {
    Ok(train::run(plan)?)
}

/// A report on inference.
///
/// # Errors
/// If a process that is measured fails, or the peers that were asked for are not there.
pub fn infer(plan: &Plan) -> Result<InferReport, ExperimentError> {
    Ok(infer::run(plan)?)
}

/// A report on how attention grows with the number of tokens.
///
/// # Errors
/// If a process that is measured fails.
pub fn tokens(plan: &Plan) -> Result<TokensReport, ExperimentError> {
    Ok(tokens::run(plan)?)
}

/// A report on explanations.
///
/// # Errors
/// If a process that is measured fails, or the peers that were asked for are not there.
pub fn explain(plan: &Plan) -> Result<ExplainReport, ExperimentError> {
    Ok(explain::run(plan)?)
}

/// A report on how long a visitor of the page to explore waits. The program in [`Plan::program`] is started as
/// `explore --port 0`.
///
/// # Errors
/// If the server does not start, or refuses a question.
pub fn explore(plan: &Plan) -> Result<ExploreReport, ExperimentError> {
    Ok(explore::run(plan)?)
}

/// Is the process that is measured and that a job describes, until its standard input ends. The program in
/// [`Plan::program`] calls this for `bench --worker JOB`.
///
/// # Errors
/// If the job cannot be read or done.
pub fn serve(job: &str) -> Result<(), ExperimentError> {
    Ok(worker::serve(job)?)
}

/// A report on how well photographs are classified.
///
/// # Errors
/// If there are no images to photograph, or a model file is damaged.
pub fn photographs(plan: &PhotographsPlan) -> Result<PhotographsReport, ExperimentError> {
    Ok(photographs::run(plan)?)
}

/// The example of the README is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
