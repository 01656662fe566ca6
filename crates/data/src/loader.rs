use std::panic;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use rand::seq::SliceRandom;
use thiserror::Error;
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::InvalidSetting;

use crate::augmentation::{AugmentationConfig, AugmentationKey, augment};
use crate::dataset::{Dataset, DatasetError, to_unit};
use crate::mixing::{MixingConfig, Mixture, mix};

const SHUFFLE: Purpose = Purpose::new("data/shuffle");

/// What one pass over the images is made of. Apart from `prefetch`, which only says who prepares the batches and how
/// far ahead, equal configs give equal bits.
#[derive(Clone, Debug)]
pub struct LoaderConfig {
    /// The images of the pass, as indices into the dataset.
    pub indices: Arc<[u32]>,
    /// Images per batch, at least 1.
    pub batch_size: usize,
    /// Seed of the order and of the augmentation.
    pub seed: u64,
    /// The epoch; every epoch has its own order and variations.
    pub epoch: u64,
    /// Whether the order is random rather than that of `indices`.
    pub shuffle: bool,
    /// How the images are varied; `None` for evaluation.
    pub augmentation: Option<AugmentationConfig>,
    /// How the varied images are mixed with each other.
    pub mixing: MixingConfig,
    /// Whether a last batch with fewer images is left out.
    pub drop_last: bool,
    /// The first batch to prepare, so that an interrupted epoch goes on where it stopped.
    pub first_batch: usize,
    /// Batches prepared ahead on a thread of their own; with 0 each is prepared on the calling thread when asked for.
    pub prefetch: usize,
}

/// A pass that cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoaderError {
    /// The batch size is zero.
    #[error("the batch size is 0, expected at least 1")]
    BatchSize,
    /// An index lies outside the dataset.
    #[error("index {index} at position {position} names no image, expected less than {len}")]
    Index {
        /// The index.
        index: u32,
        /// Where it stands among the indices.
        position: usize,
        /// The number of images in the dataset.
        len: usize,
    },
    /// The dataset's images and labels do not belong together.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A setting of the augmentation or of the mixing is outside its range.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// The thread that prepares the batches cannot be started.
    #[error("the thread that prepares batches cannot be started: {0}")]
    Thread(std::io::Error),
}

/// Some images, ready for a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Values 0 to 1: `[len, channels, height, width]`.
    pub images: Vec<f32>,
    /// Class of every image, `[len]`.
    pub labels: Vec<u32>,
    /// What the label of every image is mixed of, `[len]`; empty if none is mixed.
    pub mixtures: Vec<Mixture>,
    /// Index of every image in the dataset, `[len]`.
    pub indices: Vec<u32>,
    /// Which batch of the epoch this is, from 0, also when the epoch was taken up in the middle.
    pub position: usize,
}

impl Batch {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image; never true of a batch from a [`BatchLoader`].
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// An iterator over the batches of one epoch, prepared on a thread of its own through a bounded queue. Dropping it
/// early ends the thread.
#[derive(Debug)]
pub struct BatchLoader {
    batches: usize,
    /// The position of the batch that [`next`](Iterator::next) gives.
    position: usize,
    supply: Supply,
}

#[derive(Debug)]
enum Supply {
    Here(Plan),
    Ahead { queue: Option<Receiver<Batch>>, worker: Option<JoinHandle<()>> },
}

impl BatchLoader {
    /// Begins one pass over `dataset`.
    ///
    /// # Errors
    /// [`LoaderError`] if the config does not fit the dataset.
    pub fn new(dataset: Arc<Dataset>, config: LoaderConfig) -> Result<Self, LoaderError> {
        check(&dataset, &config)?;
        let (first_batch, prefetch) = (config.first_batch, config.prefetch);
        let plan = Plan::new(dataset, config);
        let batches = plan.batches();
        let supply = if prefetch == 0 { Supply::Here(plan) } else { ahead(plan, first_batch, prefetch)? };
        Ok(Self { batches, position: first_batch.min(batches), supply })
    }

    /// The number of batches of the whole epoch, those before `first_batch` included.
    pub fn batches(&self) -> usize {
        self.batches
    }
}

impl Iterator for BatchLoader {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        if self.position == self.batches {
            return None;
        }
        let batch = match &mut self.supply {
            Supply::Here(plan) => plan.batch(self.position),
            Supply::Ahead { queue, worker } => {
                if let Ok(batch) = queue.as_ref()?.recv() {
                    batch
                } else {
                    // the queue closes early only if the thread panicked, and that panic is the caller's to see
                    if let Some(Err(payload)) = worker.take().map(JoinHandle::join) {
                        panic::resume_unwind(payload);
                    }
                    return None;
                }
            }
        };
        self.position += 1;
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.batches - self.position;
        (left, Some(left))
    }
}

impl ExactSizeIterator for BatchLoader {}

impl Drop for BatchLoader {
    fn drop(&mut self) {
        if let Supply::Ahead { queue, worker } = &mut self.supply {
            // without a receiver the thread's next send fails, and it returns
            drop(queue.take());
            if let Some(worker) = worker.take() {
                let _ = worker.join();
            }
        }
    }
}

fn check(dataset: &Dataset, config: &LoaderConfig) -> Result<(), LoaderError> {
    if config.batch_size == 0 {
        return Err(LoaderError::BatchSize);
    }
    dataset.check()?;
    if let Some(position) = config.indices.iter().position(|&index| index as usize >= dataset.len()) {
        return Err(LoaderError::Index { index: config.indices[position], position, len: dataset.len() });
    }
    if let Some(augmentation) = &config.augmentation {
        augmentation.validate_for(dataset.shape)?;
    }
    config.mixing.validate()?;
    Ok(())
}

fn ahead(plan: Plan, first_batch: usize, prefetch: usize) -> Result<Supply, LoaderError> {
    let (sender, queue) = sync_channel(prefetch);
    let work = move || {
        for position in first_batch..plan.batches() {
            if sender.send(plan.batch(position)).is_err() {
                return;
            }
        }
    };
    let worker = thread::Builder::new().name("batches".to_owned()).spawn(work).map_err(LoaderError::Thread)?;
    Ok(Supply::Ahead { queue: Some(queue), worker: Some(worker) })
}

/// One epoch with its order decided: every batch is a pure function of its position.
#[derive(Debug)]
struct Plan {
    dataset: Arc<Dataset>,
    order: Arc<[u32]>,
    config: LoaderConfig,
}

impl Plan {
    fn new(dataset: Arc<Dataset>, config: LoaderConfig) -> Self {
        let mut order = config.indices.clone();
        if config.shuffle {
            let draw = Draw { seed: config.seed, purpose: SHUFFLE, epoch: config.epoch, index: 0 };
            Arc::make_mut(&mut order).shuffle(&mut draw.generator());
        }
        Self { dataset, order, config }
    }

    fn batches(&self) -> usize {
        let (images, size) = (self.order.len(), self.config.batch_size);
        if self.config.drop_last { images / size } else { images.div_ceil(size) }
    }

    fn batch(&self, position: usize) -> Batch {
        let start = position * self.config.batch_size;
        let end = self.order.len().min(start + self.config.batch_size);
        let indices = self.order[start..end].to_vec();
        let mut images = Vec::with_capacity(indices.len() * self.dataset.shape.values());
        for &index in &indices {
            images.extend(self.image(index));
        }
        let labels: Vec<u32> = indices.iter().map(|&index| self.dataset.label(index as usize)).collect();
        let mixing = &self.config.mixing;
        let mixtures = if mixing.is_active() {
            let keys = indices.iter().map(|&index| self.key(index));
            mix(&mut images, self.dataset.shape, &labels, mixing, keys)
        } else {
            Vec::new()
        };
        Batch { images, labels, mixtures, indices, position }
    }

    fn image(&self, index: u32) -> Vec<f32> {
        let image = self.dataset.image(index as usize);
        let Some(augmentation) = &self.config.augmentation else { return to_unit(image) };
        augment(image, self.dataset.shape, augmentation, self.key(index))
    }

    fn key(&self, index: u32) -> AugmentationKey {
        AugmentationKey { seed: self.config.seed, epoch: self.config.epoch, index: index.into() }
    }
}

#[cfg(test)]
mod tests;
