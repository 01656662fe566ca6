//! Model files, and the weights that ship.

use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Device;
use tinylsa_model::{InferenceModel, LoadedInferenceModel, LoadedModel, TinyCnnLsa};

/// Reads a model file, on the default device.
pub fn load_model(path: &Path) -> Result<LoadedModel> {
    TinyCnnLsa::load(path, &Device::flex()).with_context(|| format!("failed to load the model {}", path.display()))
}

/// Reads a model file on the default device; without one, the weights that ship with `tinylsa-model`.
pub fn load_model_or_pretrained(path: Option<&Path>) -> Result<LoadedModel> {
    match path {
        Some(path) => load_model(path),
        None => {
            TinyCnnLsa::pretrained(&Device::flex()).context("failed to load the weights that ship with the program")
        }
    }
}

/// Reads a model file, for inference.
pub fn load_inference_model(path: &Path) -> Result<LoadedInferenceModel> {
    InferenceModel::load(path).with_context(|| format!("failed to load the model {}", path.display()))
}

/// The same; without a file, the weights that ship with `tinylsa-model`.
pub fn load_inference_model_or_pretrained(path: Option<&Path>) -> Result<LoadedInferenceModel> {
    match path {
        Some(path) => load_inference_model(path),
        None => InferenceModel::pretrained().context("failed to load the weights that ship with the program"),
    }
}
