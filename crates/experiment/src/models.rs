//! Model files, and the weights that ship.

use std::path::Path;

use anyhow::Context;
use burn::tensor::Device;
use tinylsa_model::{InferenceModel, LoadedInferenceModel, LoadedModel, ModelFile, TinyCnnLsa};

use crate::error::ExperimentError;

const SHIPPED: &str = "failed to load the weights that ship with the program";

/// Reads a model file, on the default device.
///
/// # Errors
/// If the file is missing or damaged.
pub fn load_model(path: &Path) -> Result<LoadedModel, ExperimentError> {
    let loaded = TinyCnnLsa::load(path, &Device::flex());
    Ok(loaded.with_context(|| format!("failed to load the model {}", path.display()))?)
}

/// Reads a model file on the default device; without one, the weights that ship with `tinylsa-model`.
///
/// # Errors
/// If the file is missing or damaged.
pub fn load_model_or_pretrained(path: Option<&Path>) -> Result<LoadedModel, ExperimentError> {
    match path {
        Some(path) => load_model(path),
        None => Ok(TinyCnnLsa::pretrained(&Device::flex()).context(SHIPPED)?),
    }
}

/// Reads a model file, for inference.
///
/// # Errors
/// If the file is missing or damaged.
pub fn load_inference_model(path: &Path) -> Result<LoadedInferenceModel, ExperimentError> {
    Ok(InferenceModel::load(path).with_context(|| format!("failed to load the model {}", path.display()))?)
}

/// The same; without a file, the weights that ship with `tinylsa-model`.
///
/// # Errors
/// If the file is missing or damaged.
pub fn load_inference_model_or_pretrained(path: Option<&Path>) -> Result<LoadedInferenceModel, ExperimentError> {
    match path {
        Some(path) => load_inference_model(path),
        None => Ok(InferenceModel::pretrained().context(SHIPPED)?),
    }
}
