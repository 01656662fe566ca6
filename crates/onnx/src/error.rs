use thiserror::Error;
use tinylsa_model::{ModelFileError, StateError};

/// A network that cannot be written as an ONNX file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The description is not that of the network, or a weight is not finite.
    #[error("the network cannot be written")]
    Model(#[from] ModelFileError),
    /// Attention is asked for from a network that has none.
    #[error("a network of the kind {kind:?} with this config has no attention to write")]
    NoAttention {
        /// The kind of the network.
        kind: &'static str,
    },
    /// The graph and the tensors of the network do not fit together.
    #[error("the graph does not fit the tensors of the network")]
    State(#[from] StateError),
    /// The description has no form in JSON.
    #[error("the description of the network cannot be written as JSON")]
    Description(#[from] serde_json::Error),
    /// The file would be larger than an ONNX file can be.
    #[error("the file would have {bytes} bytes, expected at most {limit}")]
    Size {
        /// Bytes of the file.
        bytes: usize,
        /// Bytes that a protocol buffer may have.
        limit: usize,
    },
}
