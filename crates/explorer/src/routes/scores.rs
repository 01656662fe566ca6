//! Scores of the maps of an image, streamed.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;
use tinylsa_explain::scores::{ScoreColumn, ScoreTable, Scoring};
use tinylsa_explain::{Background, ExplainConfig, Explainer, MethodId};
use tinylsa_xai::{Direction, ScoreKind, Watch};

use super::maps_argument::MapsArgument;
use crate::app::App;
use crate::body;
use crate::clients::Asker;
use crate::explaining::{Asked, require_background, require_target};
use crate::job::{self, Ending};
use crate::lanes::Desk;
use crate::refusal::Refusal;

#[derive(Serialize)]
struct ScoresAnswer {
    columns: Vec<ColumnAnswer>,
    rows: Vec<RowAnswer>,
    notes: Vec<String>,
    seconds: f64,
}

#[derive(Serialize)]
struct ColumnAnswer {
    name: ScoreKind,
    title: &'static str,
    better: &'static str,
    variant: String,
    /// Whether it stands for its kind where only one is shown.
    headline: bool,
}

#[derive(Serialize)]
struct RowAnswer {
    method: String,
    title: String,
    control: bool,
    scores: Vec<Option<f64>>,
}

pub(super) async fn scores(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let asker = Asker::of(request.headers())?;
    let argument: MapsArgument = body::json(request, app.limits.json_bytes).await?;
    let MapsArgument { image, target, against, methods, settings, seed } = argument;
    require_target(&app, target, against)?;
    let mut methods = MethodId::chosen(&methods)?;
    methods.retain(|method| method.facts().is_scored);
    if methods.is_empty() {
        return Err(Refusal::values("none of these methods has a map that is scored"));
    }
    require_background(&app, &methods)?;
    let settings = settings.fitted(&app, methods, seed)?;
    let asked = Asked { subject: image.subject(&app)?, settings, target, against };
    job::stream(&app, &app.lanes.heavy, "heavy", &asker, {
        let app = Arc::clone(&app);
        move |desk, ending, watch, _| scored(&app, desk, &asked, ending, watch)
    })
}

fn scored(app: &App, desk: &Desk, asked: &Asked, ending: &Ending, watch: Watch) -> Result<ScoresAnswer, Refusal> {
    let started = Instant::now();
    let cancellation = &ending.cancellation;
    let explanation = asked.explain(app, desk, cancellation, watch.clone())?.explanation;
    let nobody = Background::default();
    // what explains again and again costs minutes, and is for the command
    let mut config: ExplainConfig = asked.settings.explain.clone();
    (config.scores.sensitivity_images, config.scores.randomisation_images) = (0, 0);
    let explainer = Explainer { config: &config, ..asked.explainer(desk, &nobody, cancellation, watch) };
    let mut scoring = Scoring::new(&explainer, 1)?;
    scoring.add(&explanation)?;
    Ok(answer(&scoring.table()?, started.elapsed().as_secs_f64()))
}

fn answer(table: &ScoreTable, seconds: f64) -> ScoresAnswer {
    let column = |column: &ScoreColumn| ColumnAnswer {
        name: column.kind,
        title: column.kind.title(),
        better: match column.direction {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
        },
        variant: column.variant.clone(),
        headline: column.headline,
    };
    let row = |(place, method): (usize, &String)| RowAnswer {
        title: MethodId::named(method).map_or_else(|| method.clone(), |method| method.title().to_owned()),
        control: table.controls.contains(method),
        scores: table.scores.iter().map(|column| Some(column.entries.get(place)?.mean.as_ref()?.mean)).collect(),
        method: method.clone(),
    };
    ScoresAnswer {
        columns: table.scores.iter().map(column).collect(),
        rows: table.methods.iter().enumerate().map(row).collect(),
        notes: table.notes.clone(),
        seconds,
    }
}
