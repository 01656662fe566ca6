//! What is measured, and the processes that it is measured in.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use burn::tensor::Device;
use tinylsa_data::{Dataset, ImageForm, Publication, channel_statistics};
use tinylsa_experiment::matching::require_classes;
use tinylsa_experiment::models::{NetworkMetadata, load_model};
use tinylsa_experiment::schema::ExperimentConfig;
use tinylsa_model::ModelConfig;
use tinylsa_model::networks::{Network, NetworkConfig};
use tinylsa_settings::UsageError;
use tinylsa_train::TrainConfig;

use crate::images::{MeasuredImages, SharedFiles, SharedModel, with_open_branches};
use crate::peers::Python;
use crate::protocol::{Contestant, ContestantError, Ready};
use crate::worker::{BlockLength, Job};

/// What is measured, and for how long.
#[derive(Debug)]
pub struct Plan {
    /// With the network of the model, if one is given. What its network leaves to the images is taken from them.
    pub config: ExperimentConfig,
    /// The weights; initial ones if left out.
    pub model: Option<PathBuf>,
    /// The images.
    pub images: MeasuredImages,
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
    /// Measures the network of a config with initial weights on drawn images, five blocks of two seconds each, beside
    /// nobody, with processes of this program.
    pub fn new(config: ExperimentConfig, program: PathBuf) -> Self {
        Self {
            config,
            model: None,
            images: MeasuredImages::Drawn,
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

    /// Everything that is measured beside the config: images, the network that fits them, and its weights.
    pub(crate) fn subject(&self) -> Result<Subject> {
        let network = self.config.untrained_network();
        let drawn = network
            .map_or(Publication::FORM, |network| ImageForm { shape: network.input(), classes: network.classes() });
        let dataset = self.images.training(drawn)?;
        let form = ImageForm { shape: dataset.shape, classes: dataset.classes() };
        let all: Vec<u32> = (0..dataset.len() as u32).collect();
        let network = self.config.model.completed(form, &channel_statistics(&dataset, &all)?).network()?;
        if (network.input(), network.classes()) != (form.shape, form.classes) {
            let text = format!(
                "the images of {} are {} in {} classes, the network takes {} in {} classes",
                dataset.name,
                form.shape,
                form.classes,
                network.input(),
                network.classes()
            );
            return Err(UsageError(text).into());
        }
        let model = if let Some(path) = &self.model {
            let loaded = load_model(path)?;
            if matches!(self.images, MeasuredImages::Of(_)) {
                require_classes(&loaded.metadata, &dataset)?;
            }
            SharedModel { model: loaded.model, metadata: loaded.metadata }
        } else {
            let class_names: Vec<&str> = dataset.class_names.iter().map(String::as_str).collect();
            let metadata = NetworkMetadata::new(&network, &class_names, "bench");
            SharedModel { model: with_open_branches(initial(&network, self.config.run.seed)?)?, metadata }
        };
        Ok(Subject { dataset, network, model })
    }
}

/// What is measured.
pub(crate) struct Subject {
    pub(crate) dataset: Dataset,
    pub(crate) network: NetworkConfig,
    pub(crate) model: SharedModel,
}

impl Subject {
    /// The files that every process reads, with `count` images.
    pub(crate) fn files(&self, train: &TrainConfig, count: usize) -> Result<SharedFiles> {
        SharedFiles::write(&self.model, train, &self.dataset, count)
    }
}

fn initial(config: &NetworkConfig, seed: u64) -> Result<Network> {
    Ok(config.init_with_seed(seed, &Device::flex())?)
}

/// Waits for all of them.
pub(crate) fn all_ready(contestants: &mut [Contestant]) -> Result<Vec<Ready>, ContestantError> {
    contestants.iter_mut().map(Contestant::ready).collect()
}

/// The number of cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
