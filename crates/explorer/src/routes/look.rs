//! What is shown at every pause of a stroke: attention, evidence and the gradient.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use tinylsa_explain::{AttentionFacts, MethodContext, TokenEvidence};
use tinylsa_xai::{
    AttentionFlowConfig, AttentionRolloutConfig, Cancellation, ExplainedScore, HeadFusion, Watch, attention_flow,
    attention_rollout,
};

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
use crate::settings::SettingsArgument;
use crate::subject::{ImageArgument, Subject};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LookArgument {
    image: ImageArgument,
    target: Option<usize>,
    against: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct LookAnswer {
    prediction: PredictionAnswer,
    target: usize,
    against: Option<usize>,
    attention: Option<AttentionLook>,
    evidence: Option<EvidenceLook>,
    gradient: GradientLook,
    milliseconds: f64,
}

#[derive(Serialize)]
struct AttentionLook {
    grid: GridAnswer,
    layers: Vec<LayerLook>,
    rollout: Vec<f32>,
    readout: Vec<Vec<f32>>,
    beside: Vec<String>,
    reads_by_class: bool,
}

#[derive(Serialize)]
struct LayerLook {
    heads: Vec<Vec<f32>>,
    fused: Vec<f32>,
}

#[derive(Serialize)]
pub(super) struct EvidenceLook {
    grid: GridAnswer,
    values: Vec<Vec<f32>>,
    attention: Vec<Vec<f32>>,
    biases: Vec<f32>,
    scores: Vec<f32>,
}

#[derive(Serialize)]
struct GradientLook {
    values: Vec<f32>,
    unit: &'static str,
}

pub(super) async fn look(State(app): State<Arc<App>>, request: Request) -> Result<Json<LookAnswer>, Refusal> {
    let asker = Asker::of(request.headers())?;
    let LookArgument { image, target, against } = body::json(request, app.limits.json_bytes).await?;
    require_target(&app, target, against)?;
    let asked = asked(&app, image.subject(&app)?, target, against)?;
    let lane = &app.lanes.look;
    let found = job::answer(&app, lane, &asker, {
        let app = Arc::clone(&app);
        move |desk, ending| looked(&app, desk, &asked, &ending.cancellation)
    });
    Ok(Json(found.await?))
}

/// The question about an image without methods.
pub(super) fn asked(
    app: &App,
    subject: Subject,
    target: Option<usize>,
    against: Option<usize>,
) -> Result<Asked, Refusal> {
    let settings = SettingsArgument::default().fitted(app, Vec::new(), None)?;
    Ok(Asked { subject, settings, target, against })
}

/// The score that is asked about, given what the model says.
pub(super) fn explained(asked: &Asked, prediction: &PredictionAnswer) -> Result<ExplainedScore, Refusal> {
    let class = asked.target.unwrap_or(prediction.predicted);
    if Some(class) == asked.against {
        return Err(Refusal::values("the class is set against itself, whose difference is 0"));
    }
    let score = ExplainedScore { class, against: asked.against };
    score.of(&prediction.logits)?;
    Ok(score)
}

fn looked(app: &App, desk: &Desk, asked: &Asked, cancellation: &Cancellation) -> Result<LookAnswer, Refusal> {
    let started = Instant::now();
    let image = &asked.subject.image.image;
    let prediction = prediction(desk, image, app.metadata.temperature)?;
    let target = explained(asked, &prediction)?;
    let background = asked.background(app, desk, cancellation)?;
    let explainer = asked.explainer(desk, &background, cancellation, Watch::default());
    let shared = &asked.settings.explain.shared;
    let context = MethodContext::new(explainer.model, shared, &background, explainer.execution.clone(), image, target);
    let attention = desk.model.attention().map(|source| attention(&context, source.facts())).transpose()?;
    let evidence = desk.model.token_evidence().map(|source| source.evidence(context.image_pair())).transpose()?;
    let gradient = gradient_of(desk, image, target)?;
    Ok(LookAnswer {
        target: target.class,
        against: target.against,
        attention,
        evidence: evidence.as_ref().map(EvidenceLook::from),
        gradient: GradientLook { values: gradient, unit: "logits per unit of brightness" },
        prediction,
        milliseconds: 1e3 * started.elapsed().as_secs_f64(),
    })
}

fn attention(context: &MethodContext<'_>, facts: AttentionFacts) -> Result<AttentionLook, Refusal> {
    let traced = context.attention()?;
    let mut layers = Vec::with_capacity(traced.layers.len());
    for layer in &traced.layers {
        let heads: Result<Vec<_>, _> = (0..layer.heads()).map(|head| layer.head(head)).collect();
        layers.push(LayerLook {
            heads: heads?.iter().map(|head| floats(head.values())).collect(),
            fused: floats(layer.fused(HeadFusion::Mean).values()),
        });
    }
    let config = AttentionRolloutConfig::default();
    let rollout = attention_rollout(&traced.layers, &config, &context.execution.cancellation)?;
    Ok(AttentionLook {
        grid: traced.grid.into(),
        layers,
        rollout: floats(rollout.matrix.values()),
        readout: traced.readout.iter().map(|row| floats(row)).collect(),
        beside: facts.beside,
        reads_by_class: facts.reads_by_class,
    })
}

impl From<&TokenEvidence> for EvidenceLook {
    fn from(found: &TokenEvidence) -> Self {
        let rows = |rows: &[Vec<f64>]| rows.iter().map(|row| floats(row)).collect();
        Self {
            grid: found.grid.into(),
            values: rows(&found.evidence),
            attention: rows(&found.attention),
            biases: floats(&found.biases),
            scores: floats(&found.scores),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowArgument {
    image: ImageArgument,
    /// The token whose flow is asked for; none for all.
    query: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct FlowLook {
    grid: GridAnswer,
    query: Option<usize>,
    /// `[tokens]` of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<Vec<f32>>,
    /// `[tokens, tokens]` of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    flows: Option<Vec<f32>>,
}

pub(super) async fn flow(State(app): State<Arc<App>>, request: Request) -> Result<Json<FlowLook>, Refusal> {
    let asker = Asker::of(request.headers())?;
    let FlowArgument { image, query } = body::json(request, app.limits.json_bytes).await?;
    let asked = asked(&app, image.subject(&app)?, None, None)?;
    let lane = if query.is_some() { &app.lanes.look } else { &app.lanes.quick };
    let found = job::answer(&app, lane, &asker, {
        let app = Arc::clone(&app);
        move |desk, ending| flowing(&app, desk, &asked, query, &ending.cancellation)
    });
    Ok(Json(found.await?))
}

fn flowing(
    app: &App,
    desk: &Desk,
    asked: &Asked,
    query: Option<usize>,
    cancellation: &Cancellation,
) -> Result<FlowLook, Refusal> {
    let background = asked.background(app, desk, cancellation)?;
    let explainer = asked.explainer(desk, &background, cancellation, Watch::default());
    let (shared, image) = (&asked.settings.explain.shared, &asked.subject.image.image);
    let context =
        MethodContext::new(explainer.model, shared, &background, explainer.execution.clone(), image, 0.into());
    if desk.model.attention().is_none() {
        return Err(Refusal::values("the model gives no attention, which flows need"));
    }
    let traced = context.attention()?;
    let queries = query.map(|query| vec![query]);
    let config = AttentionFlowConfig::default();
    let found = attention_flow(&traced.layers, queries.as_deref(), &config, cancellation)?;
    let flows = floats(&found.flows);
    let (flow, flows) = if query.is_some() { (Some(flows), None) } else { (None, Some(flows)) };
    Ok(FlowLook { grid: traced.grid.into(), query, flow, flows })
}
