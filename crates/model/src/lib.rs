//! Image classifiers: what a network must offer to be trained, evaluated, saved and loaded, and a tiny hybrid network
//! that does, convolutions, then linear self-attention, in fewer than half a million weights.
//!
//! # Any network
//! [`Classifier`] is the one trait of what is trained, [`ModelConfig`] that of its config. A module of stock burn layers
//! implements both in a few lines ([`Classifier`] shows one). [`ModelFile::to_safetensors`] writes a file that holds kind,
//! config, class names and weights; [`ModelFile::load`] makes the network again from the file alone. A [`Predictor`] is a
//! network in evaluation as whoever measures it sees it: from pixels to logits.
//!
//! [`max_pool2x2`] is a maximum pooling for such a module whose gradient is shared equally among equal values, so that what
//! an explanation shows over flat ground is not decided by rounding.
//!
//! # This network
//! [`TinyCnnLsa`] is described by a [`TinyCnnLsaConfig`] of plain numbers. It takes images with values from 0 to 1, as they
//! come from a file: the normalisation of the training set is part of the network, so that an explanation of the network
//! is an explanation in terms of the image's own pixels.
//!
//! Three forward passes, one formula:
//! - [`TinyCnnLsa::forward`] evaluates, with the running statistics of the batch normalisations;
//! - [`TinyCnnLsa::forward_training`] uses the statistics of the batch and returns them. It changes nothing: whoever
//!   trains hands them to [`TinyCnnLsa::update_running`]. A forward pass with hidden side effects could neither be
//!   repeated nor be resumed to the same bits;
//! - [`TinyCnnLsa::forward_traced`] evaluates and returns what every attention layer did, the N × N attention matrix
//!   included, which linear attention never forms but which can be recovered from it exactly.
//!
//! [`TinyCnnLsa::feature_map`] and [`TinyCnnLsa::forward_from_features`] are the two parts of the first, for methods that
//! explain the last convolution, and [`InferenceModel`] is the first with everything folded and packed, several times as
//! fast.
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
//! let images = Tensor::<4>::zeros([2, 1, 28, 28], &device);
//! let trace = model.forward_traced(images.clone());
//! assert_eq!(model.forward(images.clone()).dims(), [2, 10]);
//! assert_eq!(trace.layers[0].attention.dims(), [2, config.attention.heads, config.tokens(), config.tokens()]);
//! assert_eq!(model.feature_map(images).dims(), [2, config.width(), trace.rows, trace.columns]);
//! # Ok::<(), tinylsa_model::InvalidSetting>(())
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod architecture;
mod attention;
mod classifier;
mod config;
mod cost;
mod file;
mod folding;
mod head;
mod images;
mod inference;
mod init_error;
mod initial;
mod layers;
mod memory;
mod mixing;
mod modules;
mod network;
#[cfg(feature = "networks")]
pub mod networks;
mod path;
mod precision;
mod predictor;
#[cfg(feature = "pretrained")]
mod pretrained;
mod random;
mod running;
mod shapes;
mod state;
mod stem;
mod tinycnn_lsa;
mod trace;
mod validation;

pub use burn;
pub use tinylsa_kernels::max_pool2x2;
pub use tinylsa_settings::InvalidSetting;
pub use tinylsa_shape::ImageShape;

pub use classifier::{Classifier, ForwardPredictor, ModelConfig, TrainingOutput};
pub use config::{
    AttentionConfig, AttentionKind, BranchStart, FeatureMap, HeadConfig, HeadKind, StageConfig, TinyCnnLsaConfig,
};
pub use cost::{Cost, LayerCost};
pub use file::{
    HeldOut, LoadedModel, LoadedPredictor, LogitError, ModelFile, ModelFileError, ModelMetadata, TEMPERATURES,
    load_predictor, model_kind, model_to_safetensors, read_model_file, require_sound, state_from_safetensors,
    state_to_safetensors,
};
pub use images::{ConfigOfImages, ImageKeys};
pub use inference::{Classification, ClassifyError, InferenceModel, LoadedInferenceModel, RankedClass};
pub use init_error::InitError;
pub use layers::{BatchStatistics, EPSILON};
pub use modules::{ModuleLayer, module_layers};
pub use network::TinyCnnLsa;
pub use path::ModulePath;
pub use precision::Precision;
pub use predictor::{PixelError, Predictor};
pub use random::{GeneratorBusy, with_burn_seed};
pub use shapes::TensorShapes;
pub use state::{HostTensor, State, StateError, gradients_of, state_of, values_of, with_owned_state, with_state};
pub use trace::{LayerTrace, Readout, Trace};

/// The examples of the README are tested.
#[cfg(all(doctest, feature = "pretrained"))]
#[doc = include_str!("../README.md")]
struct Readme;
