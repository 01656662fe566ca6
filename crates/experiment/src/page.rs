//! The figures and the page of a run.

use anyhow::{Context, Result};
use tinylsa_report::{
    Block, Cell, Column, EpochPoint, Figure, ReliabilityBin, ReportPage, Section, SummaryEntry, Table, Warning,
    confusion_matrix, per_class, reliability, training_curves,
};
use tinylsa_train::{CalibrationBin, EpochRecord};

use crate::evaluation::EvaluationReport;
use crate::folder::{Manifest, RunFolder};

/// What the page is made from.
pub(crate) struct PageContents<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) evaluation: &'a EvaluationReport,
    pub(crate) history: &'a [EpochRecord],
    /// What stands under every figure: the dataset. [`PageContents::measured`] adds the split.
    pub(crate) caption: &'a str,
    /// What the explanations add; empty if nothing was explained.
    pub(crate) explanations: &'a [Section],
    /// The resolved config.
    pub(crate) config: &'a str,
}

impl PageContents<'_> {
    /// What stands under every figure of the measurement at the end.
    pub(crate) fn measured(&self) -> String {
        format!("{}, {} split", self.caption, self.evaluation.split)
    }

    /// The epochs as they are drawn.
    pub(crate) fn points(&self) -> Vec<EpochPoint> {
        let point = |record: &EpochRecord| EpochPoint {
            epoch: record.epoch,
            train_loss: record.train_loss,
            validation_loss: Some(record.validation_loss),
            train_accuracy: Some(record.train_accuracy),
            validation_accuracy: Some(record.validation_accuracy),
            learning_rate: record.learning_rate,
        };
        self.history.iter().map(point).collect()
    }

    /// The epoch whose weights were kept, if the run is measured.
    pub(crate) fn kept_epoch(&self) -> Option<usize> {
        self.manifest.figures.as_ref().map(|figures| figures.kept_epoch)
    }

    /// The images by their confidence, as they are drawn.
    pub(crate) fn bins(&self) -> Vec<ReliabilityBin> {
        let bin = |bin: &CalibrationBin| ReliabilityBin {
            lower: bin.lower,
            upper: bin.upper,
            count: bin.count,
            confidence: bin.confidence,
            accuracy: bin.accuracy,
        };
        self.evaluation.calibration.iter().map(bin).collect()
    }
}

/// Writes the figures into their folder and all of it into `report.html`.
///
/// # Errors
/// If a figure cannot be drawn or a file cannot be written.
pub(crate) fn write(folder: &RunFolder, contents: &PageContents<'_>) -> Result<()> {
    let (trained, measured) = (contents.caption, contents.measured());
    let drawn = [
        ("training-curves", "Training", "Loss, accuracy and learning rate of every epoch", trained, curves(contents)?),
        ("confusion-matrix", "Confusion", "How often each class was taken for each", &measured, confusion(contents)?),
        ("per-class", "Classes", "Precision, recall and F1 of every class", &measured, classes(contents)?),
        ("reliability", "Calibration", "Accuracy by confidence", &measured, calibration(contents)?),
    ];
    let mut sections = Vec::new();
    for (name, heading, words, images, svg) in drawn {
        folder.write(&format!("figures/{name}.svg"), svg.as_bytes())?;
        let caption = format!("{words}. {images}.");
        sections.push(Section {
            heading: heading.to_owned(),
            blocks: vec![Block::Figure(Figure::svg(svg, caption.clone(), caption))],
        });
    }
    sections[2].blocks.push(Block::Table(class_table(contents)));
    sections.extend_from_slice(contents.explanations);
    let page = ReportPage {
        title: format!("Run {}", contents.manifest.name),
        subtitle: format!("{}, seed {}", contents.caption, contents.manifest.seed),
        warning: contents.manifest.substitution.as_ref().map(|reason| Warning {
            heading: "Synthetic garments, not Fashion-MNIST".to_owned(),
            text: format!("No figure on this page says anything about Fashion-MNIST. {reason}"),
        }),
        summary: summary(contents),
        sections,
        config: Some(contents.config.to_owned()),
    };
    let html = page.to_html().context("failed to put the report page together")?;
    folder.write("report.html", html.as_bytes())
}

fn curves(contents: &PageContents<'_>) -> Result<String> {
    training_curves(&contents.points(), contents.kept_epoch(), contents.caption)
        .context("failed to draw the training curves")
}

fn confusion(contents: &PageContents<'_>) -> Result<String> {
    let evaluation = contents.evaluation;
    confusion_matrix(&evaluation.confusion, &evaluation.class_names(), &contents.measured())
        .context("failed to draw the confusion matrix")
}

fn classes(contents: &PageContents<'_>) -> Result<String> {
    per_class(&contents.evaluation.class_scores(), &contents.measured()).context("failed to draw the classes")
}

fn calibration(contents: &PageContents<'_>) -> Result<String> {
    reliability(&contents.bins(), contents.evaluation.ece, &contents.measured())
        .context("failed to draw the calibration")
}

fn class_table(contents: &PageContents<'_>) -> Table {
    let columns = vec![
        Column::words("class"),
        Column::numbers("precision"),
        Column::numbers("recall"),
        Column::numbers("F1"),
        Column::numbers("images"),
    ];
    let caption = format!("With 95 % intervals (Wilson); – where a score does not exist. {}.", contents.measured());
    let share = |value: Option<f64>, interval: Option<[f64; 2]>| match (value, interval) {
        (Some(value), Some([low, high])) => {
            format!("{:.1} % ({:.1} to {:.1})", 100.0 * value, 100.0 * low, 100.0 * high)
        }
        (Some(value), None) => format!("{:.1} %", 100.0 * value),
        (None, _) => "–".to_owned(),
    };
    contents.evaluation.classes.iter().fold(Table::new(caption, columns), |table, class| {
        table.row([
            Cell::from(class.name.clone()),
            Cell::from(share(class.precision, class.precision_interval)),
            Cell::from(share(class.recall, class.recall_interval)),
            Cell::from(share(class.f1, None)),
            Cell::from(class.support.to_string()),
        ])
    })
}

fn summary(contents: &PageContents<'_>) -> Vec<SummaryEntry> {
    let (manifest, evaluation) = (contents.manifest, contents.evaluation);
    let [low, high] = evaluation.accuracy_interval;
    let accuracy = format!("{:.2} % ({:.2} to {:.2})", 100.0 * evaluation.accuracy, 100.0 * low, 100.0 * high);
    let of_split = |what: &str| format!("{} {what}", evaluation.split.title());
    let mut measured = vec![(of_split("accuracy"), accuracy)];
    if let Some(augmented) = evaluation.accuracy_tta {
        measured.push((of_split("accuracy, mirrored and shifted views"), format!("{:.2} %", 100.0 * augmented)));
    }
    measured.push((of_split("NLL"), format!("{:.4} nats", evaluation.nll)));
    measured.push((of_split("ECE"), format!("{:.4}", evaluation.ece)));
    let mut entries = vec![
        ("Parameters", evaluation.parameters.to_string()),
        ("MACs an image", format!("{:.2} million", evaluation.macs as f64 / 1e6)),
    ];
    if let Some(figures) = &manifest.figures {
        entries.push(("Training", format!("{:.1} minutes", figures.training_seconds / 60.0)));
        entries.push(("Training speed", format!("{:.0} images/s (median)", figures.images_per_second)));
        if let Some(bytes) = figures.peak_memory {
            entries.push(("Peak memory", format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))));
        }
    }
    let cpu = manifest.machine.cpu.as_deref().unwrap_or("unknown processor");
    entries.push(("Machine", format!("{cpu}, {} threads", manifest.threads)));
    if let Some(digests) = &manifest.digests {
        entries.push(("Digest", digests.all.clone()));
    }
    let others = entries.into_iter().map(|(name, value)| (name.to_owned(), value));
    measured.into_iter().chain(others).map(|(name, value)| SummaryEntry { name, value }).collect()
}
