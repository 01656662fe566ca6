//! `model.safetensors`: the weights, and in its metadata the config that makes the file describe itself.

mod check;
mod description;
mod error;
mod format;
mod metadata;
mod network;
mod read;
mod tensors;
mod values;

pub use error::ModelFileError;
pub use format::TEMPERATURES;
pub use metadata::{HeldOut, LogitError, ModelMetadata};
pub(crate) use network::model_state;
pub use network::{LoadedModel, LoadedPredictor, ModelFile, load_predictor, model_to_safetensors};
pub use read::{model_kind, read_model_file};
#[cfg(feature = "networks")]
pub(crate) use tensors::floats_from_safetensors;
pub use tensors::{state_from_safetensors, state_to_safetensors};
pub(crate) use values::require_finite_folds;
pub use values::require_sound;
