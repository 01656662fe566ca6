//! `model.safetensors`: the weights, and in its metadata the config that makes the file describe itself.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use safetensors::tensor::{SafeTensorError, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tinylsa_settings::InvalidSetting;
use tinylsa_system::sha256_hex;

use crate::config::TinyCnnLsaConfig;
use crate::network::TinyCnnLsa;
use crate::precision::Precision;
use crate::state::{HostTensor, State, StateError, state_of, with_state};

/// The one metadata key: a map with several would not always be written in the same order.
const METADATA_KEY: &str = "tinylsa";

/// What stands in the metadata of a model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelMetadata {
    /// The config that the network is made from.
    pub model: TinyCnnLsaConfig,
    /// The names of the classes, in the order of the logits.
    pub class_names: Vec<String>,
    /// What the weights were trained on, such as `fashion-mnist`.
    pub dataset: String,
    /// The number by which logits are divided to give calibrated probabilities, if one was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Which training pictures were not learnt from, if that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<HeldOut>,
}

/// The training pictures that were set aside, as `tinylsa_data::stratified_split` finds them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// How many.
    pub pictures: usize,
    /// The seed of the split.
    pub seed: u64,
}

/// A network read from a file, and what the file says of it.
#[derive(Debug)]
pub struct LoadedModel {
    /// The network, with its weights.
    pub model: TinyCnnLsa,
    /// The file's metadata.
    pub metadata: ModelMetadata,
    /// The SHA-256 of the file that it was read from, in hexadecimal.
    pub sha256: String,
}

/// A model file that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelFileError {
    /// The file cannot be opened or read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes are no safetensors file.
    #[error("not a safetensors file")]
    Format(#[from] SafeTensorError),
    /// The file has no description of the model.
    #[error("the metadata lacks the key {METADATA_KEY}, which holds the model's config")]
    NoMetadata,
    /// The description is not what this version writes.
    #[error("the metadata key {METADATA_KEY} does not hold a model's description")]
    Metadata(#[source] serde_json::Error),
    /// A tensor has another element type.
    #[error("the tensor {name} holds {found}, expected F32 or F16")]
    ElementType {
        /// The tensor's name.
        name: String,
        /// Its element type.
        found: String,
    },
    /// A value is too large for the precision of the file.
    #[error("the tensor {name} holds {value}, expected at most 65504 in 16 bits")]
    Range {
        /// The tensor's name.
        name: String,
        /// The first such value.
        value: f32,
    },
    /// The temperature in the metadata is no temperature.
    #[error("the temperature in the metadata is {found}, expected a positive number")]
    Temperature {
        /// What stands there.
        found: f64,
    },
    /// The config in the metadata is out of range.
    #[error("the model's config is invalid")]
    Config(#[from] InvalidSetting),
    /// The tensors are not those of the config.
    #[error("the weights do not fit the model's config")]
    State(#[from] StateError),
}

impl TinyCnnLsa {
    /// The bytes of a self-describing safetensors file; the same network gives the same bytes.
    ///
    /// # Errors
    /// [`ModelFileError`] if the file cannot be put together.
    pub fn to_safetensors(&self, class_names: &[&str], dataset: &str) -> Result<Vec<u8>, ModelFileError> {
        let metadata = ModelMetadata {
            model: self.config().clone(),
            class_names: class_names.iter().map(|&name| name.to_owned()).collect(),
            dataset: dataset.to_owned(),
            temperature: None,
            held_out: None,
        };
        serialize_model(self, &metadata, Precision::Single)
    }

    /// Reads the bytes of a file that [`TinyCnnLsa::to_safetensors`] made.
    ///
    /// # Errors
    /// [`ModelFileError`] says what is wrong with the bytes.
    pub fn from_safetensors(bytes: &[u8], device: &Device) -> Result<LoadedModel, ModelFileError> {
        let (metadata, state) = model_state(bytes)?;
        let model = with_state(TinyCnnLsa::with_zero_weights(&metadata.model, device), &state)?;
        Ok(LoadedModel { model, metadata, sha256: sha256_hex(bytes) })
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`ModelFileError`] says what is wrong with the file.
    pub fn load(path: &Path, device: &Device) -> Result<LoadedModel, ModelFileError> {
        Self::from_safetensors(&read_model_file(path)?, device)
    }
}

impl LoadedModel {
    /// The bytes of a file that holds the network and what is said of it; the same network gives the same bytes.
    ///
    /// # Errors
    /// [`ModelFileError`] if a weight is too large for the precision.
    pub fn to_safetensors(&self, precision: Precision) -> Result<Vec<u8>, ModelFileError> {
        serialize_model(&self.model, &self.metadata, precision)
    }
}

impl ModelMetadata {
    /// The number by which logits are divided to give calibrated probabilities; 1 if none was fitted.
    pub fn temperature(&self) -> f64 {
        self.temperature.unwrap_or(1.0)
    }
}

fn serialize_model(
    model: &TinyCnnLsa,
    metadata: &ModelMetadata,
    precision: Precision,
) -> Result<Vec<u8>, ModelFileError> {
    let text = serde_json::to_string(metadata).map_err(ModelFileError::Metadata)?;
    let state = state_of(model);
    for (name, tensor) in &state {
        if let Some(value) = precision.first_beyond(&tensor.values) {
            return Err(ModelFileError::Range { name: name.clone(), value });
        }
    }
    Ok(serialize_state(&state, precision, METADATA_KEY, text)?)
}

/// The bytes of a model file.
///
/// # Errors
/// [`ModelFileError::Read`] if it cannot be read.
pub fn read_model_file(path: &Path) -> Result<Vec<u8>, ModelFileError> {
    std::fs::read(path).map_err(|source| ModelFileError::Read { path: path.to_owned(), source })
}

/// What a model file says of itself, its settings being valid, and its tensors.
pub(crate) fn model_state(bytes: &[u8]) -> Result<(ModelMetadata, State), ModelFileError> {
    let (state, text) = state_from_safetensors(bytes, METADATA_KEY)?;
    let metadata: ModelMetadata = serde_json::from_str(&text).map_err(ModelFileError::Metadata)?;
    metadata.model.validate()?;
    if let Some(found) = metadata.temperature.filter(|&temperature| !(temperature > 0.0 && temperature.is_finite())) {
        return Err(ModelFileError::Temperature { found });
    }
    Ok((metadata, state))
}

/// The bytes of a safetensors file that holds a state, with `text` in its metadata under `key`.
///
/// # Errors
/// [`SafeTensorError`] if a shape and its values do not agree.
pub fn state_to_safetensors(state: &State, key: &str, text: String) -> Result<Vec<u8>, SafeTensorError> {
    serialize_state(state, Precision::Single, key, text)
}

fn serialize_state(state: &State, precision: Precision, key: &str, text: String) -> Result<Vec<u8>, SafeTensorError> {
    let bytes: BTreeMap<&String, Vec<u8>> =
        state.iter().map(|(name, tensor)| (name, precision.encode(&tensor.values))).collect();
    let element_type = precision.element_type();
    let views = state
        .iter()
        .map(|(name, tensor)| Ok((name, TensorView::new(element_type, tensor.shape.clone(), &bytes[name])?)))
        .collect::<Result<Vec<_>, SafeTensorError>>()?;
    serialize(views, Some(HashMap::from([(key.to_owned(), text)])))
}

/// The state in the bytes of a safetensors file, and the text in its metadata under `key`.
///
/// # Errors
/// [`ModelFileError`] says what is wrong with the bytes.
pub fn state_from_safetensors(bytes: &[u8], key: &str) -> Result<(State, String), ModelFileError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(key)).cloned();
    let text = text.ok_or(ModelFileError::NoMetadata)?;
    let state = SafeTensors::deserialize(bytes)?
        .iter()
        .map(|(name, view)| Ok((name.to_owned(), host_tensor(name, &view)?)))
        .collect::<Result<State, ModelFileError>>()?;
    Ok((state, text))
}

fn host_tensor(name: &str, view: &TensorView<'_>) -> Result<HostTensor, ModelFileError> {
    let unknown = || ModelFileError::ElementType { name: name.to_owned(), found: format!("{:?}", view.dtype()) };
    let precision = Precision::of(view.dtype()).ok_or_else(unknown)?;
    Ok(HostTensor { shape: view.shape().to_vec(), values: precision.decode(view.data()) })
}
