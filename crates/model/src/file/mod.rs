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
pub use read::{model_kind, read_model_file};

use crate::classifier::{Classifier, ModelConfig};
use crate::network::TinyCnnLsa;
use crate::precision::Precision;
use crate::state::{HostTensor, State, state_of, with_owned_state};
pub(crate) use check::require_finite_folds;
use check::{description, require_values};

/// The one metadata key: a map with several would not always be written in the same order.
const METADATA_KEY: &str = "tinylsa";

/// The key of the checksum beside those of the description.
const CHECKSUM_KEY: &str = "sha256";

/// The key of the kind of network.
const KIND_KEY: &str = "kind";

/// The text in the metadata: the checksum, the kind and the description of the network, all in one JSON object.
struct Description<C> {
    /// The checksum that the file carries, see [`seal`]; a file that was made elsewhere may have none.
    sha256: Option<String>,
    network: ModelMetadata<C>,
}

impl<C: ModelConfig> Description<C> {
    fn parse(text: &str) -> Result<Self, ModelFileError> {
        match kind_in(text)? {
            None => return Err(ModelFileError::NoKind { expected: C::KIND }),
            Some(found) if found != C::KIND => return Err(ModelFileError::Kind { found, expected: C::KIND }),
            Some(_) => {}
        }
        let mut keys: Keys = serde_json::from_str(text).map_err(ModelFileError::Metadata)?;
        keys.remove(KIND_KEY);
        let sha256 = keys.remove(CHECKSUM_KEY).map(serde_json::from_value).transpose();
        let network = serde_json::from_value(keys.into());
        Ok(Self {
            sha256: sha256.map_err(ModelFileError::Metadata)?,
            network: network.map_err(ModelFileError::Metadata)?,
        })
    }

    /// The text of an unsealed file.
    fn unsealed(network: &ModelMetadata<C>) -> serde_json::Result<String> {
        let kind = serde_json::to_string(C::KIND)?;
        let text = serde_json::to_string(network)?;
        Ok(text.replacen('{', &format!("{{\"{CHECKSUM_KEY}\":\"{UNSEALED}\",\"{KIND_KEY}\":{kind},"), 1))
    }
}

type Keys = serde_json::Map<String, serde_json::Value>;

/// The kind that a description names, if it names one.
fn kind_in(text: &str) -> Result<Option<String>, ModelFileError> {
    let keys: Keys = serde_json::from_str(text).map_err(ModelFileError::Metadata)?;
    keys.get(KIND_KEY).cloned().map(serde_json::from_value).transpose().map_err(ModelFileError::Metadata)
}

/// A network read from a file, and what the file says of it.
#[derive(Debug)]
pub struct LoadedModel<M: Classifier = TinyCnnLsa> {
    /// The network, with its weights.
    pub model: M,
    /// The file's metadata.
    pub metadata: ModelMetadata<M::Config>,
    /// The SHA-256 of the file that it was read from, in hexadecimal.
    pub sha256: String,
}

impl<M: Classifier> LoadedModel<M> {
    /// The bytes of a file that holds the network and what is said of it; the same network gives the same bytes.
    ///
    /// # Errors
    /// As [`model_to_safetensors`].
    pub fn to_safetensors(&self, precision: Precision) -> Result<Vec<u8>, ModelFileError> {
        model_to_safetensors(&self.model, &self.metadata, precision)
    }
}

/// Reads the bytes of a model file.
pub(crate) fn model_from_safetensors<M: Classifier>(
    bytes: &[u8],
    device: &Device,
) -> Result<LoadedModel<M>, ModelFileError> {
    let (metadata, state) = model_state::<M::Config>(bytes)?;
    let model = with_owned_state(metadata.config.init_for_loading(device)?, state)?;
    Ok(LoadedModel { model, metadata, sha256: sha256_hex(bytes) })
}

/// Reads a model file.
pub(crate) fn load_model<M: Classifier>(path: &Path, device: &Device) -> Result<LoadedModel<M>, ModelFileError> {
    model_from_safetensors(&read_model_file::<M::Config>(path)?, device)
}

/// The bytes of a file that holds a network and its description; the same network and description give the same bytes.
///
/// # Errors
/// [`ModelFileError`] if reading the file back would be refused, or if a weight is too large for the precision.
pub fn model_to_safetensors<M: Classifier>(
    model: &M,
    metadata: &ModelMetadata<M::Config>,
    precision: Precision,
) -> Result<Vec<u8>, ModelFileError> {
    metadata.validate()?;
    if &metadata.config != model.config() {
        return Err(ModelFileError::OtherConfig);
    }
    let text = Description::unsealed(metadata).map_err(ModelFileError::Metadata)?;
    let state = state_of(model);
    require_sound(&state)?;
    metadata.config.require_usable(&state)?;
    for (name, tensor) in &state {
        if let Some(value) = precision.first_beyond(&tensor.values) {
            return Err(ModelFileError::Range { name: name.clone(), value });
        }
    }
    let bytes = serialize_state(&state, precision, METADATA_KEY, text)?;
    Ok(seal(bytes).ok_or(ModelFileError::NoMetadata)?.bytes)
}

/// What a model file says of itself, and its tensors. This is the one door for weights: the description is valid, the
/// tensors are those that it describes, every value is one that a network can compute with, and the contents are those that
/// were written.
pub(crate) fn model_state<C: ModelConfig>(bytes: &[u8]) -> Result<(ModelMetadata<C>, State), ModelFileError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let Description { sha256, network } = description::<C>(&header)?;
    let (state, _) = state_from_safetensors(bytes, METADATA_KEY)?;
    network.config.require_usable(&state)?;
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
