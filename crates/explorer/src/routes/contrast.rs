//! Why one class and not another.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use tinylsa_explain::MethodContext;
use tinylsa_xai::{Cancellation, Watch};

use super::look::{asked, explained};
use super::predict::prediction;
use crate::answer::{GridAnswer, PredictionAnswer, floats};
use crate::app::App;
use crate::body;
use crate::clients::Asker;
use crate::explaining::{Asked, require_target};
use crate::job;
use crate::lanes::Desk;
use crate::refusal::Refusal;
use crate::scoring::gradient_of;
use crate::subject::ImageArgument;

/// How many tokens are named on either side.
const NAMED: usize = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContrastArgument {
    image: ImageArgument,
    target: usize,
    against: usize,
}

#[derive(Serialize)]
pub(super) struct ContrastAnswer {
    prediction: PredictionAnswer,
    target: usize,
    against: usize,
    /// The logit of the target less that of the other.
    difference: f64,
    /// Null for a model whose scores are no sums over tokens.
    evidence: Option<EvidenceDifference>,
    gradient: Vec<f32>,
    /// The tokens that speak most for the target, the first the most.
    #[serde(rename = "for")]
    speaks_for: Vec<usize>,
    /// The tokens that speak most for the other.
    counter: Vec<usize>,
}

/// `difference = bias + Σ values`.
#[derive(Serialize)]
struct EvidenceDifference {
    grid: GridAnswer,
    values: Vec<f32>,
    bias: f64,
}

pub(super) async fn contrast(State(app): State<Arc<App>>, request: Request) -> Result<Json<ContrastAnswer>, Refusal> {
    let asker = Asker::of(request.headers())?;
    let ContrastArgument { image, target, against } = body::json(request, app.limits.json_bytes).await?;
    require_target(&app, Some(target), Some(against))?;
    let asked = asked(&app, image.subject(&app)?, Some(target), Some(against))?;
    let found = job::answer(&app, &app.lanes.look, &asker, {
        let app = Arc::clone(&app);
        move |desk, ending| contrasted(&app, desk, &asked, against, &ending.cancellation)
    });
    Ok(Json(found.await?))
}

fn contrasted(
    app: &App,
    desk: &Desk,
    asked: &Asked,
    against: usize,
    cancellation: &Cancellation,
) -> Result<ContrastAnswer, Refusal> {
    let image = &asked.subject.image.image;
    let prediction = prediction(desk, image, app.metadata.temperature)?;
    let score = explained(asked, &prediction)?;
    let background = asked.background(app, desk, cancellation)?;
    let explainer = asked.explainer(desk, &background, cancellation, Watch::default());
    let shared = &asked.settings.explain.shared;
    let context = MethodContext::new(explainer.model, shared, &background, explainer.execution.clone(), image, score);
    let gradient = gradient_of(desk, image, score)?;
    let found = desk.model.token_evidence().map(|source| source.evidence(context.image_pair())).transpose()?;
    let (mut speaks_for, mut counter) = (Vec::new(), Vec::new());
    let evidence = found.map(|found| {
        let (own, other) = (&found.evidence[score.class], &found.evidence[against]);
        let values: Vec<f64> = own.iter().zip(other).map(|(own, other)| own - other).collect();
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&left, &right| values[right].partial_cmp(&values[left]).unwrap_or(Ordering::Equal));
        speaks_for = order.iter().copied().filter(|&token| values[token] > 0.0).take(NAMED).collect();
        counter = order.iter().rev().copied().filter(|&token| values[token] < 0.0).take(NAMED).collect();
        let bias = found.biases[score.class] - found.biases[against];
        EvidenceDifference { grid: found.grid.into(), values: floats(&values), bias }
    });
    Ok(ContrastAnswer {
        target: score.class,
        against,
        difference: score.of(&prediction.logits)?,
        evidence,
        gradient,
        speaks_for,
        counter,
        prediction,
    })
}
