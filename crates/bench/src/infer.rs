//! Inference: latency and throughput, beside PyTorch and ONNX Runtime, and a cold start of `classify`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tinylsa_report::{ByteImage, encode_png};
use tracing::info;

use crate::images::SharedFiles;
use crate::peers::{EVALUATORS, Present, comma_separated};
use crate::plan::{Plan, all_ready, cores};
use crate::protocol::{Contestant, Ready};
use crate::rounds::{Latency, Measured, fastest, interleaved, speed_ratio};
use crate::train::{PeerReport, peer_reports, speeds};
use crate::worker::{Form, InferJob, Job};
use tinylsa_experiment::statistics::{percentile, sorted};

/// Calls of a block, at the least.
const LEAST_CALLS: usize = 5;
/// Batch sizes unless others are asked for.
const BATCH_SIZES: [usize; 4] = [1, 32, 128, 512];
/// Our forms of the network, by what they are called.
const FORMS: [(&str, Form); 2] = [("folded", Form::Folded), ("plain", Form::Plain)];
/// Height and width of the file that cold starts classify.
const SIDE: usize = 28;
/// Cold starts for every round.
const STARTS: usize = 4;

/// What inference came to.
#[derive(Debug, Serialize)]
pub struct InferReport {
    /// Every batch size with every number of threads.
    pub settings: Vec<InferSetting>,
    /// Cold starts of `classify`.
    pub classify: Option<ClassifyReport>,
}

/// One batch size with one number of threads.
#[derive(Debug, Serialize)]
pub struct InferSetting {
    /// Threads of every contestant.
    pub threads: usize,
    /// Images of a call.
    pub batch_size: usize,
    /// The quickest of our forms, of which the following figures tell.
    pub form: String,
    /// Images a second, the median over the blocks.
    pub images_per_s: f64,
    /// Milliseconds of a call.
    pub latency_ms: Latency,
    /// Billions of floating-point operations a second.
    pub gflops: f64,
    /// What a loop of multiply-adds reaches on the same threads.
    pub peak_gflops: Option<f64>,
    /// A fraction.
    pub share_of_peak: Option<f64>,
    /// The most memory that the process held, in bytes.
    pub peak_memory: Option<u64>,
    /// Every form of ours.
    pub forms: BTreeMap<String, Timing>,
    /// Images a second of each peer, none for those that are left out; nothing if none was asked for.
    pub peers: Option<BTreeMap<String, Option<f64>>>,
    /// Milliseconds of a call of each peer.
    pub peer_latency_ms: BTreeMap<String, Latency>,
    /// Images a second, over those of the best peer.
    pub ratio: Option<f64>,
    /// The least and the most over the rounds.
    pub ratio_range: Option<[f64; 2]>,
    /// Median latency, over that of the best peer.
    pub latency_ratio: Option<f64>,
    /// The quickest peer.
    pub best_peer: Option<String>,
    /// Everything about every peer.
    pub peer_details: Vec<PeerReport>,
    /// Why peers were left out, by name.
    pub left_out: BTreeMap<&'static str, String>,
}

/// How quick one form of the network is.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// Images a second, the median over the blocks.
    pub images_per_s: f64,
    /// Milliseconds of a call.
    pub latency_ms: Latency,
}

/// From the start of the process to its end.
#[derive(Debug, Serialize)]
pub struct ClassifyReport {
    /// How many starts were timed.
    pub starts: usize,
    /// Milliseconds of a start.
    pub milliseconds: Latency,
}

pub(super) fn run(plan: &Plan) -> Result<InferReport> {
    let Evaluated { settings, files } = evaluated(plan)?;
    Ok(InferReport { settings, classify: Some(cold_starts(&plan.program, &files, STARTS * plan.rounds)?) })
}

/// What was measured, and the files that it was measured on.
pub(super) struct Evaluated {
    pub(super) settings: Vec<InferSetting>,
    files: SharedFiles,
}

impl Evaluated {
    /// Bytes of the network's file.
    pub(super) fn file_bytes(&self) -> Result<u64> {
        let path = self.files.model();
        Ok(std::fs::metadata(&path).with_context(|| format!("failed to look at {}", path.display()))?.len())
    }
}

/// Every batch size with every number of threads.
pub(super) fn evaluated(plan: &Plan) -> Result<Evaluated> {
    let peers = plan.peers.as_ref().map(|python| python.present(&EVALUATORS)).transpose()?;
    let batch_sizes = plan.batch_sizes_or(&BATCH_SIZES);
    let largest = batch_sizes.iter().copied().max().unwrap_or(1);
    let subject = plan.subject()?;
    let files = subject.files(&plan.config.train, largest.max(2))?;
    let macs = subject.network.cost().macs();
    let mut settings = Vec::new();
    for &threads in &plan.threads_or(&[1, cores()]) {
        let setting = Setting { plan, files: &files, macs, batch_sizes: &batch_sizes, threads };
        settings.extend(setting.measure(peers.as_ref())?);
    }
    Ok(Evaluated { settings, files })
}

struct Setting<'a> {
    plan: &'a Plan,
    files: &'a SharedFiles,
    /// Multiply-accumulate operations of an image.
    macs: usize,
    batch_sizes: &'a [usize],
    threads: usize,
}

impl Setting<'_> {
    fn measure(&self, peers: Option<&Present>) -> Result<Vec<InferSetting>> {
        let mut contestants =
            FORMS.into_iter().map(|(name, form)| self.ours(name, form)).collect::<Result<Vec<_>>>()?;
        if let (Some(python), Some(present)) = (&self.plan.peers, peers) {
            for peer in &present.peers {
                let mut command = python.command(peer, self.threads);
                command.arg("--model").arg(self.files.model()).arg("--batch").arg(self.files.batch());
                command.arg("--batch-sizes").arg(comma_separated(self.batch_sizes));
                command.args(["--block-seconds", &self.plan.block_seconds.to_string()]);
                contestants.push(Contestant::start(peer.name, command)?);
            }
        }
        let ready = all_ready(&mut contestants)?;
        let mut settings = Vec::new();
        for &batch_size in self.batch_sizes {
            info!("inference, batch size {batch_size}, threads: {}", self.threads);
            let measured = interleaved(&mut contestants, batch_size, self.plan.rounds)?;
            settings.push(self.report(&measured, &ready, peers));
        }
        Ok(settings)
    }

    fn ours(&self, name: &str, form: Form) -> Result<Contestant> {
        let job = InferJob {
            model: self.files.model(),
            batch: self.files.batch(),
            batch_sizes: self.batch_sizes.to_vec(),
            threads: self.threads,
            form,
            block: self.plan.block(LEAST_CALLS),
        };
        self.plan.contestant(name, &Job::Infer(job))
    }

    fn report(&self, measured: &[Measured], ready: &[Ready], peers: Option<&Present>) -> InferSetting {
        let (forms, theirs) = measured.split_at(FORMS.len());
        let ours = fastest(forms).unwrap_or(&measured[0]);
        let timing = |measured: &Measured| Timing {
            images_per_s: measured.images_per_s().median,
            latency_ms: measured.latency_ms(),
        };
        let speed = 2.0 * self.macs as f64 * ours.images_per_s().median;
        let best = fastest(theirs);
        let ratio = best.map(|best| speed_ratio(ours, best));
        let quickest = theirs.iter().map(|peer| peer.latency_ms().median).min_by(f64::total_cmp);
        InferSetting {
            threads: self.threads,
            batch_size: ours.batch_size,
            form: ours.name.clone(),
            images_per_s: ours.images_per_s().median,
            latency_ms: ours.latency_ms(),
            gflops: 1e-9 * speed,
            peak_gflops: ours.peak_flops().map(|peak| 1e-9 * peak),
            share_of_peak: ours.peak_flops().map(|peak| speed / peak),
            peak_memory: ours.peak_memory(),
            forms: forms.iter().map(|form| (form.name.clone(), timing(form))).collect(),
            peers: peers.map(|present| speeds(theirs, present)),
            peer_latency_ms: theirs.iter().map(|peer| (peer.name.clone(), peer.latency_ms())).collect(),
            ratio: ratio.map(|ratio| ratio.median),
            ratio_range: ratio.map(|ratio| [ratio.least, ratio.most]),
            latency_ratio: quickest.map(|quickest| ours.latency_ms().median / quickest),
            best_peer: best.map(|best| best.name.clone()),
            peer_details: peer_reports(ours, theirs, &ready[FORMS.len()..]),
            left_out: peers.map(|present| present.left_out.clone()).unwrap_or_default(),
        }
    }
}

/// Runs `classify` on one image again and again.
fn cold_starts(program: &Path, files: &SharedFiles, starts: usize) -> Result<ClassifyReport> {
    info!("cold starts of classify");
    let path = files.path().join("garment.png");
    let level = |pixel: usize| {
        let is_garment =
            (SIDE / 4..SIDE - SIDE / 4).contains(&(pixel % SIDE)) && (2..SIDE - 2).contains(&(pixel / SIDE));
        if is_garment { 180 } else { 0 }
    };
    let garment: Vec<u8> = (0..SIDE * SIDE).map(level).collect();
    let png = encode_png(&ByteImage::from_bytes([1, SIDE, SIDE], &garment)?.enlarged(1))?;
    std::fs::write(&path, png).with_context(|| format!("failed to write {}", path.display()))?;
    let mut milliseconds = Vec::with_capacity(starts);
    for _ in 0..=starts {
        let mut command = Command::new(program);
        command.arg("classify").arg(&path).arg("--model").arg(files.model()).stdin(Stdio::null());
        let started = Instant::now();
        let output = command.output().context("failed to start classify")?;
        milliseconds.push(1e3 * started.elapsed().as_secs_f64());
        if !output.status.success() {
            bail!("classify ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    // the first start reads the program from the disk
    let sorted = sorted(milliseconds.split_off(1));
    let milliseconds = Latency { median: percentile(&sorted, 0.5), p95: percentile(&sorted, 0.95) };
    Ok(ClassifyReport { starts, milliseconds })
}

impl InferReport {
    /// `batch_1`, `batch_32` and so on with the most threads; all the rest under `threads`.
    ///
    /// # Errors
    /// If a figure has no form in JSON, which cannot be.
    pub fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
        let most = self.settings.iter().map(|setting| setting.threads).max();
        let mut document = serde_json::Map::new();
        let mut by_threads: BTreeMap<String, BTreeMap<String, &InferSetting>> = BTreeMap::new();
        for setting in &self.settings {
            let key = format!("batch_{}", setting.batch_size);
            if Some(setting.threads) == most {
                document.insert(key.clone(), serde_json::to_value(setting)?);
            }
            by_threads.entry(setting.threads.to_string()).or_default().insert(key, setting);
        }
        document.insert("threads".to_owned(), serde_json::to_value(by_threads)?);
        document.insert("classify".to_owned(), serde_json::to_value(&self.classify)?);
        Ok(document.into())
    }
}
