//! Measurements of this program, beside others that do the same work.
//!
//! Whatever is measured is a process of its own, ours and the peers' alike: it makes itself ready, then sleeps until it
//! is asked for a block of timings ([`protocol`]). The harness asks them in turn, round after round, so that whatever
//! else happens on the machine hits all of them, and compares medians ([`rounds`]). A process of its own also has
//! memory of its own, and as many threads as it is told.

mod explain;
mod infer;
mod peers;
mod photographs;
mod pictures;
mod protocol;
mod rounds;
mod statistics;
mod table;
mod tokens;
mod train;
mod worker;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use burn::tensor::Device;
use tinylsa_data::FASHION_MNIST_CLASSES;
use tinylsa_model::{ModelMetadata, TinyCnnLsaConfig};

pub(crate) use explain::{ExplainReport, case_names};
pub(crate) use infer::InferReport;
pub(crate) use peers::Python;
pub(crate) use photographs::{PhotographsPlan, PhotographsReport, PhotographsSplit, Strengths};
pub(crate) use tokens::TokensReport;
pub(crate) use train::TrainReport;
pub(crate) use worker::serve;

use pictures::{SharedModel, with_open_branches};
use protocol::{Contestant, ContestantError};
use worker::{BlockLength, Job};

use crate::commands::load_model;
use crate::matching::require_class_count;
use crate::schema::ExperimentConfig;

/// What is measured, and for how long.
#[derive(Debug)]
pub(crate) struct Plan {
    /// With the network of the model, if one is given.
    pub(crate) config: ExperimentConfig,
    /// The weights; initial ones if left out.
    pub(crate) model: Option<PathBuf>,
    /// Fashion-MNIST, or else drawn garments.
    pub(crate) data_dir: Option<PathBuf>,
    /// Empty for those of the subject.
    pub(crate) batch_sizes: Vec<usize>,
    /// Empty for those of the subject.
    pub(crate) threads: Vec<usize>,
    /// Methods to explain by; empty for all.
    pub(crate) cases: Vec<String>,
    /// Blocks of each contestant.
    pub(crate) rounds: usize,
    /// Seconds of a block.
    pub(crate) block_seconds: f64,
    /// Who to compare with; nobody if left out.
    pub(crate) peers: Option<Python>,
}

/// Reports on training.
///
/// # Errors
/// If a process that is measured fails, or the peers that were asked for are not there.
pub(crate) fn train(plan: &Plan) -> Result<Vec<TrainReport>> {
    train::run(plan)
}

/// A report on inference.
///
/// # Errors
/// If a process that is measured fails, or the peers that were asked for are not there.
pub(crate) fn infer(plan: &Plan) -> Result<InferReport> {
    infer::run(plan)
}

/// A report on how attention grows with the number of tokens.
///
/// # Errors
/// If a process that is measured fails.
pub(crate) fn tokens(plan: &Plan) -> Result<TokensReport> {
    tokens::run(plan)
}

/// A report on explanations.
///
/// # Errors
/// If a process that is measured fails, or the peers that were asked for are not there.
pub(crate) fn explain(plan: &Plan) -> Result<ExplainReport> {
    explain::run(plan)
}

/// A report on how well photographs are classified.
///
/// # Errors
/// If there are no images to photograph, or a model file is damaged.
pub(crate) fn photographs(plan: &PhotographsPlan) -> Result<PhotographsReport> {
    photographs::run(plan)
}

impl Plan {
    fn block(&self, least: usize) -> BlockLength {
        BlockLength { seconds: self.block_seconds, least }
    }

    /// The numbers of threads, or `default`.
    fn threads_or(&self, default: &[usize]) -> Vec<usize> {
        let mut threads = if self.threads.is_empty() { default.to_vec() } else { self.threads.clone() };
        threads.sort_unstable();
        threads.dedup();
        threads
    }

    fn batch_sizes_or(&self, default: &[usize]) -> Vec<usize> {
        if self.batch_sizes.is_empty() { default.to_vec() } else { self.batch_sizes.clone() }
    }

    fn shared_model(&self) -> Result<SharedModel> {
        if let Some(path) = &self.model {
            let loaded = load_model(path)?;
            return Ok(SharedModel { model: loaded.model, metadata: loaded.metadata });
        }
        require_class_count(self.config.model.network())?;
        let model = initial(self.config.model.network(), self.config.run.seed)?;
        let metadata = ModelMetadata::new(self.config.model.network(), &FASHION_MNIST_CLASSES, "bench");
        Ok(SharedModel { model: with_open_branches(model)?, metadata })
    }
}

fn initial(config: &TinyCnnLsaConfig, seed: u64) -> Result<tinylsa_model::TinyCnnLsa> {
    Ok(config.init(&Device::flex())?.with_initial_weights(seed))
}

/// Starts a process of this program that does a job.
fn contestant(name: &str, job: &Job) -> Result<Contestant> {
    let program = std::env::current_exe().context("failed to find this program")?;
    let mut command = Command::new(program);
    command.args(["bench", "--worker", &serde_json::to_string(job)?]);
    Ok(Contestant::start(name, command)?)
}

/// Waits for all of them.
fn all_ready(contestants: &mut [Contestant]) -> Result<Vec<protocol::Ready>, ContestantError> {
    contestants.iter_mut().map(Contestant::ready).collect()
}

/// The number of cores that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
