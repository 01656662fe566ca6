//! The scales of maps over pixels, one for each method: a noisy map would pale the others on a scale of all.

use tinylsa_report::{SharedScale, ValueMap};

use super::shown;
use crate::error::{Context, Result};
use crate::explanation::ImageExplanation;
use crate::maps::{Maps, PixelMap, Quantity};
use crate::registry::MethodId;

/// The largest magnitudes beyond this percentile have the end colours of a scale: a few sharp pixels would pale the rest.
const PERCENTILE: f64 = 99.5;

/// One scale for each method of pixels, over all images that are shown together.
pub(super) struct PixelScales {
    scales: Vec<(MethodId, SharedScale)>,
}

impl PixelScales {
    pub(super) fn of<'a>(explanations: impl IntoIterator<Item = &'a ImageExplanation>) -> Result<Self> {
        let mut maps: Vec<(MethodId, Quantity, ValueMap)> = Vec::new();
        for method in explanations.into_iter().flat_map(|explanation| &explanation.methods) {
            if let Maps::Pixels(pixels) = &method.maps {
                maps.push((method.method, pixels.quantity, shown_map(pixels)?));
            }
        }
        let mut scales: Vec<(MethodId, SharedScale)> = Vec::new();
        for (method, quantity, _) in &maps {
            if scales.iter().all(|(known, _)| known != method) {
                let alike = maps.iter().filter(|(other, _, _)| other == method).map(|(_, _, map)| map);
                let percentile = if *quantity == Quantity::SegmentContribution { 100.0 } else { PERCENTILE };
                scales.push((*method, SharedScale::percentile(alike, percentile)?.with_unit(quantity.unit())));
            }
        }
        Ok(Self { scales })
    }

    pub(super) fn get(&self, method: MethodId) -> Result<&SharedScale> {
        let found = self.scales.iter().find(|(known, _)| *known == method);
        found.map(|(_, scale)| scale).with_context(|| format!("there is no scale for {method}"))
    }
}

/// The map as it is shown: the value of its segment at each pixel for the segment methods, its own value for the others.
pub(super) fn shown_map(pixels: &PixelMap) -> Result<ValueMap> {
    let [_, height, width] = pixels.attribution.shape.dims();
    match &pixels.segments {
        Some(segments) => shown::map(&segments.segmentation.paint(&segments.values)?, [height, width]),
        None => Ok(ValueMap::new([height, width], &pixels.attribution.per_pixel())?),
    }
}
