//! The segments of an image, by which some methods explain and a visitor asks "what if".

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use tinylsa_xai::SegmentationKind;

use crate::app::App;
use crate::body;
use crate::clients::Asker;
use crate::job;
use crate::refusal::Refusal;
use crate::settings::SettingsArgument;
use crate::subject::ImageArgument;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentsArgument {
    image: ImageArgument,
    #[serde(default)]
    settings: SettingsArgument,
}

#[derive(Serialize)]
pub(super) struct SegmentsAnswer {
    kind: &'static str,
    count: usize,
    labels: Vec<usize>,
}

pub(super) async fn segments(State(app): State<Arc<App>>, request: Request) -> Result<Json<SegmentsAnswer>, Refusal> {
    let asker = Asker::of(request.headers())?;
    let SegmentsArgument { image, settings } = body::json(request, app.limits.json_bytes).await?;
    let settings = settings.fitted(&app, Vec::new(), None)?.explain.shared.segmentation;
    let subject = image.subject(&app)?;
    let found = job::answer(&app, &app.lanes.look, &asker, move |_, ending| {
        let image = &subject.image.image;
        let found = settings.segment(image.values(), image.shape(), &ending.cancellation)?;
        let kind = match settings.kind {
            SegmentationKind::Grid => "grid",
            SegmentationKind::Slic => "slic",
        };
        Ok(SegmentsAnswer { kind, count: found.count(), labels: found.labels().to_vec() })
    });
    Ok(Json(found.await?))
}
