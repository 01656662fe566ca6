//! What networks cost on this machine, side by side.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;
use tinylsa_experiment::ExperimentError;
use tinylsa_experiment::schema::ExperimentConfig;
use tinylsa_train::TrainConfig;
use tracing::info;

use crate::infer::{self, InferSetting};
use crate::peers::Python;
use crate::plan::{Plan, cores};
use crate::rounds::Latency;
use crate::train::{self, TrainReport};

/// Images of the two calls whose latency is measured.
const CALLS: [usize; 2] = [1, 32];

/// Which networks are measured, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct NetworksPlan {
    /// The configs of the networks, by what they are called.
    pub(crate) networks: Vec<(String, ExperimentConfig)>,
    /// Blocks of each measurement.
    pub(crate) rounds: usize,
    /// Seconds of a block.
    pub(crate) block_seconds: f64,
    /// Who trains the same networks beside us; nobody if left out.
    pub(crate) peers: Option<Python>,
    /// As [`Plan::program`].
    pub(crate) program: PathBuf,
}

/// What a network costs here.
#[derive(Clone, Debug, Serialize)]
pub struct MeasuredNetwork {
    /// What it is called.
    pub name: String,
    /// Bytes of its model file.
    pub file_bytes: u64,
    /// Milliseconds of a call with one image.
    pub latency_1_ms: Latency,
    /// Milliseconds of a call with 32 images.
    pub latency_32_ms: Latency,
    /// The most memory that the process of these calls held, in bytes.
    pub inference_memory: Option<u64>,
    /// Images of a training step.
    pub batch_size: usize,
    /// Training images a second, the median over the blocks.
    pub training_images_per_s: f64,
    /// Seconds of an epoch of the config's images at this speed, if it is known how many there are.
    pub epoch_seconds: Option<f64>,
    /// The most memory that the process of the training held, in bytes.
    pub training_memory: Option<u64>,
    /// Threads of each process.
    pub threads: usize,
    /// The quickest peer, if one was asked for.
    pub peer: Option<NetworkPeer>,
}

/// The quickest peer that trains the same network with the same batches.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkPeer {
    /// What it is called.
    pub name: String,
    /// Its images a second.
    pub training_images_per_s: f64,
    /// How many times as many we do.
    pub ratio: f64,
    /// The least and the most over the rounds.
    pub ratio_range: [f64; 2],
    /// The most memory that it held, in bytes.
    pub training_memory: Option<u64>,
}

/// Measures every network in processes of its own, one after the other.
///
/// # Errors
/// If a process fails, or peers are asked for and none is there.
pub(crate) fn networks(plan: &NetworksPlan) -> Result<Vec<MeasuredNetwork>, ExperimentError> {
    Ok(plan.networks.iter().map(|(name, config)| measured(plan, name, config)).collect::<Result<_>>()?)
}

fn measured(plan: &NetworksPlan, name: &str, config: &ExperimentConfig) -> Result<MeasuredNetwork> {
    info!("measuring {name}");
    // Batches that were prepared ahead are used up before a block is timed, and a step of a large network takes seconds.
    let config = ExperimentConfig { train: TrainConfig { prefetch: 1, ..config.train.clone() }, ..config.clone() };
    let of = |peers: Option<Python>| Plan {
        rounds: plan.rounds,
        block_seconds: plan.block_seconds,
        threads: vec![cores()],
        batch_sizes: Vec::new(),
        peers,
        ..Plan::new(config.clone(), plan.program.clone())
    };
    let evaluated = infer::evaluated(&Plan { batch_sizes: CALLS.to_vec(), ..of(None) })?;
    let trained = train::run(&of(plan.peers.clone()))?;
    let trained = trained.first().context("no training was measured")?;
    let call = |batch_size: usize| -> Result<&InferSetting> {
        let mut settings = evaluated.settings.iter();
        settings.find(|setting| setting.batch_size == batch_size).context("a call was not measured")
    };
    let [one, many] = [call(CALLS[0])?, call(CALLS[1])?];
    let images = config.data.training_images();
    Ok(MeasuredNetwork {
        name: name.to_owned(),
        file_bytes: evaluated.file_bytes()?,
        latency_1_ms: one.latency_ms,
        latency_32_ms: many.latency_ms,
        inference_memory: [one, many].into_iter().filter_map(|setting| setting.peak_memory).max(),
        batch_size: trained.batch_size,
        training_images_per_s: trained.images_per_s,
        epoch_seconds: images.map(|images| images as f64 / trained.images_per_s),
        training_memory: trained.peak_memory,
        threads: trained.threads,
        peer: quickest_peer(trained),
    })
}

fn quickest_peer(trained: &TrainReport) -> Option<NetworkPeer> {
    let name = trained.best_peer.as_ref()?;
    let peer = trained.peer_details.iter().find(|peer| peer.name == *name)?;
    Some(NetworkPeer {
        name: name.clone(),
        training_images_per_s: peer.images_per_s.median,
        ratio: peer.ratio.median,
        ratio_range: [peer.ratio.least, peer.ratio.most],
        training_memory: peer.peak_memory,
    })
}
