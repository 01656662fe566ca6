//! Why a request is not answered.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tinylsa_experiment::{ExperimentError, chain};
use tinylsa_explain::ExplanationError;
use tinylsa_settings::config::ConfigError;
use tinylsa_settings::{InvalidSetting, UsageError};
use tinylsa_xai::{ExplainError, SegmentationError};

/// Why a request is not answered: what is wrong, where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
}

/// The body of a refusal.
#[derive(Serialize)]
struct Said<'a> {
    error: &'a str,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    /// The request is no request.
    pub(crate) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// The values of the request are refused.
    pub(crate) fn values(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    /// A later request of the same client, or its end, took the place of this one.
    pub(crate) fn superseded() -> Self {
        Self::new(StatusCode::CONFLICT, "a later request of this page took the place of this one")
    }

    /// Something failed that the request is not to blame for.
    pub(crate) fn failed(error: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(Said { error: &self.error })).into_response()
    }
}

impl From<ExplanationError> for Refusal {
    fn from(error: ExplanationError) -> Self {
        if error.is_cancelled() { Self::superseded() } else { Self::values(chain(&error)) }
    }
}

impl From<ExplainError> for Refusal {
    fn from(error: ExplainError) -> Self {
        ExplanationError::from(error).into()
    }
}

impl From<SegmentationError> for Refusal {
    fn from(error: SegmentationError) -> Self {
        ExplanationError::from(error).into()
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self::values(chain(&error))
    }
}

impl From<UsageError> for Refusal {
    fn from(error: UsageError) -> Self {
        Self::values(error.to_string())
    }
}

impl From<InvalidSetting> for Refusal {
    fn from(error: InvalidSetting) -> Self {
        Self::values(error.to_string())
    }
}

impl From<ExperimentError> for Refusal {
    fn from(error: ExperimentError) -> Self {
        Self::values(chain(&error))
    }
}
