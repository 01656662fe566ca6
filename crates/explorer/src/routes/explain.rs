//! One method explains an image, streamed.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tinylsa_explain::MethodId;

use crate::answer::MapsAnswer;
use crate::app::App;
use crate::body;
use crate::clients::Asker;
use crate::explaining::{Asked, Made, require_background, require_target};
use crate::job;
use crate::refusal::Refusal;
use crate::settings::SettingsArgument;
use crate::subject::ImageArgument;
use crate::work::lane_of;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainArgument {
    image: ImageArgument,
    method: String,
    target: Option<usize>,
    against: Option<usize>,
    #[serde(default)]
    settings: SettingsArgument,
    seed: Option<u64>,
}

#[derive(Serialize)]
struct ExplainAnswer {
    method: &'static str,
    title: &'static str,
    target: usize,
    against: Option<usize>,
    predicted: usize,
    seconds: f64,
    /// Whether it was remembered.
    cached: bool,
    sentences: Vec<String>,
    warnings: Vec<String>,
    settings: Value,
    diagnostics: Value,
    maps: MapsAnswer,
}

pub(super) async fn explain(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let asker = Asker::of(request.headers())?;
    let argument: ExplainArgument = body::json(request, app.limits.json_bytes).await?;
    let ExplainArgument { image, method, target, against, settings, seed } = argument;
    require_target(&app, target, against)?;
    let methods = vec![method.parse::<MethodId>()?];
    require_background(&app, &methods)?;
    let settings = settings.fitted(&app, methods, seed)?;
    let asked = Asked { subject: image.subject(&app)?, settings, target, against };
    let (lane, name) = lane_of(&app.lanes, &asked.settings.methods);
    job::stream(&app, lane, name, &asker, {
        let app = Arc::clone(&app);
        move |desk, ending, watch| {
            let made = asked.explain(&app, desk, &ending.cancellation, watch)?;
            answer(made)
        }
    })
}

fn answer(made: Made) -> Result<ExplainAnswer, Refusal> {
    let Made { mut explanation, remembered } = made;
    let found = explanation.methods.pop().ok_or_else(|| Refusal::failed("the method gave no explanation"))?;
    Ok(ExplainAnswer {
        method: found.method.name(),
        title: found.method.title(),
        target: explanation.target.class,
        against: explanation.target.against,
        predicted: explanation.predicted,
        seconds: found.seconds,
        cached: !remembered.is_empty(),
        maps: MapsAnswer::from(&found.maps),
        sentences: found.sentences,
        warnings: found.warnings,
        settings: found.settings,
        diagnostics: found.diagnostics,
    })
}
