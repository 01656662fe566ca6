//! The reports of measurements, for people.

use tinylsa_bench::{
    BlockReport, ExplainReport, ExploreReport, InferReport, KindReport, Latency, MethodReport, Passes, PeerReport,
    PhotographsReport, TokensReport, TrainReport,
};
use tinylsa_experiment::statistics::Spread;
use tinylsa_model::AttentionKind;

use crate::table::{megabytes, per_cent, table, with_range};

/// Training at one batch size with one number of threads.
pub(super) fn training(report: &TrainReport) -> String {
    let [least, most] = report.images_per_s_range;
    let head = format!(
        "training, batch size {}, threads: {}\n\
         {:.0} images/s ({least:.0}..{most:.0}), {:.1} ms a step, {:.0} of {} GFLOP/s ({}), \
         convolutions {} of the peak, peak memory {} MB",
        report.batch_size,
        report.threads,
        report.images_per_s,
        report.ms_per_step,
        report.gflops,
        report.peak_gflops.map_or_else(|| "–".to_owned(), |peak| format!("{peak:.0}")),
        per_cent(report.share_of_peak),
        per_cent(report.convolution_share_of_peak),
        megabytes(report.peak_memory),
    );
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.0}"));
    let rows = report.phases.iter().map(|phase| {
        [
            phase.name.clone(),
            format!("{:.2}", phase.ms),
            per_cent(Some(phase.share_of_step)),
            number(phase.gflops),
            phase.share_of_peak.map_or_else(String::new, |share| per_cent(Some(share))),
        ]
    });
    let phases = table(1, ["phase", "ms a step", "of the step", "GFLOP/s", "of the peak"], rows);
    let peers = peer_table(&report.peer_details);
    [head, phases].into_iter().chain(peers).collect::<Vec<_>>().join("\n")
}

/// What the peers came to, if there are any.
fn peer_table(peers: &[PeerReport]) -> Option<String> {
    let row = |peer: &PeerReport| {
        [
            format!("{} ({})", peer.name, peer.version),
            with_range(peer.images_per_s, 0),
            with_range(peer.ratio, 2),
            peer.difference.map_or_else(String::new, |difference| format!("{difference:.0e}")),
            megabytes(peer.peak_memory),
        ]
    };
    let header = ["peer", "images/s", "we are × as quick", "results differ by", "peak MB"];
    (!peers.is_empty()).then(|| table(1, header, peers.iter().map(row)))
}

/// The page to explore.
pub(super) fn exploration(report: &ExploreReport) -> String {
    let milliseconds = |value: f64| format!("{value:.1}");
    let allowed = |most: Option<f64>| most.map_or_else(String::new, |most| format!("{most:.0}"));
    let rows = report.questions.iter().map(|question| {
        [
            question.name.to_owned(),
            question.calls.to_string(),
            milliseconds(question.median),
            milliseconds(question.p95),
            milliseconds(question.worst),
            allowed(question.allowed_median),
            allowed(question.allowed_worst),
            if question.holds() { "yes" } else { "no" }.to_owned(),
        ]
    });
    let header = ["milliseconds", "calls", "median", "p95", "longest", "median may be", "longest may be", "holds"];
    format!(
        "the page to explore, cores: {}\n{}\nthe heaviest method delays a prediction by {:.1} ms at the most, 50 may be",
        report.cores,
        table(1, header, rows),
        report.longest_delay
    )
}

/// Inference.
pub(super) fn inference(report: &InferReport) -> String {
    let mut parts = Vec::new();
    let rows = report.settings.iter().flat_map(|setting| {
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
    parts.push(table(1, header, rows));
    for setting in &report.settings {
        let Some(peers) = peer_table(&setting.peer_details) else { continue };
        parts.push(format!("batch size {}, threads: {}", setting.batch_size, setting.threads));
        parts.push(peers);
        if let Some(ratio) = setting.latency_ratio {
            parts.push(format!("our median latency is {ratio:.2} × that of the quickest peer"));
        }
    }
    if let Some(classify) = &report.classify {
        let Latency { median, p95 } = classify.milliseconds;
        parts.push(format!("classify, from start to answer: median {median:.1} ms, p95 {p95:.1} ms"));
    }
    parts.join("\n")
}

/// Attention over more and more tokens.
pub(super) fn tokens(report: &TokensReport) -> String {
    let row = |block: &BlockReport| {
        let kind = match block.kind {
            AttentionKind::Linear => "linear",
            AttentionKind::Softmax => "softmax",
        };
        let passes = match block.passes {
            Passes::Forward => "forward",
            Passes::ForwardAndBackward => "forward and backward",
        };
        [
            format!("{kind}, {passes}"),
            block.tokens.to_string(),
            block.threads.to_string(),
            block.batch_size.to_string(),
            format!("{:.2}", block.milliseconds),
            megabytes(block.memory),
        ]
    };
    table(1, ["attention block", "tokens", "threads", "batch", "ms", "MB"], report.blocks.iter().map(row))
}

/// Explanations.
pub(super) fn explanations(report: &ExplainReport) -> String {
    let milliseconds = |spread: Spread| with_range(spread.map(|seconds| 1e3 * seconds), 1);
    let or_nothing = |spread: Option<Spread>| spread.map_or_else(String::new, milliseconds);
    let row = |method: &MethodReport| {
        [
            method.name.to_owned(),
            method.batch_size.to_string(),
            milliseconds(method.seconds),
            or_nothing(method.passes),
            method.overhead.map_or_else(String::new, |overhead| with_range(overhead.map(|share| 100.0 * share), 1)),
            megabytes(method.peak_memory),
            method.peer.unwrap_or_default().to_owned(),
            or_nothing(method.peer_seconds),
            method.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        ]
    };
    let header = [
        "explanation",
        "batch",
        "ms",
        "passes alone, ms",
        "overhead, %",
        "peak MB",
        "peer",
        "its ms",
        "we are × as quick",
    ];
    let methods = table(1, header, report.methods.iter().map(row));
    let memory = report.peak_memory_by_samples.iter();
    let memory: Vec<String> =
        memory.map(|(samples, bytes)| format!("{} MB at {samples} samples", megabytes(*bytes))).collect();
    format!("{methods}\nthreads: {}; peak memory of LIME: {}", report.threads, memory.join(", "))
}

/// Photographs.
pub(super) fn photographs(report: &PhotographsReport) -> String {
    let row = |kind: &KindReport| {
        [
            kind.kind.to_owned(),
            kind.strength.clone(),
            format!("{:.1} %", 100.0 * kind.accuracy),
            format!("{:+.1} ± {:.1}", 100.0 * kind.difference, 100.0 * kind.difference_interval),
            format!("{:.1} %", 100.0 * kind.refused),
        ]
    };
    let kinds = report.kinds.iter().chain(&report.turned_images).map(row);
    table(2, ["photograph", "strength", "accuracy", "difference", "refused"], kinds)
}
