//! Files to keep: the maps, their drawings, and the image.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tinylsa_data::encode_png;
use tinylsa_explain::{ImageExplanation, MethodId, NamedDrawing, attributions_file, diagnostics_file, draw};
use tinylsa_model::ModelConfig;
use tinylsa_xai::Cancellation;

use super::sheet::svg;
use crate::app::App;
use crate::body;
use crate::clients::Asker;
use crate::explaining::{Asked, require_background, require_target};
use crate::job;
use crate::refusal::Refusal;
use crate::settings::SettingsArgument;
use crate::subject::ImageArgument;
use crate::work::lane_of;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DownloadArgument {
    image: ImageArgument,
    target: Option<usize>,
    against: Option<usize>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    settings: SettingsArgument,
    seed: Option<u64>,
}

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Attributions,
    Diagnostics,
    /// All methods side by side.
    SheetPng,
    SheetSvg,
    /// One method.
    Drawing(MethodId),
    /// The image itself.
    Image,
}

impl Kept {
    fn of(file: &str) -> Option<Self> {
        match file {
            "attributions.safetensors" => Some(Self::Attributions),
            "diagnostics.json" => Some(Self::Diagnostics),
            "sheet.png" => Some(Self::SheetPng),
            "sheet.svg" => Some(Self::SheetSvg),
            "image.png" => Some(Self::Image),
            _ => file.strip_suffix(".png").and_then(MethodId::named).map(Self::Drawing),
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Attributions => "application/octet-stream",
            Self::Diagnostics => "application/json",
            Self::SheetSvg => "image/svg+xml",
            Self::SheetPng | Self::Drawing(_) | Self::Image => "image/png",
        }
    }
}

pub(super) async fn download(
    State(app): State<Arc<App>>,
    Path(file): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let asker = Asker::of(request.headers())?;
    let Some(kept) = Kept::of(&file) else {
        let text = "there is no such file; expected attributions.safetensors, diagnostics.json, sheet.png, sheet.svg, \
                    image.png or the name of a method with .png";
        return Err(Refusal::new(StatusCode::NOT_FOUND, text));
    };
    let argument: DownloadArgument = body::json(request, app.limits.json_bytes).await?;
    let DownloadArgument { image, target, against, methods, settings, seed } = argument;
    let subject = image.subject(&app)?;
    let name = subject.image.id.clone();
    if kept == Kept::Image {
        let png = encode_png(app.metadata.config.input(), &subject.pixels);
        let png = png.map_err(|error| Refusal::failed(error.to_string()))?;
        return Ok(attachment(&format!("{name}.png"), kept, png));
    }
    require_target(&app, target, against)?;
    let methods = match kept {
        Kept::Drawing(method) => vec![method],
        Kept::Attributions | Kept::Diagnostics | Kept::SheetPng | Kept::SheetSvg | Kept::Image => {
            MethodId::chosen(&methods)?
        }
    };
    require_background(&app, &methods)?;
    let settings = settings.fitted(&app, methods, seed)?;
    let asked = Asked { subject, settings, target, against };
    let (lane, _) = lane_of(&app.lanes, &asked.settings.methods);
    let found = job::answer(&app, lane, &asker, {
        let app = Arc::clone(&app);
        move |desk, ending| {
            let watch = ending.watch(|_| {});
            let made = asked.explain(&app, desk, &ending.cancellation, watch)?;
            bytes(&app, &asked, &made.explanation, kept, &ending.cancellation)
        }
    });
    Ok(attachment(&format!("{name}-{file}"), kept, found.await?))
}

fn bytes(
    app: &App,
    asked: &Asked,
    explanation: &ImageExplanation,
    kept: Kept,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Refusal> {
    let origin = asked.origin(app);
    let drawn = |method: Option<MethodId>| -> Result<Vec<u8>, Refusal> {
        let all = draw(explanation, cancellation)?;
        let found = all.into_iter().find(|drawing: &NamedDrawing| drawing.method == method);
        found.map(|drawing| drawing.png).ok_or_else(|| Refusal::failed("there is no such drawing"))
    };
    match kept {
        Kept::Attributions => Ok(attributions_file(explanation, &origin)?),
        Kept::Diagnostics => Ok(diagnostics_file(explanation, &origin)?),
        Kept::SheetPng => drawn(None),
        Kept::Drawing(method) => drawn(Some(method)),
        Kept::SheetSvg => Ok(svg(explanation, &draw(explanation, cancellation)?)?.into_bytes()),
        Kept::Image => Err(Refusal::failed("the image is no explanation")),
    }
}

fn attachment(name: &str, kept: Kept, bytes: Vec<u8>) -> Response {
    // names are letters, digits, -, _ and .
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (CONTENT_TYPE, kept.content_type().to_owned()),
        (CONTENT_DISPOSITION, disposition),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, bytes).into_response()
}
