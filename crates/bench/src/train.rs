//! Training: whole steps, phase by phase, beside PyTorch.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Result;
use serde::Serialize;
use tinylsa_data::MixingConfig;
use tinylsa_model::networks::NetworkConfig;
use tinylsa_train::{DistillationConfig, OptimizerKind, TrainConfig};
use tracing::info;

use crate::images::SharedFiles;
use crate::peers::{Present, TRAINERS};
use crate::plan::{Plan, Subject, all_ready, cores};
use crate::protocol::{Contestant, PhaseSeconds, Ready};
use crate::rounds::{Measured, fastest, interleaved, speed_ratio};
use crate::worker::{Job, PREPARATION, TrainJob};
use tinylsa_experiment::statistics::Spread;
use tinylsa_settings::UsageError;

/// Steps of a block, at the least.
const LEAST_STEPS: usize = 3;

/// What training at one batch size with one number of threads came to.
#[derive(Debug, Serialize)]
pub struct TrainReport {
    /// Threads of every contestant.
    pub threads: usize,
    /// Images of a step.
    pub batch_size: usize,
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// Images a second, the median over the blocks.
    pub images_per_s: f64,
    /// The slowest and the quickest block.
    pub images_per_s_range: [f64; 2],
    /// Milliseconds of a step, the median over the blocks.
    pub ms_per_step: f64,
    /// Of the direct algorithms, over the whole step.
    pub gflops: f64,
    /// What a loop of multiply-adds reaches on the same threads.
    pub peak_gflops: Option<f64>,
    /// A fraction.
    pub share_of_peak: Option<f64>,
    /// The same for the convolutions alone.
    pub convolution_share_of_peak: Option<f64>,
    /// The most memory that the process held, in bytes.
    pub peak_memory: Option<u64>,
    /// Where a step's time goes.
    pub phases: Vec<PhaseReport>,
    /// Images a second of each peer, none for those that are left out; nothing if none was asked for.
    pub peers: Option<BTreeMap<String, Option<f64>>>,
    /// Images a second, over those of the best peer.
    pub ratio: Option<f64>,
    /// The least and the most over the rounds.
    pub ratio_range: Option<[f64; 2]>,
    /// The quickest peer.
    pub best_peer: Option<String>,
    /// Everything about every peer.
    pub peer_details: Vec<PeerReport>,
    /// Why peers were left out, by name.
    pub left_out: BTreeMap<&'static str, String>,
}

/// Where a step's time goes.
#[derive(Debug, Serialize)]
pub struct PhaseReport {
    /// What is done.
    pub name: String,
    /// Milliseconds of a step.
    pub ms: f64,
    /// A fraction.
    pub share_of_step: f64,
    /// Nothing for what is done element by element.
    pub gflops: Option<f64>,
    /// A fraction.
    pub share_of_peak: Option<f64>,
}

/// What a peer came to.
#[derive(Debug, Serialize)]
pub struct PeerReport {
    /// What it is called.
    pub name: String,
    /// What it is, such as `torch 2.15.0`.
    pub version: String,
    /// Images a second, over the blocks.
    pub images_per_s: Spread,
    /// How many times as many images a second we do.
    pub ratio: Spread,
    /// How far its results are from ours, relative to the largest.
    pub difference: Option<f64>,
    /// The most memory that it held, in bytes.
    pub peak_memory: Option<u64>,
}

pub(super) fn run(plan: &Plan) -> Result<Vec<TrainReport>> {
    let peers = plan.peers.as_ref().map(|python| python.present(&TRAINERS)).transpose()?;
    let train = if peers.is_some() { shared_with_peers(&plan.config.train) } else { plan.config.train.clone() };
    let subject = plan.subject()?;
    let mut reports = Vec::new();
    for &threads in &plan.threads_or(&[cores()]) {
        for &batch_size in &plan.batch_sizes_or(&[plan.config.train.batch_size]) {
            info!("training, batch size {batch_size}, threads: {threads}");
            let train = TrainConfig { batch_size, ..train.clone() };
            reports.push(Setting { plan, subject: &subject, train, threads }.measure(peers.as_ref())?);
        }
    }
    Ok(reports)
}

/// The same training as far as the peers know it: AdamW, and nothing mixed or taught by others.
fn shared_with_peers(train: &TrainConfig) -> TrainConfig {
    let mut shared = train.clone();
    if shared.optimizer.kind != OptimizerKind::Adamw {
        info!("beside the peers, who know no other optimizer, everyone trains with AdamW");
        shared.optimizer.kind = OptimizerKind::Adamw;
    }
    TrainConfig { mixing: MixingConfig::none(), distillation: DistillationConfig::default(), ..shared }
}

struct Setting<'a> {
    plan: &'a Plan,
    subject: &'a Subject,
    train: TrainConfig,
    threads: usize,
}

impl Setting<'_> {
    fn measure(&self, peers: Option<&Present>) -> Result<TrainReport> {
        let (train, batch_size) = (&self.train, self.train.batch_size);
        train.validate().map_err(|error| UsageError(error.within("train").to_string()))?;
        let files = self.subject.files(train, batch_size)?;
        let mut contestants = vec![self.ours()?];
        if let (Some(python), Some(present)) = (&self.plan.peers, peers) {
            for peer in &present.peers {
                let command = self.peer_command(python.command(peer, self.threads), &files);
                contestants.push(Contestant::start(peer.name, command)?);
            }
        }
        let ready = all_ready(&mut contestants)?;
        let measured = interleaved(&mut contestants, batch_size, self.plan.rounds)?;
        Ok(self.report(&measured, &ready, peers))
    }

    fn ours(&self) -> Result<Contestant> {
        let job = TrainJob {
            model: self.subject.network.clone(),
            train: self.train.clone(),
            seed: self.plan.config.run.seed,
            threads: self.threads,
            images: self.plan.images.clone(),
            block: self.plan.block(LEAST_STEPS),
        };
        self.plan.contestant("tinylsa", &Job::Train(Box::new(job)))
    }

    fn peer_command(&self, mut command: Command, files: &SharedFiles) -> Command {
        command.arg("--model").arg(files.model()).arg("--batch").arg(files.batch());
        command.arg("--training").arg(files.training());
        command.args(["--block-seconds", &self.plan.block_seconds.to_string()]);
        command
    }

    fn report(&self, measured: &[Measured], ready: &[Ready], peers: Option<&Present>) -> TrainReport {
        let (ours, theirs) = (&measured[0], &measured[1..]);
        let seconds = ours.seconds().median;
        let images_per_s = ours.images_per_s();
        let peak = ours.peak_flops();
        let flops = flops_of_a_step(&self.subject.network) * self.train.batch_size as f64;
        let phases = ours.phases();
        let convolution: Vec<&PhaseSeconds> =
            phases.iter().filter(|phase| phase.name.starts_with("convolution")).collect();
        let convolution_flops = convolution.iter().map(|phase| phase.flops as f64).sum::<f64>();
        let convolution_seconds = convolution.iter().map(|phase| phase.seconds).sum::<f64>();
        let best = fastest(theirs);
        let ratio = best.map(|best| speed_ratio(ours, best));
        TrainReport {
            threads: self.threads,
            batch_size: self.train.batch_size,
            optimizer: self.train.optimizer.kind,
            images_per_s: images_per_s.median,
            images_per_s_range: [images_per_s.least, images_per_s.most],
            ms_per_step: 1e3 * seconds,
            gflops: 1e-9 * flops / seconds,
            peak_gflops: peak.map(|peak| 1e-9 * peak),
            share_of_peak: peak.map(|peak| flops / seconds / peak),
            convolution_share_of_peak: peak
                .filter(|_| convolution_seconds > 0.0)
                .map(|peak| convolution_flops / convolution_seconds / peak),
            peak_memory: ours.peak_memory(),
            phases: phase_reports(phases, seconds, peak),
            peers: peers.map(|present| speeds(theirs, present)),
            ratio: ratio.map(|ratio| ratio.median),
            ratio_range: ratio.map(|ratio| [ratio.least, ratio.most]),
            best_peer: best.map(|best| best.name.clone()),
            peer_details: peer_reports(ours, theirs, &ready[1..]),
            left_out: peers.map(|present| present.left_out.clone()).unwrap_or_default(),
        }
    }
}

/// Images a second by name; nothing for those that are left out.
pub(super) fn speeds(measured: &[Measured], present: &Present) -> BTreeMap<String, Option<f64>> {
    let there = measured.iter().map(|peer| (peer.name.clone(), Some(peer.images_per_s().median)));
    there.chain(present.left_out.keys().map(|name| ((*name).to_owned(), None))).collect()
}

pub(super) fn peer_reports(ours: &Measured, theirs: &[Measured], ready: &[Ready]) -> Vec<PeerReport> {
    let report = |(peer, ready): (&Measured, &Ready)| PeerReport {
        name: peer.name.clone(),
        version: ready.version.clone(),
        images_per_s: peer.images_per_s(),
        ratio: speed_ratio(ours, peer),
        difference: ready.difference,
        peak_memory: peer.peak_memory(),
    };
    theirs.iter().zip(ready).map(report).collect()
}

/// Operations of the convolutions and products of one image in a training step: forward once and backward twice, but
/// nobody needs the gradient of the images.
fn flops_of_a_step(model: &NetworkConfig) -> f64 {
    let cost = model.cost();
    let first = cost.layers.first().map_or(0, |layer| layer.macs);
    2.0 * (3 * cost.macs() - first) as f64
}

fn phase_reports(phases: Vec<PhaseSeconds>, step: f64, peak: Option<f64>) -> Vec<PhaseReport> {
    let counted: f64 = phases.iter().filter(|phase| phase.name != PREPARATION).map(|phase| phase.seconds).sum();
    let rest = PhaseSeconds { name: "outside of the fused operations".to_owned(), seconds: step - counted, flops: 0 };
    let (beside, mut all): (Vec<_>, Vec<_>) = phases.into_iter().partition(|phase| phase.name == PREPARATION);
    all.push(rest);
    all.extend(beside);
    let report = |phase: PhaseSeconds| {
        let speed = (phase.flops > 0 && phase.seconds > 0.0).then(|| phase.flops as f64 / phase.seconds);
        PhaseReport {
            name: phase.name,
            ms: 1e3 * phase.seconds,
            share_of_step: phase.seconds / step,
            gflops: speed.map(|speed| 1e-9 * speed),
            share_of_peak: speed.zip(peak).map(|(speed, peak)| speed / peak),
        }
    };
    all.into_iter().map(report).collect()
}
