//! Measurements of our training, inference and explanations, beside other programs that do the same work.
//!
//! Whatever is measured is a process of its own, ours and the peers' alike: it makes itself ready, then sleeps until it is
//! asked for a block of timings, by a line of text that it answers with a line of JSON. The harness asks them in turn,
//! round after round, so that whatever else happens on the machine hits all of them, and compares medians. A process of its
//! own also has memory of its own, and as many threads as it is told.
//!
//! A [`Plan`] says what is measured and for how long; [`train()`], [`infer()`], [`tokens()`] and [`explain()`] return a
//! report each, which serde writes as JSON. [`photographs()`] is no timing: it measures how well photographs are classified.
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

mod explain;
mod infer;
mod peers;
mod photographs;
mod pictures;
mod protocol;
mod rounds;
mod tokens;
mod train;
mod worker;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use burn::tensor::Device;
use tinylsa_data::{Dataset, ImageForm, Publication, channel_statistics};
use tinylsa_model::{ModelMetadata, TinyCnnLsaConfig};

pub use explain::{ExplainReport, MethodReport, case_names};
pub use infer::{ClassifyReport, InferReport, InferSetting, Timing};
pub use peers::Python;
pub use photographs::{KindReport, PhotographsPlan, PhotographsReport, PhotographsSplit, Strengths};
pub use pictures::{MeasuredImages, SourceImages};
pub use rounds::Latency;
pub use tokens::{BlockReport, TokensReport};
pub use train::{PeerReport, PhaseReport, TrainReport};
pub use worker::Passes;

use pictures::{SharedFiles, SharedModel, with_open_branches};
use protocol::{Contestant, ContestantError};
use worker::{BlockLength, Job};

use tinylsa_experiment::ExperimentError;
use tinylsa_experiment::matching::require_classes;
use tinylsa_experiment::models::load_model;
use tinylsa_experiment::schema::ExperimentConfig;
use tinylsa_settings::UsageError;
use tinylsa_train::TrainConfig;

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
    /// A program that takes the arguments of `cargo xtask`: `bench --worker JOB` calls [`serve`], and `classify` is
    /// started cold.
    pub program: PathBuf,
}

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
    fn contestant(&self, name: &str, job: &Job) -> Result<Contestant> {
        let mut command = Command::new(&self.program);
        command.args(["bench", "--worker", &serde_json::to_string(job)?]);
        Ok(Contestant::start(name, command)?)
    }

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

    /// Everything that is measured beside the config: images, the network that fits them, and its weights.
    fn subject(&self) -> Result<Subject> {
        let network = self.config.untrained_network();
        let drawn =
            network.map_or(Publication::FORM, |network| ImageForm { shape: network.input, classes: network.classes });
        let dataset = self.images.training(drawn)?;
        let form = ImageForm { shape: dataset.shape, classes: dataset.classes() };
        let all: Vec<u32> = (0..dataset.len() as u32).collect();
        let network = self.config.model.completed(form, &channel_statistics(&dataset, &all)?).network()?;
        if (network.input, network.classes) != (form.shape, form.classes) {
            let text = format!(
                "the images of {} are {} in {} classes, the network takes {} in {}",
                dataset.name, form.shape, form.classes, network.input, network.classes
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
            let metadata = ModelMetadata::new(&network, &class_names, "bench");
            SharedModel { model: with_open_branches(initial(&network, self.config.run.seed)?)?, metadata }
        };
        Ok(Subject { dataset, network, model })
    }
}

/// What is measured.
struct Subject {
    dataset: Dataset,
    network: TinyCnnLsaConfig,
    model: SharedModel,
}

impl Subject {
    /// The files that every process reads, with `count` images.
    fn files(&self, train: &TrainConfig, count: usize) -> Result<SharedFiles> {
        SharedFiles::write(&self.model, train, &self.dataset, count)
    }
}

fn initial(config: &TinyCnnLsaConfig, seed: u64) -> Result<tinylsa_model::TinyCnnLsa> {
    Ok(config.init(&Device::flex())?.with_initial_weights(seed))
}

/// Waits for all of them.
fn all_ready(contestants: &mut [Contestant]) -> Result<Vec<protocol::Ready>, ContestantError> {
    contestants.iter_mut().map(Contestant::ready).collect()
}

/// The number of cores that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
