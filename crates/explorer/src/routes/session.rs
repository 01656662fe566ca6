//! What the page needs to know before it asks anything.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tinylsa_experiment::image_file::searches_for_garment;
use tinylsa_explain::{MethodId, Needs, SharedSetting};
use tinylsa_model::ModelConfig;

use crate::app::{App, Pace};
use crate::gallery::Images;
use crate::knobs::{Cost, Knob};
use crate::limits::Limits;
use crate::work::is_quick;

#[derive(Serialize)]
pub(super) struct SessionAnswer {
    model: ModelAnswer,
    input: InputAnswer,
    /// Whether one thing, light on black, is searched for on a photograph.
    finds_garment: bool,
    classes: Vec<String>,
    seed: u64,
    gives: GivesAnswer,
    dataset: DatasetAnswer,
    methods: Vec<MethodAnswer>,
    shared: SharedAnswer,
    limits: Limits,
    version: &'static str,
}

#[derive(Serialize)]
struct ModelAnswer {
    kind: &'static str,
    file: Option<String>,
    sha256: String,
    trained_on: String,
    parameters: usize,
    temperature: Option<f64>,
}

#[derive(Serialize)]
struct InputAnswer {
    channels: usize,
    height: usize,
    width: usize,
}

#[derive(Serialize)]
struct GivesAnswer {
    attention: bool,
    feature_maps: bool,
    token_evidence: bool,
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum DatasetAnswer {
    Loading,
    None { reason: String },
    Ready { name: String, split: String, images: usize, has_masks: bool, caption: String, warning: Option<String> },
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "facts of a method, each by itself")]
struct MethodAnswer {
    name: &'static str,
    title: &'static str,
    shows: &'static str,
    does_not_show: &'static str,
    family: &'static str,
    quick: bool,
    available: bool,
    unavailable_why: Option<String>,
    draws: bool,
    is_scored: bool,
    is_control: bool,
    reads: Vec<&'static str>,
    settings: Vec<Knob>,
    cost: Option<CostAnswer>,
}

#[derive(Serialize)]
struct CostAnswer {
    #[serde(flatten)]
    cost: Cost,
    /// Null until it is measured.
    milliseconds_each: Option<f64>,
}

#[derive(Serialize)]
struct SharedAnswer {
    segmentation: Vec<Knob>,
    fill: Vec<Knob>,
    baseline: Vec<Knob>,
    background: Vec<Knob>,
}

pub(super) async fn session(State(app): State<Arc<App>>) -> Json<SessionAnswer> {
    let metadata = &app.metadata;
    let input = metadata.config.input();
    let given = app.circumstances().given;
    let shared = |name: &str| {
        let group = app.knobs.shared.iter().find(|group| group.name == name);
        group.map(|group| group.knobs.clone()).unwrap_or_default()
    };
    Json(SessionAnswer {
        model: ModelAnswer {
            kind: metadata.config.kind(),
            file: app.file.as_ref().and_then(|file| Some(file.file_name()?.to_string_lossy().into_owned())),
            sha256: app.sha256.clone(),
            trained_on: metadata.dataset.clone(),
            parameters: app.parameters,
            temperature: metadata.temperature,
        },
        input: InputAnswer { channels: input.channels, height: input.height, width: input.width },
        finds_garment: searches_for_garment(metadata),
        classes: metadata.class_names.clone(),
        seed: app.settings.seed,
        gives: GivesAnswer {
            attention: given.attention,
            feature_maps: given.feature_maps,
            token_evidence: given.token_evidence,
        },
        dataset: dataset(&app),
        methods: MethodId::all().map(|method| answer(&app, method)).collect(),
        shared: SharedAnswer {
            segmentation: shared("segmentation"),
            fill: shared("fill"),
            baseline: shared("baseline"),
            background: shared("background"),
        },
        limits: app.limits,
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn dataset(app: &App) -> DatasetAnswer {
    match app.gallery.images() {
        Images::Loading => DatasetAnswer::Loading,
        Images::Without(reason) => DatasetAnswer::None { reason },
        Images::Ready(images) => DatasetAnswer::Ready {
            name: images.name().title().to_owned(),
            split: images.test.split.to_string(),
            images: images.test.len(),
            has_masks: images.test.masks.is_some(),
            caption: images.caption(),
            warning: images.substitution.clone(),
        },
    }
}

fn answer(app: &App, method: MethodId) -> MethodAnswer {
    let facts = method.facts();
    let available = app.circumstances().given.serves(facts.needs);
    let group = app.knobs.methods.iter().find(|group| group.name == facts.name);
    let cost = group
        .and_then(|group| group.cost.clone())
        .map(|cost| CostAnswer { milliseconds_each: app.pace.get().map(|pace| each(pace, &cost)), cost });
    MethodAnswer {
        name: facts.name,
        title: facts.title,
        shows: facts.meaning.shows,
        does_not_show: facts.meaning.does_not_show,
        family: family(facts.needs),
        quick: is_quick(method),
        available,
        unavailable_why: (!available)
            .then(|| format!("it needs {}, which the model does not give", facts.needs.describe())),
        draws: facts.draws,
        is_scored: facts.is_scored,
        is_control: facts.is_control,
        reads: facts.reads.iter().map(|&setting| shared_name(setting)).collect(),
        settings: group.map(|group| group.knobs.clone()).unwrap_or_default(),
        cost,
    }
}

fn each(pace: &Pace, cost: &Cost) -> f64 {
    if cost.unit == "gradient" { pace.gradient } else { pace.evaluation }
}

fn family(needs: Needs) -> &'static str {
    match needs {
        Needs::Scores => "perturbation",
        Needs::Gradients => "gradients",
        Needs::Attention => "attention",
        Needs::FeatureMaps => "feature-maps",
        Needs::TokenEvidence => "evidence",
    }
}

fn shared_name(setting: SharedSetting) -> &'static str {
    match setting {
        SharedSetting::Baseline => "baseline",
        SharedSetting::Background => "background",
        SharedSetting::Segmentation => "segmentation",
        SharedSetting::Fill => "fill",
    }
}
