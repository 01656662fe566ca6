//! Inference: latency and throughput, beside PyTorch and ONNX Runtime, and a cold start of `classify`.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use image::{GrayImage, Luma};
use serde::Serialize;
use tracing::info;

use super::peers::{EVALUATORS, Present, comma_separated};
use super::pictures::SharedFiles;
use super::protocol::{Contestant, Ready};
use super::rounds::{Latency, Measured, fastest, interleaved, speed_ratio};
use super::statistics::{percentile, sorted};
use super::table::{megabytes, per_cent, table};
use super::train::{PeerReport, peer_reports, peer_table, speeds};
use super::worker::{Form, InferJob, Job};
use super::{Plan, all_ready, contestant, cores};
use crate::picture::SIDE;

/// Calls of a block, at the least.
const LEAST_CALLS: usize = 5;
/// Batch sizes unless others are asked for.
const BATCH_SIZES: [usize; 4] = [1, 32, 128, 512];
/// Our forms of the network, by what they are called.
const FORMS: [(&str, Form); 2] = [("folded", Form::Folded), ("plain", Form::Plain)];
/// Cold starts for every round.
const STARTS: usize = 4;

/// What inference came to.
#[derive(Debug, Serialize)]
pub(crate) struct InferReport {
    settings: Vec<InferSetting>,
    classify: Option<ClassifyReport>,
}

/// One batch size with one number of threads.
#[derive(Debug, Serialize)]
struct InferSetting {
    threads: usize,
    batch_size: usize,
    /// The quickest of our forms, of which the following figures tell.
    form: String,
    images_per_s: f64,
    latency_ms: Latency,
    gflops: f64,
    peak_gflops: Option<f64>,
    share_of_peak: Option<f64>,
    peak_memory: Option<u64>,
    /// Every form of ours.
    forms: BTreeMap<String, Timing>,
    /// Pictures a second of each peer, none for those that are left out; nothing if none was asked for.
    peers: Option<BTreeMap<String, Option<f64>>>,
    peer_latency_ms: BTreeMap<String, Latency>,
    /// Pictures a second, over those of the best peer.
    ratio: Option<f64>,
    ratio_range: Option<[f64; 2]>,
    /// Median latency, over that of the best peer.
    latency_ratio: Option<f64>,
    best_peer: Option<String>,
    peer_details: Vec<PeerReport>,
    left_out: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug, Serialize)]
struct Timing {
    images_per_s: f64,
    latency_ms: Latency,
}

/// From the start of the process to its end.
#[derive(Debug, Serialize)]
struct ClassifyReport {
    starts: usize,
    milliseconds: Latency,
}

pub(super) fn run(plan: &Plan) -> Result<InferReport> {
    let peers = plan.peers.as_ref().map(|python| python.present(&EVALUATORS)).transpose()?;
    let batch_sizes = plan.batch_sizes_or(&BATCH_SIZES);
    let largest = batch_sizes.iter().copied().max().unwrap_or(1);
    let files =
        SharedFiles::write(&plan.shared_model()?, &plan.config.train, plan.data_dir.as_deref(), largest.max(2))?;
    let mut settings = Vec::new();
    for &threads in &plan.threads_or(&[1, cores()]) {
        settings.extend(Setting { plan, files: &files, batch_sizes: &batch_sizes, threads }.measure(peers.as_ref())?);
    }
    Ok(InferReport { settings, classify: Some(cold_starts(&files, STARTS * plan.rounds)?) })
}

struct Setting<'a> {
    plan: &'a Plan,
    files: &'a SharedFiles,
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
        contestant(name, &Job::Infer(job))
    }

    fn report(&self, measured: &[Measured], ready: &[Ready], peers: Option<&Present>) -> InferSetting {
        let (forms, theirs) = measured.split_at(FORMS.len());
        let ours = fastest(forms).unwrap_or(&measured[0]);
        let timing = |measured: &Measured| Timing {
            images_per_s: measured.images_per_s().median,
            latency_ms: measured.latency_ms(),
        };
        let model = self.plan.config.model.network().cost();
        let speed = 2.0 * model.macs() as f64 * ours.images_per_s().median;
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

/// Runs `classify` on one picture again and again.
fn cold_starts(files: &SharedFiles, starts: usize) -> Result<ClassifyReport> {
    info!("cold starts of classify");
    let program = std::env::current_exe().context("failed to find this program")?;
    let path = files.path().join("garment.png");
    let side = SIDE as u32;
    let picture = GrayImage::from_fn(side, side, |x, y| {
        let is_garment = (side / 4..side - side / 4).contains(&x) && (2..side - 2).contains(&y);
        Luma([if is_garment { 180 } else { 0 }])
    });
    picture.save(&path).with_context(|| format!("failed to write {}", path.display()))?;
    let mut milliseconds = Vec::with_capacity(starts);
    for _ in 0..=starts {
        let mut command = Command::new(&program);
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
    pub(crate) fn to_json(&self) -> Result<serde_json::Value> {
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

    /// For people.
    pub(crate) fn in_words(&self) -> String {
        let mut parts = Vec::new();
        let rows = self.settings.iter().flat_map(|setting| {
            setting.forms.iter().map(|(form, timing)| {
                let is_best = *form == setting.form;
                [
                    form.clone(),
                    setting.threads.to_string(),
                    setting.batch_size.to_string(),
                    format!("{:.2}", timing.latency_ms.median),
                    format!("{:.2}", timing.latency_ms.p95),
                    format!("{:.0}", timing.images_per_s),
                    if is_best { format!("{:.0}", setting.gflops) } else { String::new() },
                    if is_best { per_cent(setting.share_of_peak) } else { String::new() },
                    if is_best { megabytes(setting.peak_memory) } else { String::new() },
                ]
            })
        });
        let header =
            ["inference", "threads", "batch", "median ms", "p95 ms", "images/s", "GFLOP/s", "of the peak", "peak MB"];
        parts.push(table(header, rows.collect()));
        for setting in &self.settings {
            let Some(peers) = peer_table(&setting.peer_details) else { continue };
            parts.push(format!("batch size {}, threads: {}", setting.batch_size, setting.threads));
            parts.push(peers);
            if let Some(ratio) = setting.latency_ratio {
                parts.push(format!("our median latency is {ratio:.2} × that of the quickest peer"));
            }
        }
        if let Some(classify) = &self.classify {
            let Latency { median, p95 } = classify.milliseconds;
            parts.push(format!("classify, from start to answer: median {median:.1} ms, p95 {p95:.1} ms"));
        }
        parts.join("\n")
    }
}
