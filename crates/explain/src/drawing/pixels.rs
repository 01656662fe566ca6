//! Methods with a signed number for each pixel: gradients, and the values of segments.

use crate::error::Result;
use tinylsa_report::{AttentionScale, Panel, RgbImage, Sheet, ValueMap};

use super::pixel_scales::{PixelScales, shown_map};
use super::shown;
use super::subject::Subject;
use super::words;
use crate::explanation::MethodExplanation;
use crate::maps::{PixelMap, SegmentMap};
use crate::registry::MethodId;

/// How many segments are named with their values.
const MOST_NAMED: usize = 6;

/// The map on the scale of its method, segments outlined.
pub(super) fn panel(
    title: impl Into<String>,
    method: MethodId,
    pixels: &PixelMap,
    scales: &PixelScales,
) -> Result<Panel> {
    let panel = Panel::attribution(title, &shown_map(pixels)?, scales.get(method)?);
    Ok(match &pixels.segments {
        Some(segments) => panel.outlined(segments.segmentation.labels()),
        None => panel,
    })
}

/// Image, map and, where the method knows them, standard errors.
pub(super) fn draw(subject: &Subject<'_>, method: &MethodExplanation, pixels: &PixelMap) -> Result<RgbImage> {
    let quantity = pixels.quantity;
    let image = match &pixels.segments {
        Some(segments) => Panel::image("image with its segments", &subject.grey)
            .outlined(segments.segmentation.labels())
            .numbered()
            .note(format!("{} segments", segments.segmentation.count())),
        None => subject.panel(),
    };
    let mut panels = vec![image, panel(quantity.heading(), method.method, pixels, &subject.scales)?];
    if let Some(errors) = standard_errors(pixels)? {
        let scale = AttentionScale::from_zero([&errors])?.with_unit(quantity.unit());
        let heading = if is_bound(pixels) { "standard error, at most" } else { "standard error" };
        panels.push(Panel::magnitude(heading, &errors, &scale));
    }
    let sign = if quantity.has_sign() {
        format!("red speaks for {}, blue against it", subject.explanation.target_name())
    } else {
        "squares have no sign: red is sensitive, whatever the direction".to_owned()
    };
    let mut notes = vec![sign];
    notes.extend(pixels.segments.as_ref().map(largest_values));
    notes.extend(words::notes(method));
    let sheet = Sheet {
        title: subject.title(method),
        subtitle: subject.subtitle(),
        columns: panels.len().max(3),
        panels,
        notes,
    };
    Ok(sheet.draw()?)
}

/// The segments whose values are largest, with their standard errors where these are known.
fn largest_values(segments: &SegmentMap) -> String {
    let values = &segments.values;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&one, &other| values[other].abs().total_cmp(&values[one].abs()));
    let of_segment = |segment: &usize| {
        let error = segments.standard_errors.as_ref().map(|errors| format!(" \u{b1} {:.3}", errors[*segment]));
        format!("{segment}: {:+.3}{}", values[*segment], error.unwrap_or_default())
    };
    format!("largest segments: {}", order.iter().take(MOST_NAMED).map(of_segment).collect::<Vec<_>>().join(", "))
}

/// Nothing for an enumeration, whose errors are all zero: an empty panel would say less than no panel.
pub(super) fn standard_errors(pixels: &PixelMap) -> Result<Option<ValueMap>> {
    let [_, height, width] = pixels.attribution.shape.dims();
    if let Some(segments) = &pixels.segments {
        let is_estimate = |errors: &&Vec<f64>| errors.iter().any(|&error| error > 0.0);
        let estimated = segments.standard_errors.as_ref().filter(is_estimate);
        let painted = estimated.map(|errors| segments.segmentation.paint(errors));
        return painted.transpose()?.map(|errors| shown::map(&errors, [height, width])).transpose();
    }
    let Some(errors) = &pixels.standard_error else { return Ok(None) };
    Ok(Some(ValueMap::new([height, width], &over_channels(errors, height * width))?))
}

/// Whether the error of a pixel is only known to be no larger than what is shown.
fn is_bound(pixels: &PixelMap) -> bool {
    let shape = pixels.attribution.shape;
    pixels.segments.is_none() && pixels.standard_error.as_ref().is_some_and(|errors| errors.len() > shape.pixels())
}

/// The sum over the channels. The channels of a pixel are estimated from the same samples, so that the error of their sum is
/// at most this.
fn over_channels(errors: &[f32], pixels: usize) -> Vec<f32> {
    (0..pixels).map(|pixel| errors.iter().skip(pixel).step_by(pixels.max(1)).sum()).collect()
}
