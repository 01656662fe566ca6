//! The events of a run for TensorBoard: a file that grows with the epochs and ends with the figures.
//!
//! The file repeats what `metrics.jsonl` and the figures say, in TensorBoard's form. It is written from the history of the
//! training, never from memory of what was written before: whatever a start that was killed or interrupted left in it, it
//! holds every epoch once.

mod figures;
mod proto;
mod records;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use tinylsa_train::{EpochRecord, Progress};
use tracing::warn;

use crate::folder::{RunFolder, metrics_lines};
use crate::page::PageContents;
use figures::{EventImage, images};
use proto::{DataClass, DataType, Dimension, Event, Metadata, PluginData, Shape, Summary, Tensor, Value, What};
use records::hold;

/// The name of the file in a run directory; TensorBoard reads every file whose name has `tfevents` in it.
const EVENTS: &str = "events.out.tfevents.tinylsa";
/// What the first event of every file says.
const FILE_VERSION: &str = "brain.Event:2";

/// The event file of a run.
#[derive(Clone, Debug)]
pub(crate) struct EventFile {
    path: PathBuf,
    /// The resolved config.
    config: String,
}

impl EventFile {
    pub(crate) fn new(run_dir: &Path, config: &str) -> Self {
        Self { path: run_dir.join(EVENTS), config: config.to_owned() }
    }

    /// Removes what an earlier start of a run left that wanted events.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn remove(run_dir: &Path) -> Result<()> {
        match fs::remove_file(run_dir.join(EVENTS)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("failed to remove {EVENTS} of the earlier start"))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A listener that adds every epoch to the file and tells `progress` everything.
    ///
    /// # Errors
    /// If the epochs so far cannot be written.
    pub(crate) fn watching<'a>(
        &'a self,
        history: &[EpochRecord],
        progress: &'a mut dyn Progress,
    ) -> Result<WithEvents<'a>> {
        self.hold(history, &[])?;
        Ok(WithEvents { file: self, history: history.to_vec(), progress, has_failed: false })
    }

    /// Ends the file: every epoch, and the figures behind them.
    ///
    /// # Errors
    /// If a figure cannot be drawn or read; what the file system says.
    pub(crate) fn finish(&self, folder: &RunFolder, contents: &PageContents<'_>) -> Result<()> {
        self.hold(contents.history, &images(folder, contents)?)
    }

    fn hold(&self, history: &[EpochRecord], images: &[EventImage]) -> Result<()> {
        let epochs = history.iter().map(epoch).collect::<Result<Vec<Event>>>()?;
        let step = history.last().map_or(0, |record| record.step as i64);
        let events: Vec<Event> =
            [Event { wall_time: now(), step: 0, what: Some(What::FileVersion(FILE_VERSION.to_owned())) }]
                .into_iter()
                .chain([summary(0, vec![text("config", "toml", &self.config)])])
                .chain(epochs)
                .chain(images.iter().map(|shown| summary(step, vec![image(shown)])))
                .collect();
        hold(&self.path, &events).with_context(|| format!("failed to write {}", self.path.display()))
    }
}

/// A listener that adds every epoch to a file.
pub(crate) struct WithEvents<'a> {
    file: &'a EventFile,
    history: Vec<EpochRecord>,
    progress: &'a mut dyn Progress,
    has_failed: bool,
}

impl Progress for WithEvents<'_> {
    fn epoch_started(&mut self, epoch: usize, epochs: usize, images: usize) {
        self.progress.epoch_started(epoch, epochs, images);
    }

    fn step_done(&mut self, images: usize, loss: f64, accuracy: f64) {
        self.progress.step_done(images, loss, accuracy);
    }

    /// An epoch that cannot be written is no reason to stop a training: the file is written again at its end.
    fn epoch_finished(&mut self, record: &EpochRecord, best: bool) {
        self.history.push(record.clone());
        if let Err(error) = self.file.hold(&self.history, &[])
            && !std::mem::replace(&mut self.has_failed, true)
        {
            warn!("{error:#}; the training goes on, and the end of the run writes all epochs");
        }
        self.progress.epoch_finished(record, best);
    }

    fn checkpoint_written(&mut self, path: &Path) {
        self.progress.checkpoint_written(path);
    }
}

/// What an epoch measured: each number under its tag, and the line of `metrics.jsonl`, which has all their digits.
fn epoch(record: &EpochRecord) -> Result<Event> {
    let measured = [
        ("loss/train", record.train_loss),
        ("loss/validation", record.validation_loss),
        ("accuracy/train", record.train_accuracy),
        ("accuracy/validation", record.validation_accuracy),
        ("learning_rate", record.learning_rate),
        ("images_per_second", record.images_per_second),
        ("epoch", record.epoch as f64),
        ("epoch_seconds", record.seconds),
    ];
    let memory = record.peak_memory.map(|bytes| ("peak_memory", bytes as f64));
    let numbers = measured.into_iter().chain(memory).map(|(tag, number)| scalar(tag, number));
    let line = text("metrics", "json", &metrics_lines(std::slice::from_ref(record))?);
    Ok(summary(record.step as i64, numbers.chain([line]).collect()))
}

fn summary(step: i64, value: Vec<Value>) -> Event {
    Event { wall_time: now(), step, what: Some(What::Summary(Summary { value })) }
}

/// A number in the form that every reader knows, with 32 bits. TensorBoard shows no numbers of 64.
fn scalar(tag: &str, number: f64) -> Value {
    Value { tag: tag.to_owned(), number: Some(number as f32), tensor: None, metadata: None }
}

/// Lines of a language that are shown as they are.
fn text(tag: &str, language: &str, lines: &str) -> Value {
    let shown = format!("```{language}\n{lines}```\n");
    let tensor = Tensor { string_val: vec![shown.into_bytes()], ..tensor(&[]) };
    value(tag, tensor, "text", DataClass::Tensor)
}

/// An image is its width and its height in words, then its file.
fn image(shown: &EventImage) -> Value {
    let EventImage { tag, caption, png, size } = shown;
    let parts = [size[0].to_string().into_bytes(), size[1].to_string().into_bytes(), png.clone()];
    let tensor = Tensor { string_val: parts.to_vec(), ..tensor(&[3]) };
    let value = value(tag, tensor, "images", DataClass::BlobSequence);
    let metadata = value.metadata.map(|metadata| Metadata { summary_description: caption.clone(), ..metadata });
    Value { metadata, ..value }
}

/// Of strings, none of which is there yet.
fn tensor(shape: &[i64]) -> Tensor {
    let dim = shape.iter().map(|&size| Dimension { size }).collect();
    Tensor { dtype: DataType::String.into(), shape: Some(Shape { dim }), string_val: Vec::new() }
}

fn value(tag: &str, tensor: Tensor, plugin: &str, class: DataClass) -> Value {
    let metadata = Metadata {
        plugin_data: Some(PluginData { plugin_name: plugin.to_owned() }),
        summary_description: String::new(),
        data_class: class.into(),
    };
    Value { tag: tag.to_owned(), number: None, tensor: Some(tensor), metadata: Some(metadata) }
}

/// Seconds since 1970; a clock that is before that stands still.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests;
