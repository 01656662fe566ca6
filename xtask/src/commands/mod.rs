//! The commands, a file each.

pub(crate) mod bench;
pub(crate) mod card;
pub(crate) mod classify;
pub(crate) mod compare;
pub(crate) mod data;
pub(crate) mod evaluate;
pub(crate) mod experiment;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod reproduce;
pub(crate) mod sweep;

use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Device;
use tinylsa_model::{Classifier, InferenceModel, LoadedInferenceModel, LoadedModel, TinyCnnLsa};

use tinylsa_settings::config::ConfigSource;

/// The config that is taken unless another one is named: that of the repository, built into the program.
const BASE_CONFIG: &str = include_str!("../../../configs/base.toml");

/// A config file, or `configs/base.toml` as it was when the program was built.
fn config_or_base(path: Option<&Path>) -> Result<ConfigSource> {
    match path {
        Some(path) => Ok(ConfigSource::read(path)?),
        None => Ok(ConfigSource::new("configs/base.toml", BASE_CONFIG)),
    }
}

/// Reads a model file, on the default device.
pub(crate) fn load_model(path: &Path) -> Result<LoadedModel> {
    TinyCnnLsa::load(path, &Device::flex()).with_context(|| format!("failed to load the model {}", path.display()))
}

/// Reads a model file on the default device; without one, the weights that ship with `tinylsa-model`.
fn load_model_or_pretrained(path: Option<&Path>) -> Result<LoadedModel> {
    match path {
        Some(path) => load_model(path),
        None => {
            TinyCnnLsa::pretrained(&Device::flex()).context("failed to load the weights that ship with the program")
        }
    }
}

/// Reads a model file, for inference.
fn load_inference_model(path: &Path) -> Result<LoadedInferenceModel> {
    InferenceModel::load(path).with_context(|| format!("failed to load the model {}", path.display()))
}

/// The same; without a file, the weights that ship with `tinylsa-model`.
pub(crate) fn load_inference_model_or_pretrained(path: Option<&Path>) -> Result<LoadedInferenceModel> {
    match path {
        Some(path) => load_inference_model(path),
        None => InferenceModel::pretrained().context("failed to load the weights that ship with the program"),
    }
}
