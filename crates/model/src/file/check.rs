//! What a file may say, looked at before anything is made from it.

use std::collections::BTreeMap;

use safetensors::tensor::Metadata;

use super::description::Description;
use super::error::ModelFileError;
use super::format::METADATA_KEY;
use crate::classifier::ModelConfig;
use crate::state::StateError;

/// Bytes of memory that a weight takes until it is ready: as it is stored, as a number, and transformed for the
/// convolutions, which have 36 numbers for 9 weights.
const BYTES_PER_WEIGHT: u64 = 24;

/// The description in a header, after comparing the tensors that it describes with those that the file has: a file of
/// some bytes may describe a network of any size.
pub(super) fn description<C: ModelConfig>(header: &Metadata) -> Result<Description<C>, ModelFileError> {
    let description = Description::<C>::parse(description_text(header)?)?;
    description.network.validate()?;
    let found = header.tensors();
    let found: BTreeMap<&str, &[usize]> =
        found.iter().map(|(name, info)| (name.as_str(), info.shape.as_slice())).collect();
    if let Some(expected) = description.network.config.known_shapes() {
        require_shapes(&expected, &found)?;
    }
    require_memory(found.values().map(|shape| shape.iter().product::<usize>()).sum())?;
    Ok(description)
}

/// The text of the description in a header.
pub(super) fn description_text(header: &Metadata) -> Result<&str, ModelFileError> {
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA_KEY));
    text.map(String::as_str).ok_or(ModelFileError::NoMetadata)
}

fn require_shapes(expected: &BTreeMap<String, Vec<usize>>, found: &BTreeMap<&str, &[usize]>) -> Result<(), StateError> {
    for (name, shape) in expected {
        let Some(found) = found.get(name.as_str()) else {
            return Err(StateError::Missing { name: name.clone() });
        };
        if found != shape {
            let (name, found, expected) = (name.clone(), found.to_vec(), shape.clone());
            return Err(StateError::Shape { name, found, expected });
        }
    }
    match found.keys().find(|name| !expected.contains_key(**name)) {
        Some(name) => Err(StateError::Unexpected { name: (*name).to_owned() }),
        None => Ok(()),
    }
}

/// Refuses a network that is too large for the memory that is left.
fn require_memory(weights: usize) -> Result<(), ModelFileError> {
    let needed = weights as u64 * BYTES_PER_WEIGHT;
    match tinylsa_system::available_memory() {
        Some(available) if needed > available => Err(ModelFileError::Memory { needed, available }),
        Some(_) | None => Ok(()),
    }
}
