//! One method explains an image, streamed.

use std::sync::Arc;
use std::time::Instant;

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
    let method = method.parse::<MethodId>()?;
    let methods = vec![method];
    require_background(&app, &methods)?;
    // of the methods whose cost is a setting, a first look comes at once
    let has_first_look = app.knobs.methods.iter().any(|group| group.name == method.name() && group.cost.is_some());
    let settings = settings.fitted(&app, methods, seed)?;
    let asked = Asked { subject: image.subject(&app)?, settings, target, against };
    let (lane, name) = lane_of(&app.lanes, &asked.settings.methods);
    job::stream(&app, lane, name, &asker, {
        let app = Arc::clone(&app);
        move |desk, ending, watch, lines| {
            let cancellation = &ending.cancellation;
            if has_first_look {
                let started = Instant::now();
                let nobody = ending.watch(|_| {});
                // what the cheaper form cannot do, the method itself may, or says why
                if let Ok(Some(found)) = asked.first_look(&app, desk, cancellation, nobody) {
                    let (seconds, maps) = (started.elapsed().as_secs_f64(), MapsAnswer::from(&found.maps));
                    lines.tell(&Preview { kind: "preview", method: method.name(), seconds, maps });
                }
            }
            answer(asked.explain(&app, desk, cancellation, watch)?)
        }
    })
}

/// A line before the result: what the cheaper form of the method makes of the image.
#[derive(Serialize)]
struct Preview {
    #[serde(rename = "type")]
    kind: &'static str,
    method: &'static str,
    seconds: f64,
    maps: MapsAnswer,
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
