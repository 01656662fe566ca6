//! A network and its file.

use std::path::Path;

use burn::tensor::Device;
use safetensors::tensor::SafeTensors;
use tinylsa_system::{check_seal, seal, sha256_hex};

use super::check::description;
use super::description::Description;
use super::error::ModelFileError;
use super::format::METADATA_KEY;
use super::metadata::ModelMetadata;
use super::read::read_model_file;
use super::tensors::{serialize_state, state_from_safetensors};
use super::values::require_sound;
use crate::classifier::{Classifier, ModelConfig};
use crate::network::TinyCnnLsa;
use crate::precision::Precision;
use crate::predictor::Predictor;
use crate::state::{State, state_of, with_owned_state};

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

/// A [`Classifier`] in a file that describes itself. Every classifier has these functions.
pub trait ModelFile: Classifier {
    /// The bytes of a self-describing safetensors file; the same network gives the same bytes. Its description holds
    /// the names of the classes and of the dataset; [`model_to_safetensors`] takes more.
    ///
    /// # Errors
    /// [`ModelFileError`] if the names are not those of the classes, or if a weight is not finite.
    fn to_safetensors(&self, class_names: &[impl AsRef<str>], dataset: &str) -> Result<Vec<u8>, ModelFileError> {
        model_to_safetensors(self, &ModelMetadata::new(self.config(), class_names, dataset), Precision::Single)
    }

    /// Reads the bytes of a file that [`ModelFile::to_safetensors`] or [`model_to_safetensors`] made.
    ///
    /// # Errors
    /// [`ModelFileError`] says what is wrong with the bytes, also if they hold a network of another kind.
    fn from_safetensors(bytes: &[u8], device: &Device) -> Result<LoadedModel<Self>, ModelFileError> {
        let (metadata, state) = model_state::<Self::Config>(bytes)?;
        let model = with_owned_state(metadata.config.init_for_loading(device)?, state)?;
        Ok(LoadedModel { model, metadata, sha256: sha256_hex(bytes) })
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`ModelFileError`] says what is wrong with the file, also if it holds a network of another kind.
    fn load(path: &Path, device: &Device) -> Result<LoadedModel<Self>, ModelFileError> {
        Self::from_safetensors(&read_model_file::<Self::Config>(path)?, device)
    }
}

impl<M: Classifier> ModelFile for M {}

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

/// A network that was read from a file to be asked, of whatever kind.
#[derive(Debug)]
pub struct LoadedPredictor {
    /// The network.
    pub predictor: Box<dyn Predictor>,
    /// The names of the classes, in the order of the logits.
    pub class_names: Vec<String>,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// Reads a network of the kind `M` from a file, to be asked on the default device. A program that knows several kinds
/// asks [`model_kind`](crate::model_kind) first.
///
/// # Errors
/// [`ModelFileError`] says what is wrong with the file, also if it holds a network of another kind.
pub fn load_predictor<M: Classifier>(path: &Path) -> Result<LoadedPredictor, ModelFileError> {
    let loaded = M::load(path, &Device::flex())?;
    let predictor = loaded.model.predictor();
    Ok(LoadedPredictor { predictor, class_names: loaded.metadata.class_names, sha256: loaded.sha256 })
}
