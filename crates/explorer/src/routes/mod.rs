//! What can be asked, a file each.

mod command;
mod contrast;
mod download;
mod explain;
mod gallery;
mod look;
mod maps_argument;
mod predict;
mod prepare;
mod scores;
mod segments;
mod session;
mod sheet;
mod what_if;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::files::file;
use crate::guard::guard;
use crate::refusal::Refusal;

/// Every route, behind the guard.
pub(crate) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/api/session", get(session::session))
        .route("/api/gallery", get(gallery::gallery))
        .route("/api/image", get(gallery::image))
        .route("/api/pixels", get(gallery::pixels).post(gallery::chosen_pixels))
        .route("/api/prepare", post(prepare::prepare))
        .route("/api/predict", post(predict::predict))
        .route("/api/look", post(look::look))
        .route("/api/flow", post(look::flow))
        .route("/api/explain", post(explain::explain))
        .route("/api/contrast", post(contrast::contrast))
        .route("/api/segments", post(segments::segments))
        .route("/api/what-if", post(what_if::what_if))
        .route("/api/scores", post(scores::scores))
        .route("/api/command", post(command::command))
        .route("/api/download/{file}", post(download::download))
        .fallback(other)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(Arc::clone(app), guard))
        .with_state(Arc::clone(app))
}

async fn other(State(_): State<Arc<App>>, request: Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return not_allowed().await.into_response();
    }
    file(request.uri().path(), request.headers())
}

async fn not_allowed() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this address is asked in another way: see the list of routes in docs/explorer.md",
    )
}
