use std::path::PathBuf;

use safetensors::tensor::SafeTensorError;
use thiserror::Error;
use tinylsa_settings::InvalidSetting;
use tinylsa_system::SealError;

use super::format::{METADATA_KEY, TEMPERATURES};
use crate::init_error::InitError;
use crate::state::StateError;

/// A model file that cannot be read or written.
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
    /// The header says that it is longer than any model needs.
    #[error("the header has {found} bytes, expected at most {limit}")]
    Header {
        /// Bytes that the header claims to have.
        found: u64,
        /// Bytes that are read at most.
        limit: u64,
    },
    /// The file has no description of the model.
    #[error("the metadata lacks the key {METADATA_KEY}, which holds the model's config")]
    NoMetadata,
    /// The description is not what this version writes.
    #[error("the metadata key {METADATA_KEY} does not hold a model's description")]
    Metadata(#[source] serde_json::Error),
    /// The file does not name the kind of its network.
    #[error("the metadata does not name the kind of the network, expected {expected:?}")]
    NoKind {
        /// The kind that was asked for.
        expected: &'static str,
    },
    /// The file holds a network of another kind.
    #[error("the file holds a network of the kind {found:?}, expected {expected:?}")]
    Kind {
        /// The kind in the file.
        found: String,
        /// The kind that was asked for.
        expected: &'static str,
    },
    /// The description is not that of the network.
    #[error("the description holds another config than the network was made from")]
    OtherConfig,
    /// A tensor has another element type.
    #[error("the tensor {name} holds {found}, expected F32 or F16")]
    ElementType {
        /// The tensor's name.
        name: String,
        /// Its element type.
        found: String,
    },
    /// A value that no network can compute with.
    #[error("the tensor {name} holds {value:?} at {position:?}, expected {expected}")]
    Value {
        /// The tensor's name.
        name: String,
        /// The index in each dimension of the first such value.
        position: Vec<usize>,
        /// The value.
        value: f32,
        /// What was expected instead.
        expected: &'static str,
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
    #[error(
        "the temperature in the metadata is {found:?}, expected {} to {}", TEMPERATURES.start(), TEMPERATURES.end()
    )]
    Temperature {
        /// What stands there.
        found: f64,
    },
    /// The metadata names more or fewer classes than the network has.
    #[error("the metadata names {found} classes, but the model has {expected}")]
    ClassCount {
        /// Names in the metadata.
        found: usize,
        /// Classes of the model's config.
        expected: usize,
    },
    /// The metadata gives a class a name that cannot be its name.
    #[error("the metadata names class {class} {name:?}, expected {expected}")]
    ClassName {
        /// The class.
        class: usize,
        /// Its name.
        name: String,
        /// What was expected instead.
        expected: &'static str,
    },
    /// The contents are not those that were written.
    #[error("the file is damaged")]
    Seal(#[from] SealError),
    /// The config in the metadata is out of range.
    #[error("the model's config is invalid")]
    Config(#[from] InvalidSetting),
    /// The network that the config describes cannot be made.
    #[error("the network of the model's config cannot be made")]
    Init(#[from] InitError),
    /// The tensors are not those of the config.
    #[error("the weights do not fit the model's config")]
    State(#[from] StateError),
    /// The network does not fit into the memory that is left.
    #[error("the model needs about {} MiB of memory, but {} MiB are available", needed >> 20, available >> 20)]
    Memory {
        /// Bytes that reading it takes, about.
        needed: u64,
        /// Bytes that the system can give.
        available: u64,
    },
}
