//! A photograph becomes an image of the model, as `classify` makes it, or as somebody adjusts it.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tinylsa_data::photograph::{Area, Photograph, PhotographFault, Polarity};
use tinylsa_experiment::image_file::{GarmentSearch, InputImage, seen_as};
use tokio::time::timeout;

use crate::app::App;
use crate::body;
use crate::limits::{BODY_TIME, PHOTO_BYTES};
use crate::refusal::Refusal;
use crate::subject::{base64, require_name};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrepareQuery {
    #[serde(default)]
    invert: Invert,
    /// Quarter turns clockwise.
    #[serde(default)]
    turns: u8,
    /// Left, top, width and height as fractions of the turned photograph.
    crop: Option<String>,
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Invert {
    /// As the photograph looks.
    #[default]
    Auto,
    /// It is dark on light.
    Yes,
    /// It is light on dark.
    No,
}

#[derive(Serialize)]
pub(super) struct PrepareAnswer {
    pixels: String,
    name: String,
    /// Of the turned photograph.
    width: usize,
    height: usize,
    shown: ShownAnswer,
    inverted: bool,
    doubtful: bool,
    confidence: Option<f32>,
    remarks: Vec<String>,
    /// Whether `classify` would see something else of the file.
    adjusted: bool,
}

/// As fractions of the turned photograph.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct ShownAnswer {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

pub(super) async fn prepare(
    State(app): State<Arc<App>>,
    query: Result<Query<PrepareQuery>, QueryRejection>,
    request: Request,
) -> Result<Json<PrepareAnswer>, Refusal> {
    let Query(query) = query.map_err(|error| Refusal::bad(error.body_text()))?;
    let name = query.name.clone().unwrap_or_else(|| "photo".to_owned());
    require_name(&name)?;
    if query.turns > 3 {
        return Err(Refusal::values(format!("turns is {}, expected 0 to 3 quarters", query.turns)));
    }
    let crop = query.crop.as_deref().map(fractions).transpose()?;
    let (parts, bytes) = request.into_parts();
    // few at a time, so that their memory is bounded
    let busy = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "other photographs are being prepared; ask again");
    let receiving = timeout(BODY_TIME, app.photos_received.acquire()).await.map_err(|_| busy())?;
    let receiving = receiving.map_err(|_| busy())?;
    let bytes = body::read(&parts.headers, bytes, PHOTO_BYTES).await?;
    let permit = timeout(BODY_TIME, Arc::clone(&app.photos_prepared).acquire_owned()).await.map_err(|_| busy())?;
    let permit = permit.map_err(|_| busy())?;
    drop(receiving);
    let work = tokio::task::spawn_blocking(move || {
        let prepared = prepared(&app, &bytes, &query, crop, name);
        drop(permit);
        prepared
    });
    let prepared = work.await.map_err(|_| Refusal::failed("the photograph could not be prepared"))?;
    Ok(Json(prepared?))
}

fn prepared(
    app: &App,
    bytes: &[u8],
    query: &PrepareQuery,
    crop: Option<[f64; 4]>,
    name: String,
) -> Result<PrepareAnswer, Refusal> {
    let fault = |fault: PhotographFault| Refusal::values(format!("the photograph {}", with_cause(&fault)));
    let turned = Photograph::decode(bytes).map_err(fault)?.turned(query.turns);
    let (width, height) = (turned.width(), turned.height());
    let part = crop.map_or(Area { left: 0, top: 0, width, height }, |crop| area(crop, width, height));
    let photograph = if crop.is_some() { turned.cropped(part).map_err(fault)? } else { turned };
    let known = match query.invert {
        Invert::Auto => None,
        Invert::Yes => Some(Polarity::DarkOnLight),
        Invert::No => Some(Polarity::LightOnDark),
    };
    let InputImage { pixels, garment, .. } = seen_as(&photograph, &app.metadata, known).map_err(fault)?;
    let shown = garment.as_ref().map_or(part, |garment| Area {
        left: part.left + garment.shown.left,
        top: part.top + garment.shown.top,
        ..garment.shown
    });
    let fraction = |pixels: usize, of: usize| pixels as f64 / of as f64;
    Ok(PrepareAnswer {
        pixels: base64(&pixels),
        name,
        width,
        height,
        shown: ShownAnswer {
            left: fraction(shown.left, width),
            top: fraction(shown.top, height),
            width: fraction(shown.width, width),
            height: fraction(shown.height, height),
        },
        inverted: match &garment {
            Some(GarmentSearch { polarity, .. }) => *polarity == Polarity::DarkOnLight,
            None => query.invert == Invert::Yes,
        },
        doubtful: garment.as_ref().is_some_and(|garment| garment.found.is_doubtful()),
        confidence: garment.as_ref().map(|garment| garment.found.confidence),
        remarks: garment
            .map(|garment| garment.found.doubts.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        adjusted: query.invert != Invert::Auto || query.turns != 0 || crop.is_some(),
    })
}

fn with_cause(fault: &PhotographFault) -> String {
    let cause = std::error::Error::source(fault).map(|cause| format!(": {cause}"));
    format!("{fault}{}", cause.unwrap_or_default())
}

/// The pixels of a part, at least one.
fn area([left, top, width, height]: [f64; 4], across: usize, down: usize) -> Area {
    let place = |fraction: f64, extent: usize| ((fraction * extent as f64).round() as usize).min(extent - 1);
    let (first_column, first_row) = (place(left, across), place(top, down));
    let end = |from: f64, length: f64, first: usize, extent: usize| {
        (((from + length) * extent as f64).round() as usize).clamp(first + 1, extent)
    };
    Area {
        left: first_column,
        top: first_row,
        width: end(left, width, first_column, across) - first_column,
        height: end(top, height, first_row, down) - first_row,
    }
}

fn fractions(text: &str) -> Result<[f64; 4], Refusal> {
    let refused = || {
        let shown: String = text.chars().take(80).collect();
        Refusal::values(format!("crop is {shown:?}, expected left,top,width,height within 0 and 1"))
    };
    let numbers: Vec<f64> = text.split(',').map_while(|number| number.trim().parse().ok()).collect();
    let [left, top, width, height] = numbers[..] else { return Err(refused()) };
    let is_within = |from: f64, length: f64| from >= 0.0 && length > 0.0 && from < 1.0 && from + length <= 1.0 + 1e-9;
    if text.split(',').count() == 4 && is_within(left, width) && is_within(top, height) {
        Ok([left, top, width, height])
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_four_fractions_within_the_photograph() {
        assert_eq!(fractions("0,0.25,1,0.75").ok(), Some([0.0, 0.25, 1.0, 0.75]));
        for text in
            ["", "0,0,1", "0,0,1,1,1", "0,0,1,1.1", "-0.1,0,1,1", "nan,0,1,1", "0,0,0,1", "1,0,0.5,1", "a,0,1,1"]
        {
            assert!(fractions(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_part_holds_at_least_one_pixel() {
        assert_eq!(area([0.0, 0.0, 1.0, 1.0], 5, 7), Area { left: 0, top: 0, width: 5, height: 7 });
        assert_eq!(area([0.5, 0.5, 0.001, 0.5], 4, 4), Area { left: 2, top: 2, width: 1, height: 2 });
        assert_eq!(area([0.999, 0.0, 0.001, 1.0], 4, 4), Area { left: 3, top: 0, width: 1, height: 4 });
    }
}
