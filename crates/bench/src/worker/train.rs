//! Whole training steps, as `tinylsa_train::train` makes them: images, forward, loss, backward, optimiser, average.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tinylsa_data::{BatchLoader, Dataset, ImageForm, LoaderConfig};
use tinylsa_kernels::profile;
use tinylsa_model::networks::{Network, NetworkConfig};
use tinylsa_model::{ModelConfig, load_predictor};
use tinylsa_train::{EpochRecord, Progress, TrainConfig, TrainingPlan, train};

use super::block::{BlockLength, block, counted, next_block, tell, version};
use crate::images::MeasuredImages;
use crate::protocol::{PhaseSeconds, Ready};
use tinylsa_experiment::machine::set_threads;

/// Steps of an epoch: more than a measurement takes, so that no validation falls into a block.
const STEPS: usize = 8192;
/// Batches whose preparation is timed.
const TIMED_BATCHES: usize = 8;

/// A training that is measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct TrainJob {
    pub(crate) model: NetworkConfig,
    /// Its batch size is the one that is measured.
    pub(crate) train: TrainConfig,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    pub(crate) images: MeasuredImages,
    pub(crate) block: BlockLength,
}

pub(super) fn serve(job: &TrainJob) -> Result<()> {
    set_threads(job.threads)?;
    let folder = tempfile::tempdir().context("failed to make a folder for checkpoints")?;
    let form = ImageForm { shape: job.model.input(), classes: job.model.classes() };
    let dataset = Arc::new(job.images.training(form)?);
    let plan = plan(job, &dataset, folder.path());
    let stop = AtomicBool::new(false);
    let mut steps = Steps {
        job,
        stop: &stop,
        preparation: seconds_of_a_batch(&plan)?,
        untimed: job.train.prefetch + 3,
        is_ready: false,
        last: Instant::now(),
        seconds: Vec::new(),
        failure: None,
    };
    let outcome = train(&plan, &stop, &mut steps);
    steps.failure.map_or(Ok(()), Err)?;
    outcome.map(|_| ()).context("the training that is measured failed")
}

/// One epoch without end, over the same images again and again.
fn plan(job: &TrainJob, dataset: &Arc<Dataset>, checkpoints: &Path) -> TrainingPlan<NetworkConfig> {
    let images = dataset.len() as u32;
    TrainingPlan {
        model: job.model.clone(),
        train: TrainConfig { epochs: 1000, steps: None, checkpoint_steps: 0, patience: 0, ..job.train.clone() },
        seed: job.seed,
        dataset: Arc::clone(dataset),
        train_indices: (0..images).cycle().take(STEPS * job.train.batch_size).collect(),
        validation_indices: (0..images.min(10)).collect(),
        device: Device::flex(),
        checkpoints: checkpoints.to_owned(),
        load_teacher: load_predictor::<Network>,
    }
}

/// What preparing a batch costs the thread that does it, beside the training.
fn seconds_of_a_batch(plan: &TrainingPlan<NetworkConfig>) -> Result<f64> {
    let config = LoaderConfig {
        indices: plan.train_indices[..TIMED_BATCHES * plan.train.batch_size].into(),
        batch_size: plan.train.batch_size,
        seed: plan.seed,
        epoch: 0,
        shuffle: true,
        augmentation: Some(plan.train.augmentation.clone()),
        mixing: plan.train.mixing.clone(),
        drop_last: true,
        first_batch: 0,
        prefetch: 0,
    };
    let loader = BatchLoader::new(Arc::clone(&plan.dataset), config)?;
    let started = Instant::now();
    let batches = loader.filter(|batch| !batch.is_empty()).count();
    Ok(started.elapsed().as_secs_f64() / batches as f64)
}

/// Listens to the training and cuts it into blocks: between two of them the training stands still in here.
struct Steps<'a> {
    job: &'a TrainJob,
    stop: &'a AtomicBool,
    /// Seconds that preparing a batch costs.
    preparation: f64,
    /// Steps to come before timing begins. They empty the queue of batches that were prepared during the wait, so that
    /// a block pays for as many batches as it uses.
    untimed: usize,
    is_ready: bool,
    last: Instant,
    seconds: Vec<f64>,
    failure: Option<anyhow::Error>,
}

impl Steps<'_> {
    fn step(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.untimed > 0 {
            self.untimed -= 1;
            if self.untimed == 0 && !self.is_ready {
                self.is_ready = true;
                tell(&Ready { version: version(), difference: None, memory: None, batch_size: None })?;
                return self.wait();
            }
            if self.untimed == 0 {
                profile::start();
            }
        } else {
            self.seconds.push((now - self.last).as_secs_f64());
            if self.job.block.is_over(&self.seconds) {
                self.answer()?;
                return self.wait();
            }
        }
        self.last = Instant::now();
        Ok(())
    }

    fn answer(&mut self) -> Result<()> {
        let mut phases = counted();
        let seconds = std::mem::take(&mut self.seconds);
        let preparation = self.preparation * seconds.len() as f64;
        phases.push(PhaseSeconds { name: PREPARATION.to_owned(), seconds: preparation, flops: 0 });
        tell(&block(seconds, phases))
    }

    fn wait(&mut self) -> Result<()> {
        self.untimed = self.job.train.prefetch + 1;
        if next_block()?.is_none() {
            self.stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The phase that runs on a thread of its own, beside the others.
pub(crate) const PREPARATION: &str = "images, beside the step";

impl Progress for Steps<'_> {
    fn epoch_started(&mut self, _epoch: usize, _epochs: usize, _images: usize) {}

    fn step_done(&mut self, _images: usize, _loss: f64, _accuracy: f64) {
        if self.failure.is_some() {
            return;
        }
        if let Err(error) = self.step() {
            self.failure = Some(error);
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn epoch_finished(&mut self, _record: &EpochRecord, _best: bool) {}

    fn checkpoint_written(&mut self, _path: &Path) {}
}
