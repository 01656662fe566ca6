//! What if a region were not there, or elsewhere: what the model says then, and what each map said beforehand.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use tinylsa_data::to_unit;
use tinylsa_explain::MethodId;
use tinylsa_model::ModelConfig;
use tinylsa_xai::Image;

use super::look::explained;
use crate::answer::PredictionAnswer;
use crate::app::App;
use crate::body;
use crate::clients::Asker;
use crate::edit::{Edit, EditArgument, changes};
use crate::explaining::{Asked, require_target};
use crate::foretell::foretold;
use crate::job;
use crate::lanes::Desk;
use crate::refusal::Refusal;
use crate::scoring::scores_of;
use crate::settings::SettingsArgument;
use crate::subject::{ImageArgument, base64};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhatIfArgument {
    image: ImageArgument,
    edit: EditArgument,
    target: Option<usize>,
    against: Option<usize>,
    #[serde(default)]
    settings: SettingsArgument,
    seed: Option<u64>,
    /// Left out, every method that the model serves.
    methods: Option<Vec<String>>,
}

#[derive(Serialize)]
pub(super) struct WhatIfAnswer {
    pixels: String,
    before: PredictionAnswer,
    after: PredictionAnswer,
    /// Of every logit.
    changes: Vec<f32>,
    target: usize,
    against: Option<usize>,
    /// Of what is explained.
    change: f64,
    predictions: Vec<ForetoldAnswer>,
}

#[derive(Serialize)]
struct ForetoldAnswer {
    method: &'static str,
    title: &'static str,
    predicted: Option<f64>,
    /// What the model did less what the map said.
    error: Option<f64>,
    /// 1 for the map that came nearest.
    place: Option<usize>,
    basis: &'static str,
}

pub(super) async fn what_if(State(app): State<Arc<App>>, request: Request) -> Result<Json<WhatIfAnswer>, Refusal> {
    let asker = Asker::of(request.headers())?;
    let argument: WhatIfArgument = body::json(request, app.limits.json_bytes).await?;
    let WhatIfArgument { image, edit, target, against, settings, seed, methods } = argument;
    require_target(&app, target, against)?;
    let edit = edit.edit(&app)?;
    let given = app.circumstances().given;
    let (methods, is_every) = match methods {
        Some(names) if names.is_empty() => (Vec::new(), false),
        Some(names) => (MethodId::chosen(&names)?, false),
        None => (given.served(&MethodId::all().collect::<Vec<_>>()).0, true),
    };
    let settings = settings.fitted(&app, methods, seed)?;
    let asked = Asked { subject: image.subject(&app)?, settings, target, against };
    let found = job::answer(&app, &app.lanes.look, &asker, {
        let app = Arc::clone(&app);
        move |desk, _| answer(&app, desk, &asked, &edit, is_every)
    });
    Ok(Json(found.await?))
}

fn answer(app: &App, desk: &Desk, asked: &Asked, edit: &Edit, is_every: bool) -> Result<WhatIfAnswer, Refusal> {
    let shape = app.metadata.config.input();
    let image = &asked.subject.image.image;
    let edited = edit.apply(&asked.subject.pixels, shape);
    let after = Image::new(to_unit(&edited), shape)?;
    let mut logits = scores_of(desk, &[image, &after])?.into_iter();
    let (Some(before), Some(after)) = (logits.next(), logits.next()) else {
        return Err(Refusal::failed("the model gave no scores"));
    };
    let before = PredictionAnswer::new(before, app.metadata.temperature);
    let after = PredictionAnswer::new(after, app.metadata.temperature);
    let score = explained(asked, &before)?;
    let change = score.of(&after.logits)? - score.of(&before.logits)?;
    let of_values = changes(&asked.subject.pixels, &edited);
    let mut predictions: Vec<ForetoldAnswer> = Vec::new();
    for (method, remembered) in asked.remembered(app, score) {
        let (method, title) = (method.name(), method.title());
        let Some(explanation) = remembered else {
            if !is_every {
                let basis = "not computed yet: ask for this map first";
                predictions.push(ForetoldAnswer { method, title, predicted: None, error: None, place: None, basis });
            }
            continue;
        };
        let found = foretold(&explanation, image, &of_values);
        let error = found.change.map(|predicted| change - predicted);
        let (predicted, basis) = (found.change, found.basis);
        predictions.push(ForetoldAnswer { method, title, predicted, error, place: None, basis });
    }
    place(&mut predictions);
    Ok(WhatIfAnswer {
        pixels: base64(&edited),
        changes: after.logits.iter().zip(&before.logits).map(|(after, before)| after - before).collect(),
        before,
        after,
        target: score.class,
        against: score.against,
        change,
        predictions,
    })
}

/// Numbers the maps by how near they came.
fn place(predictions: &mut [ForetoldAnswer]) {
    let mut order: Vec<(usize, f64)> = predictions
        .iter()
        .enumerate()
        .filter_map(|(index, prediction)| Some((index, prediction.error.filter(|error| error.is_finite())?.abs())))
        .collect();
    order.sort_by(|left, right| left.1.total_cmp(&right.1));
    for (place, (index, _)) in order.into_iter().enumerate() {
        predictions[index].place = Some(place + 1);
    }
}
