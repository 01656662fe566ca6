//! What training and explaining say while they run.

use std::path::Path;

use tinylsa_explain::{ExplainProgress, Method};
use tinylsa_train::{EpochRecord, Progress};
use tracing::{debug, info};

use crate::logging::{ProgressBar, TrainingBar};

/// Shows a training as a bar an epoch and a line at its end.
#[derive(Debug, Default)]
pub(crate) struct TrainingProgress {
    bar: TrainingBar,
    epochs: usize,
}

impl Progress for TrainingProgress {
    fn epoch_started(&mut self, epoch: usize, epochs: usize, pictures: usize) {
        self.epochs = epochs;
        self.bar.start(format!("epoch {epoch} of {epochs}"), pictures as u64);
    }

    fn step_done(&mut self, pictures: usize, loss: f64, accuracy: f64) {
        self.bar.advance(pictures as u64, loss, accuracy);
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

    fn explained(&mut self, image: &str, method: Method) {
        if let Some(bar) = &mut self.bar {
            bar.advance(1, &format!("{image} by {method}"));
        }
    }
}
