//! A state as a safetensors file.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{SafeTensorError, SafeTensors, TensorView, serialize};

use super::error::ModelFileError;
use super::values::require_values;
use crate::precision::Precision;
use crate::state::{HostTensor, State};

/// The bytes of a safetensors file that holds a state, with `text` in its metadata under `key`.
///
/// # Errors
/// [`SafeTensorError`] if a shape and its values do not agree.
pub fn state_to_safetensors(state: &State, key: &str, text: String) -> Result<Vec<u8>, SafeTensorError> {
    serialize_state(state, Precision::Single, key, text)
}

pub(super) fn serialize_state(
    state: &State,
    precision: Precision,
    key: &str,
    text: String,
) -> Result<Vec<u8>, SafeTensorError> {
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

/// The floating-point tensors in the bytes of a safetensors file; integers, which count batches or look something up, are
/// left out.
#[cfg(feature = "networks")]
pub(crate) fn floats_from_safetensors(bytes: &[u8]) -> Result<State, ModelFileError> {
    use safetensors::Dtype;
    let tensors = SafeTensors::deserialize(bytes)?.tensors();
    let floats = tensors.iter().filter(|(_, view)| !matches!(view.dtype(), Dtype::I64 | Dtype::I32));
    floats.map(|(name, view)| Ok((name.clone(), host_tensor(name, view)?))).collect()
}

fn host_tensor(name: &str, view: &TensorView<'_>) -> Result<HostTensor, ModelFileError> {
    let unknown = || ModelFileError::ElementType { name: name.to_owned(), found: format!("{:?}", view.dtype()) };
    let precision = Precision::of(view.dtype()).ok_or_else(unknown)?;
    let tensor = HostTensor { shape: view.shape().to_vec(), values: precision.decode(view.data()) };
    require_values(name, &tensor)?;
    Ok(tensor)
}
