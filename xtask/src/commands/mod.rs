//! The commands, a file each.

pub(crate) mod bench;
pub(crate) mod classify;
pub(crate) mod data;
pub(crate) mod evaluate;
pub(crate) mod experiment;
pub(crate) mod export;

use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Device;
use tinylsa_model::{InferenceModel, LoadedInferenceModel, LoadedModel, TinyCnnLsa};

/// Reads a model file, on the default device.
pub(crate) fn load_model(path: &Path) -> Result<LoadedModel> {
    TinyCnnLsa::load(path, &Device::flex()).with_context(|| format!("failed to load the model {}", path.display()))
}

/// Reads a model file, ready to look at pictures.
pub(crate) fn load_inference_model(path: &Path) -> Result<LoadedInferenceModel> {
    InferenceModel::load(path).with_context(|| format!("failed to load the model {}", path.display()))
}
