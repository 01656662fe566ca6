use std::error::Error;
use std::io;

use thiserror::Error;
use tinylsa_model::{InitError, StateError};
use tinylsa_report::ReportError;
use tinylsa_settings::{InvalidSetting, UsageError};
use tinylsa_xai::{ExplainError, SegmentationError};

/// The result of explaining, drawing, scoring or writing.
pub type Result<T, E = ExplanationError> = std::result::Result<T, E>;

/// Why an image could not be explained, or its explanation not be drawn, scored or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExplanationError {
    /// A method or a score says why.
    #[error("{0}")]
    Method(#[from] ExplainError),
    /// A map cannot be drawn.
    #[error("{0}")]
    Drawing(#[from] ReportError),
    /// A setting is outside its range or does not fit the model or the image.
    #[error("{0}")]
    Setting(#[from] InvalidSetting),
    /// Something that does not exist was asked for.
    #[error("{0}")]
    Request(#[from] UsageError),
    /// A model cannot be initialised again.
    #[error("{0}")]
    Init(#[from] InitError),
    /// The weights of a model cannot be replaced.
    #[error("{0}")]
    State(#[from] StateError),
    /// The file system says why.
    #[error("{0}")]
    File(#[from] io::Error),
    /// A result has no form in a file.
    #[error("{0}")]
    Format(Box<dyn Error + Send + Sync>),
    /// Something that a complete explanation has is missing.
    #[error("{0}")]
    Missing(String),
    /// What was being done.
    #[error("{what}")]
    While {
        /// Such as "failed to explain test-17 by lime".
        what: String,
        /// Why.
        source: Box<ExplanationError>,
    },
}

impl ExplanationError {
    /// Whether nothing failed, but the call was cancelled.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Method(ExplainError::Cancelled { .. }) => true,
            Self::While { source, .. } => source.is_cancelled(),
            Self::Method(_)
            | Self::Drawing(_)
            | Self::Setting(_)
            | Self::Request(_)
            | Self::Init(_)
            | Self::State(_)
            | Self::File(_)
            | Self::Format(_)
            | Self::Missing(_) => false,
        }
    }
}

impl From<SegmentationError> for ExplanationError {
    fn from(error: SegmentationError) -> Self {
        Self::Method(error.into())
    }
}

impl From<serde_json::Error> for ExplanationError {
    fn from(error: serde_json::Error) -> Self {
        Self::Format(Box::new(error))
    }
}

impl From<safetensors::SafeTensorError> for ExplanationError {
    fn from(error: safetensors::SafeTensorError) -> Self {
        Self::Format(Box::new(error))
    }
}

/// Says what was being done when something failed.
pub(crate) trait Context<T> {
    fn context(self, what: &str) -> Result<T>;

    fn with_context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<ExplanationError>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: &str) -> Result<T> {
        self.with_context(|| what.to_owned())
    }

    fn with_context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| ExplanationError::While { what: what(), source: Box::new(error.into()) })
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: &str) -> Result<T> {
        self.with_context(|| what.to_owned())
    }

    fn with_context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.ok_or_else(|| ExplanationError::Missing(what()))
    }
}
