//! What is measured, for how long, and by which processes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use burn::tensor::Device;
use tinylsa_data::FASHION_MNIST_CLASSES;
use tinylsa_experiment::matching::require_class_count;
use tinylsa_experiment::models::load_model;
use tinylsa_experiment::schema::ExperimentConfig;
use tinylsa_model::{ModelMetadata, TinyCnnLsa, TinyCnnLsaConfig};

use crate::peers::Python;
use crate::pictures::{SharedModel, with_open_branches};
use crate::protocol::{Contestant, ContestantError, Ready};
use crate::worker::{BlockLength, Job};

/// What is measured, and for how long.
#[derive(Debug)]
pub struct Plan {
    /// With the network of the model, if one is given.
    pub config: ExperimentConfig,
    /// The weights; initial ones if left out.
    pub model: Option<PathBuf>,
    /// Fashion-MNIST, or else drawn garments.
    pub data_dir: Option<PathBuf>,
    /// Empty for those of the subject.
    pub batch_sizes: Vec<usize>,
    /// Empty for those of the subject.
    pub threads: Vec<usize>,
    /// Methods to explain by; empty for all.
    pub cases: Vec<String>,
    /// Blocks of each contestant.
    pub rounds: usize,
    /// Seconds of a block.
    pub block_seconds: f64,
    /// Who to compare with; nobody if left out.
    pub peers: Option<Python>,
    /// A program that takes the arguments of `cargo xtask`: `bench --worker JOB` calls [`serve`](crate::serve), and `classify` is
    /// started cold.
    pub program: PathBuf,
}

impl Plan {
    /// Measures the network of a config with initial weights on drawn garments, five blocks of two seconds each, beside
    /// nobody, with processes of this program.
    pub fn new(config: ExperimentConfig, program: PathBuf) -> Self {
        Self {
            config,
            model: None,
            data_dir: None,
            batch_sizes: Vec::new(),
            threads: Vec::new(),
            cases: Vec::new(),
            rounds: 5,
            block_seconds: 2.0,
            peers: None,
            program,
        }
    }

    /// Starts a process that does a job.
    pub(crate) fn contestant(&self, name: &str, job: &Job) -> Result<Contestant> {
        let mut command = Command::new(&self.program);
        command.args(["bench", "--worker", &serde_json::to_string(job)?]);
        Ok(Contestant::start(name, command)?)
    }

    pub(crate) fn block(&self, least: usize) -> BlockLength {
        BlockLength { seconds: self.block_seconds, least }
    }

    /// The numbers of threads, or `default`.
    pub(crate) fn threads_or(&self, default: &[usize]) -> Vec<usize> {
        let mut threads = if self.threads.is_empty() { default.to_vec() } else { self.threads.clone() };
        threads.sort_unstable();
        threads.dedup();
        threads
    }

    pub(crate) fn batch_sizes_or(&self, default: &[usize]) -> Vec<usize> {
        if self.batch_sizes.is_empty() { default.to_vec() } else { self.batch_sizes.clone() }
    }

    pub(crate) fn shared_model(&self) -> Result<SharedModel> {
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

fn initial(config: &TinyCnnLsaConfig, seed: u64) -> Result<TinyCnnLsa> {
    Ok(config.init(&Device::flex())?.with_initial_weights(seed))
}

/// Waits for all of them.
pub(crate) fn all_ready(contestants: &mut [Contestant]) -> Result<Vec<Ready>, ContestantError> {
    contestants.iter_mut().map(Contestant::ready).collect()
}

/// The number of cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
