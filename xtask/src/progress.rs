//! What experiments say while they run.

use std::path::Path;

use anyhow::Result;
use tinylsa_experiment::{RunProgress, StartedRun};
use tinylsa_explain::{ExplainProgress, MethodId};
use tinylsa_model::Cost;
use tinylsa_train::{EpochRecord, Progress};
use tracing::{debug, info};

use crate::logging::{ProgressBar, TrainingBar};
use crate::outcome::say;
use crate::table::table;

/// Shows a training as a bar an epoch and a line at its end.
#[derive(Debug, Default)]
struct TrainingProgress {
    bar: TrainingBar,
    epochs: usize,
}

/// Shows an experiment: what its network costs, then its training, then its explanations.
#[derive(Debug)]
pub(crate) struct ExperimentProgress {
    training: TrainingProgress,
    explaining: ExplainBar,
    /// Whether everything that was said was written.
    said: Result<()>,
}

impl Default for ExperimentProgress {
    fn default() -> Self {
        Self { training: TrainingProgress::default(), explaining: ExplainBar::default(), said: Ok(()) }
    }
}

impl ExperimentProgress {
    /// # Errors
    /// If something could not be written to standard output. The experiment went on all the same.
    pub(crate) fn end(self) -> Result<()> {
        self.said
    }
}

impl RunProgress for ExperimentProgress {
    fn run_started(&mut self, run: &StartedRun<'_>) {
        self.said = say(cost_table(run.cost));
    }
}

impl Progress for ExperimentProgress {
    fn epoch_started(&mut self, epoch: usize, epochs: usize, images: usize) {
        self.training.epoch_started(epoch, epochs, images);
    }

    fn step_done(&mut self, images: usize, loss: f64, accuracy: f64) {
        self.training.step_done(images, loss, accuracy);
    }

    fn epoch_finished(&mut self, record: &EpochRecord, best: bool) {
        self.training.epoch_finished(record, best);
    }

    fn checkpoint_written(&mut self, path: &Path) {
        self.training.checkpoint_written(path);
    }
}

impl ExplainProgress for ExperimentProgress {
    fn started(&mut self, explanations: usize) {
        self.explaining.started(explanations);
    }

    fn explained(&mut self, image: &str, method: MethodId) {
        self.explaining.explained(image, method);
    }
}

/// What every layer costs.
fn cost_table(cost: &Cost) -> String {
    let layers = cost.layers.iter().map(|layer| {
        let output = layer.output.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        [layer.name.clone(), output, layer.parameters.to_string(), layer.macs.to_string()]
    });
    let total = ["total".to_owned(), String::new(), cost.parameters().to_string(), cost.macs().to_string()];
    table(2, ["layer", "output", "parameters", "MACs"], layers.chain([total]))
}

impl Progress for TrainingProgress {
    fn epoch_started(&mut self, epoch: usize, epochs: usize, images: usize) {
        self.epochs = epochs;
        self.bar.start(format!("epoch {epoch} of {epochs}"), images as u64);
    }

    fn step_done(&mut self, images: usize, loss: f64, accuracy: f64) {
        self.bar.advance(images as u64, loss, accuracy);
    }

    fn epoch_finished(&mut self, record: &EpochRecord, best: bool) {
        self.bar.finish();
        info!(
            "epoch {} of {}: loss {:.4}, accuracy {:.2} % | validation loss {:.4}, accuracy {:.2} %{} | \
             learning rate {:.2e}, {:.0} images/s, {:.0} s",
            record.epoch,
            self.epochs,
            record.train_loss,
            100.0 * record.train_accuracy,
            record.validation_loss,
            100.0 * record.validation_accuracy,
            if best { " (best)" } else { "" },
            record.learning_rate,
            record.images_per_second,
            record.seconds,
        );
    }

    fn checkpoint_written(&mut self, path: &Path) {
        debug!("wrote {}", path.display());
    }
}

/// Shows explanations as a bar over all images and methods.
#[derive(Debug, Default)]
pub(crate) struct ExplainBar {
    bar: Option<ProgressBar>,
}

impl ExplainProgress for ExplainBar {
    fn started(&mut self, explanations: usize) {
        self.bar = Some(ProgressBar::start("explaining", explanations as u64, "explanations"));
    }

    fn explained(&mut self, image: &str, method: MethodId) {
        if let Some(bar) = &mut self.bar {
            bar.advance(1, &format!("{image} by {method}"));
        }
    }
}
