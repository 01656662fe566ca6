//! The network that is measured: our own.

use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Device;
use tinylsa_model::networks::NetworkConfig;
use tinylsa_model::{LoadedModel, ModelConfig, ModelFile, TinyCnnLsa, TinyCnnLsaConfig};
use tinylsa_settings::UsageError;

/// Reads a model file of our own network, on the default device.
pub(crate) fn load_own(path: &Path) -> Result<LoadedModel> {
    TinyCnnLsa::load(path, &Device::flex()).with_context(|| format!("failed to load the model {}", path.display()))
}

/// Our own network, whose parts are measured.
pub(crate) fn require_own(network: NetworkConfig) -> Result<TinyCnnLsaConfig, UsageError> {
    let kind = network.kind();
    match network {
        NetworkConfig::TinyCnnLsa(config) => Ok(config),
        NetworkConfig::Vgg(_)
        | NetworkConfig::ResNet(_)
        | NetworkConfig::MobileNet(_)
        | NetworkConfig::Vit(_)
        | NetworkConfig::Swin(_) => {
            Err(UsageError(format!("this measures networks of the kind {}, not {kind}", TinyCnnLsaConfig::KIND)))
        }
    }
}
