//! What a user sees while a command works: log lines and progress bars, all of it on standard error.
//!
//! Libraries emit `tracing` events and never see a bar. Lines at the level `info` and above of this workspace's crates are
//! shown, and warnings of all others; the environment variable `RUST_LOG` sets another filter. A [`ProgressBar`] is a
//! span that `tracing-indicatif` draws as a bar; log lines are written through the same crate, which takes the bars
//! down and puts them up again below, so that the two never mix. Where standard error is no terminal there is nothing
//! to draw on: a bar becomes a plain line now and then, for a log file to hold.

use std::env;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressState, ProgressStyle};
use tracing::{Metadata, Span, info, warn};
use tracing_indicatif::IndicatifLayer;
use tracing_indicatif::span_ext::IndicatifSpanExt;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{fmt, registry};

/// What is shown unless `RUST_LOG` says otherwise. A directive holds for all targets that start like it.
const DEFAULT_FILTER: &str = "warn,tinylsa=info";
/// The target of the spans that are bars; only they are drawn.
const BAR_TARGET: &str = "tinylsa::bar";
/// How often a bar writes a line where it cannot be drawn.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Starts to show log lines and progress bars. To be called once, before anything is worth showing.
pub(crate) fn init() {
    let (filter, fault) = filter(env::var("RUST_LOG").ok().as_deref());
    let is_terminal = io::stderr().is_terminal();
    let bars = is_terminal.then(IndicatifLayer::new);
    let writer = match &bars {
        Some(bars) => BoxMakeWriter::new(bars.get_stderr_writer()),
        None => BoxMakeWriter::new(io::stderr),
    };
    let lines = fmt::layer()
        .with_writer(writer)
        .with_ansi(is_terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
        .with_timer(SinceStart(Instant::now()))
        .with_target(false)
        .with_filter(filter.and(filter_fn(|metadata| !is_bar(metadata))));
    let started = registry().with(lines).with(bars.map(|bars| bars.with_filter(filter_fn(is_bar)))).try_init();
    if started.is_err() {
        warn!("logging was started twice");
    }
    if let Some(fault) = fault {
        warn!("RUST_LOG is ignored: {fault}");
    }
}

/// Marks every line with the seconds since the start: a run is followed by how long it takes, not by the time of day.
#[derive(Debug)]
struct SinceStart(Instant);

impl FormatTime for SinceStart {
    fn format_time(&self, line: &mut Writer<'_>) -> std::fmt::Result {
        write!(line, "{:8.1}s", self.0.elapsed().as_secs_f64())
    }
}

fn is_bar(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == BAR_TARGET
}

/// The filter for a value of `RUST_LOG`, and what is wrong with the value.
fn filter(directives: Option<&str>) -> (EnvFilter, Option<String>) {
    let given = directives.filter(|directives| !directives.trim().is_empty()).map(EnvFilter::try_new);
    match given {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new(DEFAULT_FILTER), Some(error.to_string())),
        None => (EnvFilter::new(DEFAULT_FILTER), None),
    }
}

/// The progress of one piece of work that consists of many alike: images of an epoch, images to explain.
///
/// On a terminal it is a bar with the share that is done, the rate and the time that is left; it goes away when the value
/// is dropped. Elsewhere it is a line every ten seconds.
#[derive(Debug)]
pub(crate) struct ProgressBar {
    span: Span,
    label: String,
    unit: &'static str,
    length: u64,
    position: u64,
    started: Instant,
    /// When the last plain line was written; nothing where a bar is drawn.
    last_line: Option<Instant>,
}

impl ProgressBar {
    /// Starts the bar called `label` over `length` things of the kind `unit`, in the plural.
    pub(crate) fn start(label: impl Into<String>, length: u64, unit: &'static str) -> Self {
        let label = label.into();
        let span = tracing::info_span!(target: BAR_TARGET, "bar");
        span.pb_set_style(&style(&label, unit));
        span.pb_set_length(length);
        span.pb_start();
        let started = Instant::now();
        let last_line = (!io::stderr().is_terminal()).then_some(started);
        Self { span, label, unit, length, position: 0, started, last_line }
    }

    /// `steps` more things are done; `note` says how it goes.
    pub(crate) fn advance(&mut self, steps: u64, note: &str) {
        self.position += steps;
        self.span.pb_set_message(note);
        self.span.pb_inc(steps);
        if self.last_line.is_some_and(|last| last.elapsed() >= LINE_INTERVAL) {
            info!("{}", self.line(note, self.started.elapsed()));
            self.last_line = Some(Instant::now());
        }
    }

    /// The progress after `elapsed` in words.
    fn line(&self, note: &str, elapsed: Duration) -> String {
        let Self { label, unit, length, position, .. } = self;
        let rate = *position as f64 / elapsed.as_secs_f64().max(f64::EPSILON);
        let left = length.saturating_sub(*position) as f64 / rate.max(f64::EPSILON);
        let mut line = format!("{label}: {position} of {length} {unit}, {rate:.0} {unit}/s, {left:.0} s left");
        if !note.is_empty() {
            line.push_str(", ");
            line.push_str(note);
        }
        line
    }
}

/// How a bar looks.
fn style(label: &str, unit: &str) -> ProgressStyle {
    // braces would start a placeholder
    let literal = |text: &str| text.replace('{', "{{").replace('}', "}}");
    let (label, unit) = (literal(label), literal(unit));
    let template =
        format!("{label} {{bar:30}} {{human_pos}}/{{human_len}} {unit}  {{rate}} {unit}/s  {{eta}} left  {{msg}}");
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()).with_key(
        "rate",
        |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            // a bar that cannot be written to has nowhere to say so
            let _ = write!(text, "{:.0}", state.per_sec());
        },
    )
}

/// The progress of a training run, a bar for every epoch, with the loss and the accuracy so far.
#[derive(Debug, Default)]
pub(crate) struct TrainingBar {
    epoch: Option<Epoch>,
}

/// The epoch that a [`TrainingBar`] shows.
#[derive(Debug)]
struct Epoch {
    bar: ProgressBar,
    sums: RunningMeans,
}

/// Means over the images seen so far, weighted by how many images each value stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct RunningMeans {
    images: u64,
    loss: f64,
    accuracy: f64,
}

impl RunningMeans {
    fn add(&mut self, images: u64, loss: f64, accuracy: f64) {
        self.images += images;
        let weight = images as f64 / self.images.max(1) as f64;
        self.loss += weight * (loss - self.loss);
        self.accuracy += weight * (accuracy - self.accuracy);
    }

    fn in_words(self) -> String {
        format!("loss {:.4}, accuracy {:.2} %", self.loss, 100.0 * self.accuracy)
    }
}

impl TrainingBar {
    /// A part of the run called `label` begins, such as "epoch 3 of 30", with `length` images; whatever was shown ends.
    pub(crate) fn start(&mut self, label: impl Into<String>, length: u64) {
        self.finish();
        let bar = ProgressBar::start(label, length, "images");
        self.epoch = Some(Epoch { bar, sums: RunningMeans::default() });
    }

    /// A batch of `images` images is done, with its mean loss and its accuracy (a fraction). Does nothing before
    /// [`start`](Self::start).
    pub(crate) fn advance(&mut self, images: u64, loss: f64, accuracy: f64) {
        if let Some(Epoch { bar, sums }) = &mut self.epoch {
            sums.add(images, loss, accuracy);
            bar.advance(images, &sums.in_words());
        }
    }

    /// The part of the run is over; its bar goes away.
    pub(crate) fn finish(&mut self) {
        self.epoch = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    use super::*;

    /// A writer that keeps what was written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written under a value of `RUST_LOG` when `work` is done.
    fn written(directives: Option<&str>, work: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = fmt::layer()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_filter(filter(directives).0);
        tracing::subscriber::with_default(registry().with(lines), work);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    fn events() {
        tracing::debug!(target: "tinylsa_train", "a detail");
        tracing::info!(target: "tinylsa_train", "an epoch");
        tracing::info!(target: "tinylsa::commands", "a command");
        tracing::info!(target: "ureq::pool", "a connection");
        tracing::warn!(target: "ureq::pool", "a retry");
    }

    #[test]
    fn our_crates_inform_and_others_only_warn() {
        let expected = " INFO an epoch\n INFO a command\n WARN a retry\n";
        assert_eq!(written(None, events), expected);
        assert_eq!(written(Some(" "), events), expected);
    }

    #[test]
    fn the_variable_sets_another_filter() {
        assert_eq!(written(Some("tinylsa_train=debug"), events), "DEBUG a detail\n INFO an epoch\n");
        assert_eq!(written(Some("off"), events), "");
    }

    #[test]
    fn a_variable_that_is_no_filter_is_reported_and_ignored() {
        let (_, fault) = filter(Some("tinylsa=loud"));
        assert!(fault.is_some());
        assert_eq!(written(Some("tinylsa=loud"), events), written(None, events));
    }

    #[test]
    fn only_bars_are_drawn() {
        let subscriber = registry().with(IndicatifLayer::new().with_filter(filter_fn(is_bar)));
        tracing::subscriber::with_default(subscriber, || {
            let bar = ProgressBar::start("epoch 1 of 2", 10, "images");
            assert!(!bar.span.is_disabled());
            assert!(tracing::info_span!("a library's own span").is_disabled());
        });
    }

    #[test]
    fn a_bar_shows_label_share_rate_and_note() {
        let terminal = InMemoryTerm::new(4, 200);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bar =
            indicatif::ProgressBar::with_draw_target(Some(2000), target).with_style(style("epoch {3} of 30", "images"));
        bar.set_message("loss 0.5000");
        bar.set_position(1000);
        bar.tick();
        let shown = terminal.contents();
        assert!(shown.starts_with("epoch {3} of 30 ███████████████"), "{shown}");
        assert!(shown.contains(" 1,000/2,000 images  ") && shown.contains(" images/s  "), "{shown}");
        assert!(shown.ends_with(" left  loss 0.5000"), "{shown}");
    }

    #[test]
    fn without_a_terminal_a_bar_is_a_line_now_and_then() {
        let lines = written(None, || {
            let mut bar = ProgressBar::start("explaining", 40, "images");
            bar.last_line = Some(Instant::now());
            bar.advance(10, "lime");
            bar.last_line = Instant::now().checked_sub(LINE_INTERVAL);
            bar.advance(10, "shap");
            bar.advance(10, "shap");
        });
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(lines.starts_with(" INFO explaining: 20 of 40 images, "), "{lines}");
        assert!(lines.ends_with(" s left, shap\n"), "{lines}");
    }

    #[test]
    fn a_line_holds_rate_and_time_left() {
        let mut bar = ProgressBar::start("epoch 1 of 2", 3000, "images");
        bar.advance(1000, "");
        assert_eq!(
            bar.line("loss 0.5", Duration::from_secs(4)),
            "epoch 1 of 2: 1000 of 3000 images, 250 images/s, 8 s left, loss 0.5"
        );
        assert_eq!(bar.line("", Duration::from_secs(1)), "epoch 1 of 2: 1000 of 3000 images, 1000 images/s, 2 s left");
    }

    #[test]
    fn a_training_bar_shows_means_over_the_images_so_far() {
        let mut means = RunningMeans::default();
        means.add(300, 1.0, 0.5);
        means.add(100, 3.0, 0.9);
        assert_eq!(means.in_words(), "loss 1.5000, accuracy 60.00 %");

        let mut bar = TrainingBar::default();
        bar.advance(64, 1.0, 0.5);
        assert!(bar.epoch.is_none());
        bar.start("epoch 1 of 2", 400);
        bar.advance(64, 1.0, 0.5);
        let epoch = bar.epoch.as_ref().unwrap();
        assert_eq!((epoch.bar.position, epoch.sums.images), (64, 64));
        bar.start("epoch 2 of 2", 400);
        assert_eq!(bar.epoch.as_ref().unwrap().sums, RunningMeans::default());
        bar.finish();
        assert!(bar.epoch.is_none());
    }
}
