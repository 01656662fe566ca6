//! The images of the gallery, what the network says of them, and their pixels.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tinylsa_data::Dataset;

use crate::app::App;
use crate::body;
use crate::gallery::Predicted;
use crate::limits::{IMAGES, PIXEL_BYTES};
use crate::refusal::Refusal;
use crate::subject::{base64, of_gallery};

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GalleryQuery {
    class: Option<u32>,
    predicted: Option<u32>,
    correct: Option<bool>,
    order: Option<Order>,
    offset: Option<usize>,
    count: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Order {
    #[serde(rename = "index")]
    Index,
    /// The least sure first.
    #[serde(rename = "confidence")]
    LeastSure,
    #[serde(rename = "-confidence")]
    Surest,
}

/// All images, as columns.
#[derive(Serialize)]
struct ColumnsAnswer<'a> {
    images: usize,
    ready: usize,
    split: String,
    labels: &'a [u32],
    #[serde(flatten)]
    predicted: Predicted,
}

/// Some images.
#[derive(Serialize)]
struct ItemsAnswer {
    images: usize,
    ready: usize,
    total: usize,
    items: Vec<ItemAnswer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct ItemAnswer {
    index: usize,
    label: u32,
    predicted: Option<u32>,
    confidence: Option<f32>,
}

pub(super) async fn gallery(
    State(app): State<Arc<App>>,
    query: Result<Query<GalleryQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|error| Refusal::bad(error.body_text()))?;
    let images = app.gallery.ready()?;
    if query == GalleryQuery::default() {
        let predicted = app.gallery.with_predicted(Clone::clone);
        let (ready, labels) = (predicted.predicted.len(), images.test.labels.as_slice());
        let split = images.test.split.to_string();
        return Ok(Json(ColumnsAnswer { images: images.test.len(), ready, split, labels, predicted }).into_response());
    }
    let count = query.count.unwrap_or(100);
    if count > IMAGES {
        return Err(Refusal::values(format!("count is {count}, expected at most {IMAGES}")));
    }
    Ok(Json(app.gallery.with_predicted(|predicted| chosen(&images.test, predicted, &query, count))).into_response())
}

fn chosen(images: &Dataset, predicted: &Predicted, query: &GalleryQuery, count: usize) -> ItemsAnswer {
    let item = |index: usize| ItemAnswer {
        index,
        label: images.labels[index],
        predicted: predicted.predicted.get(index).copied(),
        confidence: predicted.confidence.get(index).copied(),
    };
    let is_wanted = |item: &ItemAnswer| {
        query.class.is_none_or(|class| class == item.label)
            && query.predicted.is_none_or(|class| Some(class) == item.predicted)
            && query.correct.is_none_or(|correct| item.predicted.is_some_and(|class| (class == item.label) == correct))
    };
    let mut items: Vec<ItemAnswer> = (0..images.len()).map(item).filter(is_wanted).collect();
    // images without a prediction come last either way
    let by_confidence = |left: &ItemAnswer, right: &ItemAnswer, surest: bool| match (left.confidence, right.confidence)
    {
        (Some(left), Some(right)) if surest => right.total_cmp(&left),
        (Some(left), Some(right)) => left.total_cmp(&right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    match query.order.unwrap_or(Order::Index) {
        Order::Index => {}
        Order::LeastSure => items.sort_by(|left, right| by_confidence(left, right, false)),
        Order::Surest => items.sort_by(|left, right| by_confidence(left, right, true)),
    }
    let total = items.len();
    let items = items.into_iter().skip(query.offset.unwrap_or(0)).take(count).collect();
    ItemsAnswer { images: images.len(), ready: predicted.predicted.len(), total, items }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageQuery {
    index: u32,
}

#[derive(Serialize)]
struct ImageAnswer {
    index: u32,
    name: String,
    label: Option<usize>,
    pixels: String,
    /// 1 where a pixel decides the class; null where that is not known.
    mask: Option<String>,
    source: String,
}

pub(super) async fn image(
    State(app): State<Arc<App>>,
    query: Result<Query<ImageQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(ImageQuery { index }) = query.map_err(|error| Refusal::bad(error.body_text()))?;
    let found = of_gallery(&app, index)?;
    let mask = found.image.truth_mask.map(|mask| base64(&mask.into_iter().map(u8::from).collect::<Vec<_>>()));
    let (name, label, source) = (found.image.id, found.image.label, found.image.source.to_string());
    Ok(Json(ImageAnswer { index, name, label, pixels: base64(&found.pixels), mask, source }).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PixelsQuery {
    start: usize,
    count: usize,
}

pub(super) async fn pixels(
    State(app): State<Arc<App>>,
    query: Result<Query<PixelsQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(PixelsQuery { start, count }) = query.map_err(|error| Refusal::bad(error.body_text()))?;
    let images = app.gallery.ready()?;
    let (all, each) = (images.test.len(), images.test.shape.values());
    let end = start.checked_add(count).filter(|&end| end <= all);
    let Some(end) = end else {
        return Err(Refusal::values(format!("images {start} to {start} + {count} are asked for, there are {all}")));
    };
    require_few_bytes(count, each)?;
    Ok(binary(images.test.images[start * each..end * each].to_vec()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChosenPixels {
    indices: Vec<usize>,
}

pub(super) async fn chosen_pixels(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let ChosenPixels { indices } = body::json(request, app.limits.json_bytes).await?;
    let images = app.gallery.ready()?;
    let (all, each) = (images.test.len(), images.test.shape.values());
    if indices.len() > IMAGES {
        return Err(Refusal::values(format!("{} images are asked for, expected at most {IMAGES}", indices.len())));
    }
    require_few_bytes(indices.len(), each)?;
    if let Some(index) = indices.iter().find(|&&index| index >= all) {
        return Err(Refusal::values(format!("there is no image {index}, expected 0 to {}", all.saturating_sub(1))));
    }
    Ok(binary(indices.iter().flat_map(|&index| images.test.image(index)).copied().collect()))
}

fn require_few_bytes(images: usize, each: usize) -> Result<(), Refusal> {
    let bytes = images.saturating_mul(each);
    if bytes > PIXEL_BYTES {
        return Err(Refusal::values(format!("{images} images have {bytes} bytes, expected at most {PIXEL_BYTES}")));
    }
    Ok(())
}

fn binary(bytes: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, "private, max-age=3600")], bytes).into_response()
}

#[cfg(test)]
mod tests {
    use tinylsa_data::{SyntheticConfig, synthetic_garments};

    use super::*;

    #[test]
    fn images_are_filtered_and_sorted_and_those_without_a_prediction_come_last() {
        let images = synthetic_garments(&SyntheticConfig { train: 10, test: 20, seed: 0 }).unwrap().test;
        let mut predicted = Predicted::default();
        for index in 0..15 {
            predicted.predicted.push(if index % 3 == 0 {
                (images.labels[index] + 1) % 10
            } else {
                images.labels[index]
            });
            predicted.confidence.push(0.5 + 0.01 * index as f32);
        }
        let found = |query: GalleryQuery| chosen(&images, &predicted, &query, 100);
        let all = found(GalleryQuery { order: Some(Order::Surest), ..GalleryQuery::default() });
        assert_eq!((all.total, all.ready, all.items[0].index, all.items[15].confidence), (20, 15, 14, None));
        let wrong =
            found(GalleryQuery { correct: Some(false), order: Some(Order::LeastSure), ..GalleryQuery::default() });
        assert_eq!(wrong.items.iter().map(|item| item.index).collect::<Vec<_>>(), [0, 3, 6, 9, 12]);
        let class = images.labels[4];
        let of_class = found(GalleryQuery { class: Some(class), ..GalleryQuery::default() });
        assert!(of_class.items.iter().all(|item| item.label == class) && of_class.total >= 1);
        let page = found(GalleryQuery { offset: Some(18), ..GalleryQuery::default() });
        assert_eq!((page.total, page.items.len()), (20, 2));
    }
}
