//! The plan of a training run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use sha2::{Digest, Sha256};
use tinylsa_data::{Dataset, LoaderError, SplitIndices};
use tinylsa_model::{ModelConfig, ModelFile, load_predictor};

use crate::checkpoint::{CheckpointForm, Environment, Layout, Schedule};
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::optimizer::OptimizerKind;
use crate::targets::{LoadTeacher, Teachers, require_classes};
use tinylsa_system::{available_memory, hexadecimal};

/// What is trained, on what, and where its checkpoints go.
#[derive(Clone, Debug)]
pub struct TrainingPlan<C> {
    /// The network.
    pub model: C,
    /// The recipe.
    pub train: TrainConfig,
    /// Seed of the initial weights, the order, the augmentation, and what the network draws itself.
    pub seed: u64,
    /// The images.
    pub dataset: Arc<Dataset>,
    /// Which of them are trained on.
    pub train_indices: Arc<[u32]>,
    /// Which of them every choice is made on.
    pub validation_indices: Arc<[u32]>,
    /// Where to compute; without automatic differentiation, which the loop adds itself.
    pub device: Device,
    /// The directory of the checkpoints; it is made if it does not exist.
    pub checkpoints: PathBuf,
    /// How the teachers of `train.distillation` are read.
    pub load_teacher: LoadTeacher,
}

/// The network that a training run begins with.
#[derive(Debug)]
pub(crate) struct InitialModel<M> {
    /// On a device with automatic differentiation.
    pub(crate) model: M,
    /// SHA-256 of the file that its weights are from, in hexadecimal; nothing if they were drawn.
    pub(crate) sha256: Option<String>,
}

impl<C: ModelConfig> TrainingPlan<C> {
    /// The plan with the default recipe, seed 0, on the CPU, and with teachers of the network's own kind.
    pub fn new(model: C, dataset: Dataset, split: SplitIndices, checkpoints: &Path) -> Self {
        Self {
            model,
            train: TrainConfig::default(),
            seed: 0,
            dataset: Arc::new(dataset),
            train_indices: split.train.into(),
            validation_indices: split.validation.into(),
            device: Device::flex(),
            checkpoints: checkpoints.to_owned(),
            load_teacher: load_predictor::<C::Model>,
        }
    }

    /// Refuses settings out of range, too few images, and images that the network was not made for.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        self.train.validate()?;
        self.model.validate()?;
        let (found, expected) = (self.dataset.shape, self.model.input());
        if found != expected {
            return Err(TrainError::ImageShape { found, expected });
        }
        if self.steps_per_epoch() == 0 {
            let (images, batch_size) = (self.train_indices.len(), self.train.batch_size);
            return Err(TrainError::TooFewImages { images, batch_size });
        }
        if self.validation_indices.is_empty() {
            return Err(TrainError::NoValidationImages);
        }
        self.train.augmentation.validate_for(found).map_err(|error| error.within("augmentation"))?;
        self.require_indices()?;
        self.require_known_labels()?;
        self.dataset.check()?;
        self.require_memory()
    }

    pub(crate) fn initial_model(&self) -> Result<InitialModel<C::Model>, TrainError> {
        let device = self.device.clone().autodiff();
        let Some(path) = &self.train.initial_weights else {
            return Ok(InitialModel { model: self.model.init_with_seed(self.seed, &device)?, sha256: None });
        };
        let loaded = C::Model::load(path, &device)
            .map_err(|source| TrainError::InitialWeights { path: path.clone(), source })?;
        if loaded.metadata.config != self.model {
            return Err(TrainError::OtherNetwork { path: path.clone() });
        }
        require_classes(path, &loaded.metadata.class_names, &self.class_names())?;
        Ok(InitialModel { model: loaded.model, sha256: Some(loaded.sha256) })
    }

    pub(crate) fn teachers(&self) -> Result<Teachers, TrainError> {
        Teachers::load(&self.train.distillation, &self.model, &self.class_names(), self.load_teacher)
    }

    fn class_names(&self) -> Vec<&str> {
        self.dataset.class_names.iter().map(String::as_str).collect()
    }

    /// Refuses batches that the memory of this machine cannot hold, before any is asked for.
    fn require_memory(&self) -> Result<(), TrainError> {
        let batch_size = self.train.batch_size;
        match (self.model.known_training_memory(batch_size), available_memory()) {
            (Some(needed), Some(available)) if needed > available => {
                Err(TrainError::Memory { batch_size, needed, available })
            }
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    fn require_indices(&self) -> Result<(), TrainError> {
        let len = self.dataset.len();
        for indices in [&self.train_indices, &self.validation_indices] {
            if let Some(position) = indices.iter().position(|&index| index as usize >= len) {
                return Err(LoaderError::Index { index: indices[position], position, len }.into());
            }
        }
        Ok(())
    }

    fn require_known_labels(&self) -> Result<(), TrainError> {
        let classes = self.model.classes();
        let label = |index: u32| self.dataset.label(index as usize);
        let mut indices = self.train_indices.iter().chain(&*self.validation_indices).copied();
        match indices.find(|&index| label(index) as usize >= classes) {
            Some(index) => Err(TrainError::Label { index, label: label(index), classes }),
            None => Ok(()),
        }
    }

    pub(crate) fn steps_per_epoch(&self) -> usize {
        self.train_indices.len() / self.train.batch_size
    }

    pub(crate) fn schedule(&self) -> Schedule {
        let TrainConfig { epochs, steps, batch_size, .. } = self.train;
        let steps_per_epoch = self.steps_per_epoch();
        Schedule { steps: steps.unwrap_or(epochs * steps_per_epoch), steps_per_epoch, batch_size }
    }

    /// What a checkpoint of this plan holds; `model` is the plan's, with automatic differentiation.
    pub(crate) fn checkpoint_form(&self, experiment: String, model: &C::Model) -> CheckpointForm {
        CheckpointForm {
            experiment,
            environment: Environment::here(),
            burn_products: self.uses_burn_products(),
            layout: Layout::of(model, &self.train.optimizer),
            schedule: self.schedule(),
        }
    }

    /// Muon multiplies by burn, as some networks do, and off Flex everything is computed by burn.
    fn uses_burn_products(&self) -> bool {
        self.train.optimizer.kind == OptimizerKind::Muon
            || self.model.uses_burn_operations()
            || self.device != Device::flex()
    }

    /// SHA-256 of everything that the result depends on. How far ahead batches are prepared, how often checkpoints are
    /// written and where teachers and initial weights lie is not part of it; what they are is.
    pub(crate) fn digest(&self, teachers: &Teachers, initial: &InitialModel<C::Model>) -> Result<String, TrainError> {
        let mut train = TrainConfig { prefetch: 0, checkpoint_steps: 0, initial_weights: None, ..self.train.clone() };
        train.distillation.teachers.clear();
        let mut hash = Sha256::new();
        teachers.digests().for_each(|digest| hash.update(digest));
        hash.update(format!("{:?}", initial.sha256));
        let model = serde_json::to_string(&self.model).map_err(TrainError::ConfigForm)?;
        hash.update(format!("{} {model}\n{train:?}\n{}\n", self.model.kind(), self.seed));
        for indices in [&self.train_indices, &self.validation_indices] {
            hash.update((indices.len() as u64).to_le_bytes());
            indices.iter().for_each(|index| hash.update(index.to_le_bytes()));
        }
        hash.update(&self.dataset.images);
        hash.update(self.dataset.label_bytes());
        Ok(hexadecimal(&hash.finalize()))
    }
}
