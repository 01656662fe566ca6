//! `model.safetensors`: the weights, and in its metadata the config that makes the file describe itself.

mod check;
mod error;
mod metadata;
mod read;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::Device;
use safetensors::tensor::{SafeTensorError, SafeTensors, TensorView, serialize};
use tinylsa_system::{UNSEALED, check_seal, seal, sha256_hex};

pub use error::ModelFileError;
pub use metadata::{HeldOut, LogitError, ModelMetadata, TEMPERATURES};
pub use read::read_model_file;

use crate::network::TinyCnnLsa;
use crate::precision::Precision;
use crate::state::{HostTensor, State, state_of, with_state};
use check::{description, require_finite_folds, require_memory, require_values};

/// The one metadata key: a map with several would not always be written in the same order.
const METADATA_KEY: &str = "tinylsa";

/// The key of the checksum beside those of the description.
const CHECKSUM_KEY: &str = "sha256";

/// The text in the metadata.
struct Description {
    /// The checksum that the file carries, see [`seal`]; a file that was made elsewhere may have none.
    sha256: Option<String>,
    network: ModelMetadata,
}

impl Description {
    fn parse(text: &str) -> serde_json::Result<Self> {
        let mut keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
        let sha256 = keys.remove(CHECKSUM_KEY).map(serde_json::from_value).transpose()?;
        Ok(Self { sha256, network: serde_json::from_value(keys.into())? })
    }

    /// The text of an unsealed file.
    fn unsealed(network: &ModelMetadata) -> serde_json::Result<String> {
        let text = serde_json::to_string(network)?;
        Ok(text.replacen('{', &format!("{{\"{CHECKSUM_KEY}\":\"{UNSEALED}\","), 1))
    }
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

impl TinyCnnLsa {
    /// The bytes of a self-describing safetensors file; the same network gives the same bytes.
    ///
    /// # Errors
    /// [`ModelFileError`] if the names are not those of the classes, or if a weight is not finite.
    pub fn to_safetensors(&self, class_names: &[&str], dataset: &str) -> Result<Vec<u8>, ModelFileError> {
        model_to_safetensors(self, &ModelMetadata::new(self.config(), class_names, dataset), Precision::Single)
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
    /// As [`model_to_safetensors`].
    pub fn to_safetensors(&self, precision: Precision) -> Result<Vec<u8>, ModelFileError> {
        model_to_safetensors(&self.model, &self.metadata, precision)
    }
}

/// The bytes of a file that holds a network and its description; the same network and description give the same bytes.
///
/// # Errors
/// [`ModelFileError`] if reading the file back would be refused, or if a weight is too large for the precision.
pub fn model_to_safetensors(
    model: &TinyCnnLsa,
    metadata: &ModelMetadata,
    precision: Precision,
) -> Result<Vec<u8>, ModelFileError> {
    metadata.validate()?;
    let text = Description::unsealed(metadata).map_err(ModelFileError::Metadata)?;
    let state = state_of(model);
    for (name, tensor) in &state {
        require_values(name, tensor)?;
        if let Some(value) = precision.first_beyond(&tensor.values) {
            return Err(ModelFileError::Range { name: name.clone(), value });
        }
    }
    require_finite_folds(&state)?;
    let bytes = serialize_state(&state, precision, METADATA_KEY, text)?;
    Ok(seal(bytes).ok_or(ModelFileError::NoMetadata)?.bytes)
}

/// What a model file says of itself, and its tensors. This is the one door for weights: the description is valid, the
/// tensors are those that it describes, every value is one that a network can compute with, and the contents are those that
/// were written.
pub(crate) fn model_state(bytes: &[u8]) -> Result<(ModelMetadata, State), ModelFileError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let Description { sha256, network } = description(&header)?;
    require_memory(network.model.cost().parameters())?;
    let (state, _) = state_from_safetensors(bytes, METADATA_KEY)?;
    require_finite_folds(&state)?;
    if let Some(recorded) = sha256 {
        check_seal(bytes, &recorded)?;
    }
    Ok((network, state))
}

/// Refuses a state with a value that no network can compute with: NaN, an infinity, a variance below zero.
///
/// # Errors
/// [`ModelFileError::Value`] names the first such value.
pub fn require_sound(state: &State) -> Result<(), ModelFileError> {
    state.iter().try_for_each(|(name, tensor)| require_values(name, tensor))
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
/// [`ModelFileError`] says what is wrong with the bytes, also if a value is not finite or a running variance is below 0.
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
    let tensor = HostTensor { shape: view.shape().to_vec(), values: precision.decode(view.data()) };
    require_values(name, &tensor)?;
    Ok(tensor)
}
