//! Model files, and the weights that ship.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::Device;
use tinylsa_model::networks::{Network, NetworkConfig};
use tinylsa_model::{Classifier, LoadedModel, ModelFile, ModelMetadata, Predictor, TinyCnnLsa};

use crate::error::ExperimentError;

/// What the file of any of the networks says.
pub type NetworkMetadata = ModelMetadata<NetworkConfig>;
/// Any of the networks, read from a file.
pub type LoadedNetwork = LoadedModel<Network>;

/// A network read from a file to be asked, and what the file says of it.
#[derive(Debug)]
pub struct AskedNetwork {
    /// The network in its quickest form.
    pub network: Box<dyn Predictor>,
    /// The file's metadata.
    pub metadata: NetworkMetadata,
    /// The SHA-256 of the file that it was read from, in hexadecimal.
    pub sha256: String,
}

impl From<LoadedNetwork> for AskedNetwork {
    fn from(loaded: LoadedNetwork) -> Self {
        let LoadedModel { model, metadata, sha256 } = loaded;
        Self { network: model.predictor(), metadata, sha256 }
    }
}

/// The file of a model in the directory of a run, or of one for the Hub.
pub(crate) const MODEL: &str = "model.safetensors";

/// The model file that a path means: what it names, or, if that is a directory, the `model.safetensors` in it.
pub fn model_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(MODEL) } else { path.to_owned() }
}

/// Reads a model file, or that in a directory, on the default device.
///
/// # Errors
/// If the file is missing or damaged.
pub fn load_model(path: &Path) -> Result<LoadedNetwork, ExperimentError> {
    Ok(loaded(path)?)
}

/// Reads a model file, or that in a directory, on the default device; without one, the weights that ship with `tinylsa-model`.
///
/// # Errors
/// If the file is missing or damaged.
pub fn load_model_or_pretrained(path: Option<&Path>) -> Result<LoadedNetwork, ExperimentError> {
    match path {
        Some(path) => load_model(path),
        None => Ok(shipped()?),
    }
}

fn loaded(path: &Path) -> Result<LoadedNetwork> {
    let path = model_file(path);
    Network::load(&path, &Device::flex()).with_context(|| format!("failed to load the model {}", path.display()))
}

fn shipped() -> Result<LoadedNetwork> {
    let pretrained = TinyCnnLsa::pretrained(&Device::flex());
    let LoadedModel { model, metadata, sha256 } =
        pretrained.context("failed to load the weights that ship with the program")?;
    let metadata = metadata.with_config(|config| Ok::<_, std::convert::Infallible>(config.into()))?;
    Ok(LoadedModel { model: model.into(), metadata, sha256 })
}
