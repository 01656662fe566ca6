//! The plan of a training run.

use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;
use sha2::{Digest, Sha256};
use tinylsa_data::Dataset;
use tinylsa_model::{AttentionKind, TinyCnnLsa, TinyCnnLsaConfig};

use crate::checkpoint::{CheckpointForm, Environment, Layout, Schedule};
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::optimizer::OptimizerKind;
use crate::targets::Teachers;
use tinylsa_system::{available_memory, hexadecimal};

/// What is trained, on what, and where its checkpoints go.
#[derive(Clone, Debug)]
pub struct TrainingPlan {
    /// The network.
    pub model: TinyCnnLsaConfig,
    /// The training.
    pub train: TrainConfig,
    /// Seed of the initial weights, the order and the augmentation.
    pub seed: u64,
    /// The pictures.
    pub dataset: Arc<Dataset>,
    /// Which of them are learnt from.
    pub train_indices: Arc<[u32]>,
    /// Which of them every choice is made on.
    pub validation_indices: Arc<[u32]>,
    /// Where to compute; without automatic differentiation, which the loop adds itself.
    pub device: Device,
    /// A folder that exists once the training runs.
    pub checkpoints: PathBuf,
}

impl TrainingPlan {
    /// Refuses settings out of range, too few pictures, and pictures of classes that the network does not have.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        self.train.validate()?;
        if self.steps_per_epoch() == 0 {
            let (pictures, batch_size) = (self.train_indices.len(), self.train.batch_size);
            return Err(TrainError::TooFewPictures { pictures, batch_size });
        }
        if self.validation_indices.is_empty() {
            return Err(TrainError::NoValidationImages);
        }
        self.require_known_labels()?;
        self.require_memory()
    }

    pub(crate) fn initial_model(&self) -> Result<TinyCnnLsa, TrainError> {
        let model = self.model.init(&self.device.clone().autodiff())?;
        Ok(model.with_initial_weights(self.seed))
    }

    pub(crate) fn teachers(&self) -> Result<Teachers, TrainError> {
        let class_names: Vec<&str> = self.dataset.class_names.iter().map(String::as_str).collect();
        Teachers::load(&self.train.distillation, &self.model, &class_names)
    }

    /// Refuses batches that the memory of this machine cannot hold, before any is asked for.
    fn require_memory(&self) -> Result<(), TrainError> {
        self.model.validate()?;
        let batch_size = self.train.batch_size;
        let needed = self.model.training_memory(batch_size);
        match available_memory() {
            Some(available) if needed > available => Err(TrainError::Memory { batch_size, needed, available }),
            Some(_) | None => Ok(()),
        }
    }

    fn require_known_labels(&self) -> Result<(), TrainError> {
        let classes = self.model.classes;
        let label = |index: u32| self.dataset.label(index as usize);
        let indices = self
            .train_indices
            .iter()
            .chain(&*self.validation_indices)
            .filter(|&&index| (index as usize) < self.dataset.len());
        match indices.copied().find(|&index| label(index) as usize >= classes) {
            Some(index) => Err(TrainError::Label { index, label: label(index), classes }),
            None => Ok(()),
        }
    }

    pub(crate) fn steps_per_epoch(&self) -> usize {
        self.train_indices.len() / self.train.batch_size
    }

    /// What a checkpoint of this plan holds; `model` is the plan's, with automatic differentiation.
    pub(crate) fn checkpoint_form(&self, experiment: String, model: &TinyCnnLsa) -> CheckpointForm {
        CheckpointForm {
            experiment,
            environment: Environment::here(),
            burn_products: self.uses_burn_products(),
            layout: Layout::of(model, &self.train.optimizer),
            schedule: Schedule {
                epochs: self.train.epochs,
                steps_per_epoch: self.steps_per_epoch(),
                batch_size: self.train.batch_size,
            },
        }
    }

    /// Muon and softmax attention multiply by burn, and off Flex everything is computed by burn.
    fn uses_burn_products(&self) -> bool {
        self.train.optimizer.kind == OptimizerKind::Muon
            || self.model.attention.kind == AttentionKind::Softmax
            || self.device != Device::flex()
    }

    /// SHA-256 of everything that the result depends on. How far ahead batches are prepared, how often checkpoints are
    /// written and where teachers lie is not part of it; what they are is.
    pub(crate) fn digest(&self, teachers: &Teachers) -> String {
        let mut train = TrainConfig { prefetch: 0, checkpoint_steps: 0, ..self.train.clone() };
        train.distillation.teachers.clear();
        let mut hash = Sha256::new();
        teachers.digests().for_each(|digest| hash.update(digest));
        hash.update(format!("{:?}\n{train:?}\n{}\n", self.model, self.seed));
        for indices in [&self.train_indices, &self.validation_indices] {
            hash.update((indices.len() as u64).to_le_bytes());
            indices.iter().for_each(|index| hash.update(index.to_le_bytes()));
        }
        hash.update(&self.dataset.images);
        hash.update(self.dataset.label_bytes());
        hexadecimal(&hash.finalize())
    }
}
