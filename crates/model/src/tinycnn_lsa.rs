//! Our network as a [`Classifier`].

use burn::tensor::{Device, Tensor};
use tinylsa_settings::InvalidSetting;
use tinylsa_shape::ImageShape;

use crate::classifier::{Classifier, ModelConfig, TrainingOutput};
use crate::config::{AttentionKind, TinyCnnLsaConfig};
use crate::cost::Cost;
use crate::file::{ModelFileError, require_finite_folds, require_sound};
use crate::init_error::InitError;
use crate::layers::BatchStatistics;
use crate::network::TinyCnnLsa;
use crate::predictor::Predictor;
use crate::shapes::TensorShapes;
use crate::state::State;

impl Classifier for TinyCnnLsa {
    type Config = TinyCnnLsaConfig;

    fn config(&self) -> &TinyCnnLsaConfig {
        TinyCnnLsa::config(self)
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        TinyCnnLsa::forward(self, images)
    }

    fn forward_training(&self, images: Tensor<4>) -> TrainingOutput {
        TinyCnnLsa::forward_training(self, images)
    }

    fn update_running(self, statistics: Vec<BatchStatistics>, momentum: f64) -> Self {
        TinyCnnLsa::update_running(self, statistics, momentum)
    }

    fn draws_random_numbers(&self) -> bool {
        false
    }

    fn predictor(&self) -> Box<dyn Predictor> {
        Box::new(self.for_inference())
    }
}

impl ModelConfig for TinyCnnLsaConfig {
    type Model = TinyCnnLsa;

    const KIND: &'static str = "tinycnn-lsa";

    fn input(&self) -> ImageShape {
        self.input
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn init(&self, device: &Device) -> Result<TinyCnnLsa, InvalidSetting> {
        TinyCnnLsaConfig::init(self, device)
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        TinyCnnLsaConfig::validate(self)
    }

    fn init_with_seed(&self, seed: u64, device: &Device) -> Result<TinyCnnLsa, InitError> {
        Ok(self.init_for_loading(device)?.with_initial_weights(seed))
    }

    fn init_for_loading(&self, device: &Device) -> Result<TinyCnnLsa, InitError> {
        self.validate()?;
        Ok(TinyCnnLsa::zeros(self, device))
    }

    fn known_cost(&self) -> Option<Cost> {
        Some(self.cost())
    }

    fn known_shapes(&self) -> Option<TensorShapes> {
        Some(self.tensor_shapes())
    }

    fn known_training_memory(&self, batch_size: usize) -> Option<u64> {
        Some(self.training_memory(batch_size))
    }

    /// Softmax attention, the control, is computed by burn.
    fn uses_burn_operations(&self) -> bool {
        self.attention.kind == AttentionKind::Softmax
    }

    fn require_usable(&self, state: &State) -> Result<(), ModelFileError> {
        require_sound(state)?;
        require_finite_folds(state)
    }
}
