//! The description of a network in the metadata of its file.

use tinylsa_system::UNSEALED;

use super::error::ModelFileError;
use super::format::{CHECKSUM_KEY, KIND_KEY};
use super::metadata::ModelMetadata;
use crate::classifier::ModelConfig;

/// The text in the metadata: the checksum, the kind and the description of the network, all in one JSON object.
pub(super) struct Description<C> {
    /// The checksum that the file carries, see [`seal`](tinylsa_system::seal); a file that was made elsewhere may have none.
    pub(super) sha256: Option<String>,
    pub(super) network: ModelMetadata<C>,
}

impl<C: ModelConfig> Description<C> {
    pub(super) fn parse(text: &str) -> Result<Self, ModelFileError> {
        let kind = kind_in(text)?.ok_or(ModelFileError::NoKind { expected: C::KIND })?;
        let mut keys: Keys = serde_json::from_str(text).map_err(ModelFileError::Metadata)?;
        keys.remove(KIND_KEY);
        let sha256 = keys.remove(CHECKSUM_KEY).map(serde_json::from_value).transpose();
        let network: ModelMetadata<serde_json::Value> =
            serde_json::from_value(keys.into()).map_err(ModelFileError::Metadata)?;
        Ok(Self {
            sha256: sha256.map_err(ModelFileError::Metadata)?,
            network: network.with_config(|config| C::of_kind(kind, config))?,
        })
    }

    /// The text of an unsealed file.
    pub(super) fn unsealed(network: &ModelMetadata<C>) -> serde_json::Result<String> {
        let kind = serde_json::to_string(network.config.kind())?;
        let text = serde_json::to_string(network)?;
        Ok(text.replacen('{', &format!("{{\"{CHECKSUM_KEY}\":\"{UNSEALED}\",\"{KIND_KEY}\":{kind},"), 1))
    }
}

type Keys = serde_json::Map<String, serde_json::Value>;

/// The kind that a description names, if it names one.
pub(super) fn kind_in(text: &str) -> Result<Option<String>, ModelFileError> {
    let keys: Keys = serde_json::from_str(text).map_err(ModelFileError::Metadata)?;
    keys.get(KIND_KEY).cloned().map(serde_json::from_value).transpose().map_err(ModelFileError::Metadata)
}
