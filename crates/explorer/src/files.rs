//! Answers with the files of the page.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tinylsa_system::sha256_hex;

use crate::assets::ASSETS;
use crate::refusal::Refusal;

/// The page itself.
const INDEX: &str = "index.html";
/// What the page shares with the page of a report lies below this path.
const LIVE: &str = "live/";

struct Asset {
    bytes: &'static [u8],
    tag: String,
}

static FILES: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    let own = ASSETS.iter().map(|&(path, bytes)| (path.to_owned(), bytes));
    let shared = tinylsa_report::live_modules().iter().map(|&(name, text)| (format!("{LIVE}{name}"), text.as_bytes()));
    let asset = |(path, bytes): (String, &'static [u8])| {
        (path, Asset { bytes, tag: format!("\"{}\"", &sha256_hex(bytes)[..16]) })
    };
    own.chain(shared).map(asset).collect()
});

/// The file at a path of the address.
pub(crate) fn file(path: &str, headers: &HeaderMap) -> Response {
    let path = path.trim_start_matches('/');
    let path = if path.is_empty() { INDEX } else { path };
    let Some(asset) = FILES.get(path) else {
        let shown: String = path.chars().take(80).collect();
        return Refusal::new(StatusCode::NOT_FOUND, format!("there is nothing at /{shown}")).into_response();
    };
    let known = [(ETAG, asset.tag.as_str()), (CACHE_CONTROL, "no-cache"), (CONTENT_TYPE, content_type(path))];
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == asset.tag.as_bytes());
    if is_known {
        (StatusCode::NOT_MODIFIED, known).into_response()
    } else {
        (known, Body::from(asset.bytes)).into_response()
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_type_and_is_sent_once() {
        for path in FILES.keys() {
            assert_ne!(content_type(path), "application/octet-stream", "{path}");
            let answer = file(&format!("/{path}"), &HeaderMap::new());
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, answer.headers()[ETAG].clone());
            assert_eq!(file(path, &headers).status(), StatusCode::NOT_MODIFIED, "{path}");
        }
        assert_eq!(file("/", &HeaderMap::new()).headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(file("/../Cargo.toml", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
    }
}
