//! What every request must show before anybody looks at what it asks: that it was sent to this server by its own page.
//!
//! A page of another site can make a browser send requests to `127.0.0.1`, and by a name that it lets point there, read the
//! answers. The address that the request names and the origin that the browser tells refuse the first two, the token in the
//! link everything else that runs on the machine and was not given the link.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio_stream::Stream;

use crate::app::App;
use crate::clients::Asker;
use crate::listener::{Answering, InFlight};
use crate::refusal::Refusal;

/// The header that carries the token.
const TOKEN: &str = "x-explorer-token";
/// Where a browser says who sends a request.
const FETCH_SITE: &str = "sec-fetch-site";
/// Where the questions are answered.
const API: &str = "/api/";
/// What the page may load: its own files, and images that it draws itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
                      connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Lets a request pass that was sent to this server by its own page, with the headers that bind the page to it.
pub(crate) async fn guard(
    State(app): State<Arc<App>>,
    ConnectInfo(in_flight): ConnectInfo<InFlight>,
    request: Request,
    next: Next,
) -> Response {
    let answering = in_flight.begin();
    let mut response = match admit(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    // what is made while it is sent is under way until its end
    response.map(|body| Body::from_stream(Held { body: body.into_data_stream(), _answering: answering }))
}

/// A body that is under way until it is dropped.
struct Held {
    body: BodyDataStream,
    _answering: Answering,
}

impl Stream for Held {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

fn admit(app: &App, request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    require_host(app.address, request)?;
    require_origin(app.address, headers)?;
    if !request.uri().path().starts_with(API) {
        return Ok(());
    }
    let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "the request is from a page of another site"));
    }
    match headers.get(TOKEN) {
        Some(token) if is_same(token.as_bytes(), app.token.as_bytes()) => {}
        Some(_) => {
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, format!("the header {TOKEN} is not that of the link")));
        }
        None => {
            let text =
                format!("the header {TOKEN} is missing, expected the token of the link that the program printed");
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, text));
        }
    }
    app.clients.arrive(&Asker::of(headers)?)
}

/// Requires that the request names this server, by address or as `localhost`.
fn require_host(address: SocketAddr, request: &Request) -> Result<(), Refusal> {
    let forbidden = |found: &str| {
        let shown: String = found.chars().take(80).collect();
        Refusal::new(StatusCode::FORBIDDEN, format!("the request is for {shown:?}, expected {address}"))
    };
    let mut named = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else {
        return Err(forbidden("no host or several"));
    };
    let host = host.to_str().unwrap_or_default();
    if !is_ours(address, host) {
        return Err(forbidden(host));
    }
    match request.uri().authority() {
        Some(authority) if !is_ours(address, authority.as_str()) => Err(forbidden(authority.as_str())),
        Some(_) | None => Ok(()),
    }
}

fn require_origin(address: SocketAddr, headers: &HeaderMap) -> Result<(), Refusal> {
    for origin in headers.get_all(ORIGIN) {
        let host = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        if !host.is_some_and(|host| is_ours(address, host)) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                format!("the request is from another page than that of {address}"),
            ));
        }
    }
    Ok(())
}

fn is_ours(address: SocketAddr, host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    let is_name = name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost");
    is_name && port == address.port().to_string()
}

/// Compares in a time that does not depend on where the two differ.
fn is_same(found: &[u8], expected: &[u8]) -> bool {
    found.len() == expected.len()
        && found.iter().zip(expected).fold(0, |different, (found, expected)| different | (found ^ expected)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_address_is_ours() {
        let address = SocketAddr::from(([127, 0, 0, 1], 7878));
        for host in ["127.0.0.1:7878", "localhost:7878", "LOCALHOST:7878"] {
            assert!(is_ours(address, host), "{host}");
        }
        let foreign =
            ["", "127.0.0.1", "127.0.0.1:7879", "evil.example:7878", "localhost.evil.example:7878", "[::1]:7878"];
        for host in foreign {
            assert!(!is_ours(address, host), "{host}");
        }
        assert!(is_ours(SocketAddr::from(([127, 0, 0, 1], 80)), "localhost"));
    }

    #[test]
    fn a_token_is_the_whole_token() {
        assert!(is_same(b"abc", b"abc"));
        assert!(!is_same(b"ab", b"abc") && !is_same(b"abd", b"abc") && !is_same(b"", b"abc"));
    }
}
