//! Bodies of requests, bounded in size and in time.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::limits::BODY_TIME;
use crate::refusal::Refusal;

/// Reads a body of at most `most` bytes.
pub(crate) async fn read(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, Refusal> {
    let too_large = |found: &str| {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has {found} bytes, expected at most {most}"))
    };
    let said = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if let Some(length) = said.filter(|&length| length > most as u64) {
        return Err(too_large(&length.to_string()));
    }
    match timeout(BODY_TIME, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // what was read so far is within the bound: either it is longer than that, or the connection broke
        Ok(Err(error)) if is_length(&error) => Err(too_large("more")),
        Ok(Err(error)) => Err(Refusal::bad(format!("the body could not be read: {error}"))),
        Err(_) => {
            let text = format!("the body did not arrive within {} seconds", BODY_TIME.as_secs());
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, text))
        }
    }
}

fn is_length(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Reads a body in JSON.
pub(crate) async fn json<T: DeserializeOwned>(request: Request, most: usize) -> Result<T, Refusal> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim() != "application/json" {
        let text = "the content type of the body is not application/json";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let bytes = read(&parts.headers, body, most).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::bad(format!("the body is not what is expected here: {error}")))
}
