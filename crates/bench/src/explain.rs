//! Explanations: what each method costs beyond its passes through the network, and beside Captum, lime, shap and
//! networkx.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tracing::info;

use crate::images::SharedFiles;
use crate::models::require_own;
use crate::peers::{EXPLAINERS, Peer, Present};
use crate::plan::{Plan, cores};
use crate::protocol::{Block, Contestant};
use crate::worker::{BlockLength, ExplainCase, ExplainJob, Job};
use tinylsa_experiment::statistics::Spread;

/// What is explained, how it is called, and which case of the peers' script does the same.
const CASES: [Case; 5] = [
    Case {
        name: "integrated-gradients-50",
        work: ExplainCase::IntegratedGradients { steps: 50 },
        peer: "captum-ig-50",
        is_long: false,
    },
    Case { name: "lime-1000", work: ExplainCase::Lime { samples: 1000 }, peer: "lime-1000", is_long: false },
    Case { name: "kernel-shap-2080", work: ExplainCase::KernelShap, peer: "shap-kernel-2080", is_long: false },
    Case { name: "exact-shapley-16", work: ExplainCase::ExactShapley, peer: "exact-shapley-16", is_long: true },
    Case { name: "flow-49x3", work: ExplainCase::Flow, peer: "networkx-flow-49x3", is_long: true },
];

/// Samples of LIME at which the memory is looked at.
const SAMPLES: [usize; 3] = [250, 1000, 4000];

struct Case {
    name: &'static str,
    work: ExplainCase,
    peer: &'static str,
    /// Whether a peer takes so long for it that one round has to be enough.
    is_long: bool,
}

/// What explanations came to.
#[derive(Debug, Serialize)]
pub struct ExplainReport {
    /// Threads of every contestant.
    pub threads: usize,
    /// Every method.
    pub methods: Vec<MethodReport>,
    /// The most memory of a process that explains by LIME, by the number of samples.
    pub peak_memory_by_samples: BTreeMap<usize, Option<u64>>,
    /// Why peers were left out, by name.
    pub left_out: BTreeMap<&'static str, String>,
}

/// What one method came to.
#[derive(Debug, Serialize)]
pub struct MethodReport {
    /// What is explained, and how.
    pub name: &'static str,
    /// At which the passes alone are quickest; the method runs at it, too.
    pub batch_size: usize,
    /// Seconds of an explanation.
    pub seconds: Spread,
    /// Seconds of the passes alone; nothing for a method without any.
    pub passes: Option<Spread>,
    /// What the method takes beyond its passes, as a fraction of them: of the medians, and the least and the most over
    /// single explanations, each with the passes right behind it.
    pub overhead: Option<Spread>,
    /// The most memory that the process held, in bytes.
    pub peak_memory: Option<u64>,
    /// Which case of which peer; nothing if none was asked for.
    pub peer: Option<&'static str>,
    /// Seconds of the peer's explanation.
    pub peer_seconds: Option<Spread>,
    /// How many times as quick we are.
    pub ratio: Option<f64>,
}

/// The names of the methods that can be asked for.
pub fn case_names() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

pub(super) fn run(plan: &Plan) -> Result<ExplainReport> {
    let wanted: Vec<&Case> =
        CASES.iter().filter(|case| plan.cases.is_empty() || plan.cases.iter().any(|name| name == case.name)).collect();
    let explainers = EXPLAINERS.iter().filter(|peer| wanted.iter().any(|case| case.peer == peer.name));
    let peers = plan.peers.as_ref().map(|python| python.present(explainers)).transpose()?;
    let subject = plan.subject()?;
    require_own(subject.network.clone())?;
    let files = subject.files(&plan.config.train, 2)?;
    let threads = plan.threads_or(&[cores()]).last().copied().unwrap_or(1);
    let setting = Setting { plan, files: &files, threads };
    let methods = wanted.into_iter().map(|case| setting.measure(case, peers.as_ref())).collect::<Result<Vec<_>>>()?;
    let peak_memory_by_samples =
        SAMPLES.into_iter().map(|samples| Ok((samples, setting.peak_memory(samples)?))).collect::<Result<_>>()?;
    let left_out = peers.map(|present| present.left_out).unwrap_or_default();
    Ok(ExplainReport { threads, methods, peak_memory_by_samples, left_out })
}

struct Setting<'a> {
    plan: &'a Plan,
    files: &'a SharedFiles,
    threads: usize,
}

impl Setting<'_> {
    fn contestant(&self, case: ExplainCase, block: BlockLength) -> Result<Contestant> {
        let job =
            ExplainJob { model: self.files.model(), batch: self.files.batch(), case, threads: self.threads, block };
        self.plan.contestant("tinylsa", &Job::Explain(job))
    }

    /// Ours and the peer's in turn. A process of the peer's does one case and ends.
    fn measure(&self, case: &Case, peers: Option<&Present>) -> Result<MethodReport> {
        info!("explaining by {}, threads: {}", case.name, self.threads);
        let mut ours = self.contestant(case.work, self.plan.block(1))?;
        let batch_size = ours.ready()?.batch_size.unwrap_or(1);
        let peer = peers.and_then(|present| present.peers.iter().find(|peer| peer.name == case.peer));
        let rounds = if case.is_long { 1 } else { self.plan.rounds };
        let (mut blocks, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            blocks.push(ours.block(batch_size)?);
            if let Some(peer) = peer {
                theirs.push(self.seconds_of_peer(peer)?);
            }
        }
        Ok(report(case, batch_size, &blocks, &theirs))
    }

    fn seconds_of_peer(&self, peer: &Peer) -> Result<f64> {
        let python = self.plan.peers.as_ref().context("no Python was asked for")?;
        let mut command = python.command(peer, self.threads);
        command.args(["--count", "1", "--repeats", "2", "--json"]);
        command.arg("--model").arg(self.files.model()).arg("--images").arg(self.files.batch());
        let output = command.output().with_context(|| format!("{} cannot be started", peer.name))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("{} ended with {}: {}", peer.name, output.status, errors.trim());
        }
        let seconds: Option<BTreeMap<String, f64>> =
            said.lines().last().and_then(|line| serde_json::from_str(line).ok());
        let seconds = seconds.and_then(|seconds| seconds.get(peer.name).copied());
        seconds.filter(|seconds| *seconds > 0.0).with_context(|| {
            format!("{} answered {said:?}, expected one JSON object with the seconds of that case", peer.name)
        })
    }

    fn peak_memory(&self, samples: usize) -> Result<Option<u64>> {
        let once = BlockLength { seconds: 0.0, least: 1 };
        let mut process = self.contestant(ExplainCase::Lime { samples }, once)?;
        let batch_size = process.ready()?.batch_size.unwrap_or(1);
        Ok(process.block(batch_size)?.peak_memory)
    }
}

fn report(case: &Case, batch_size: usize, blocks: &[Block], theirs: &[f64]) -> MethodReport {
    let seconds = Spread::of(blocks.iter().flat_map(|block| block.seconds.iter().copied()));
    let passes: Vec<f64> = blocks.iter().flat_map(|block| block.passes.iter().copied()).collect();
    let pairs = blocks.iter().flat_map(|block| block.seconds.iter().zip(&block.passes));
    let overheads: Vec<f64> = pairs.map(|(seconds, passes)| seconds / passes - 1.0).collect();
    let passes = (!passes.is_empty()).then(|| Spread::of(passes));
    let peer_seconds = (!theirs.is_empty()).then(|| Spread::of(theirs.iter().copied()));
    MethodReport {
        name: case.name,
        batch_size,
        seconds,
        passes,
        overhead: passes.map(|passes| Spread { median: seconds.median / passes.median - 1.0, ..Spread::of(overheads) }),
        peak_memory: blocks.iter().filter_map(|block| block.peak_memory).max(),
        peer: peer_seconds.map(|_| case.peer),
        peer_seconds,
        ratio: peer_seconds.map(|theirs| theirs.median / seconds.median),
    }
}
