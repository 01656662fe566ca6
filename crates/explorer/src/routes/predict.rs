//! What the model says of an image.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use tinylsa_xai::Image;

use crate::answer::PredictionAnswer;
use crate::app::App;
use crate::body;
use crate::clients::Asker;
use crate::job;
use crate::lanes::Desk;
use crate::refusal::Refusal;
use crate::scoring::scores_of;
use crate::subject::ImageArgument;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PredictArgument {
    image: ImageArgument,
}

pub(super) async fn predict(State(app): State<Arc<App>>, request: Request) -> Result<Json<PredictionAnswer>, Refusal> {
    let asker = Asker::of(request.headers())?;
    let argument: PredictArgument = body::json(request, app.limits.json_bytes).await?;
    let subject = argument.image.subject(&app)?;
    let temperature = app.metadata.temperature;
    let found = job::answer(&app, &app.lanes.predict, &asker, move |desk, _| {
        prediction(desk, &subject.image.image, temperature)
    });
    Ok(Json(found.await?))
}

/// What the model says of an image, with the bits that its explanations start from.
pub(super) fn prediction(desk: &Desk, image: &Image, temperature: Option<f64>) -> Result<PredictionAnswer, Refusal> {
    let logits = scores_of(desk, &[image])?.swap_remove(0);
    Ok(PredictionAnswer::new(logits, temperature))
}
