//! A tiny hybrid image classifier: convolutions, then linear self-attention, in fewer than half a million weights.
//!
//! The network is a [`TinyCnnLsa`]. It is described by a [`TinyCnnLsaConfig`] of plain numbers and made by
//! [`TinyCnnLsaConfig::init`] on any burn device. It takes grey pictures with values from 0 (black) to 1 (white), as
//! they come from a file: the normalisation of the training set is part of the network, so that an explanation of the
//! network is an explanation in terms of the picture's own pixels.
//!
//! Three forward passes, one formula:
//! - [`TinyCnnLsa::forward`] evaluates, with the running statistics of the batch normalisations;
//! - [`TinyCnnLsa::forward_training`] uses the statistics of the batch and returns them. It changes nothing: whoever
//!   trains hands them to [`TinyCnnLsa::update_running`]. A forward pass with hidden side effects could neither be
//!   repeated nor be resumed to the same bits;
//! - [`TinyCnnLsa::forward_traced`] evaluates and returns what every attention layer did, the N × N attention matrix
//!   included, which linear attention never forms but which can be recovered from it exactly.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tinylsa_model::TinyCnnLsaConfig;
//!
//! let device = Device::flex();
//! let config = TinyCnnLsaConfig::default();
//! assert!(config.cost().parameters() < 500_000);
//!
//! let model = config.init(&device)?;
//! let pictures = Tensor::<4>::zeros([2, 1, 28, 28], &device);
//! let trace = model.forward_traced(pictures.clone());
//! assert_eq!(model.forward(pictures).dims(), [2, 10]);
//! assert_eq!(trace.layers[0].attention.dims(), [2, config.attention.heads, config.tokens(), config.tokens()]);
//! # Ok::<(), tinylsa_settings::InvalidSetting>(())
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod architecture;
mod attention;
mod baselines;
mod classifier;
mod config;
mod cost;
mod file;
mod folding;
mod inference;
mod initial;
mod layers;
mod memory;
mod modules;
mod network;
mod path;
mod precision;
mod predictor;
#[cfg(feature = "pretrained")]
mod pretrained;
mod random;
mod shapes;
mod state;
mod stem;
mod tinycnn_lsa;
mod trace;

pub use tinylsa_settings::InvalidSetting;
pub use tinylsa_shape::ImageShape;

pub use baselines::{Baseline, BaselineInput};
pub use classifier::{Classifier, InitError, ModelConfig, TrainingOutput};
pub use config::{AttentionConfig, AttentionKind, FeatureMap, StageConfig, TinyCnnLsaConfig};
pub use cost::{Cost, LayerCost};
pub use file::{
    HeldOut, LoadedModel, LogitError, ModelFileError, ModelMetadata, TEMPERATURES, model_kind, model_to_safetensors,
    read_model_file, require_sound, state_from_safetensors, state_to_safetensors,
};
pub use inference::{Classification, ClassifyError, InferenceModel, LoadedInferenceModel, RankedClass};
pub use layers::{BatchStatistics, EPSILON};
pub use modules::{ModuleLayer, module_layers};
pub use network::TinyCnnLsa;
pub use path::ModulePath;
pub use precision::Precision;
pub use predictor::{ForwardPredictor, LoadedPredictor, PixelError, Predictor, load_predictor};
pub use random::{GeneratorBusy, with_burn_seed};
pub use shapes::TensorShapes;
pub use state::{HostTensor, State, StateError, gradients_of, state_of, values_of, with_state};
pub use trace::{LayerTrace, Trace};
