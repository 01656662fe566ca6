//! The scales of maps over pixels, one for each quantity.

use tinylsa_report::{SharedScale, ValueMap};

use super::shown;
use crate::error::{Context, Result};
use crate::explanation::ImageExplanation;
use crate::maps::{Maps, PixelMap, Quantity};

/// The largest magnitudes beyond this percentile have the end colours of a scale: a few sharp pixels would pale the rest.
const PERCENTILE: f64 = 99.5;

/// One scale for each quantity that occurs, over all methods and images that are shown together.
pub(super) struct PixelScales {
    scales: Vec<(Quantity, SharedScale)>,
}

impl PixelScales {
    pub(super) fn of<'a>(explanations: impl IntoIterator<Item = &'a ImageExplanation>) -> Result<Self> {
        let mut maps: Vec<(Quantity, ValueMap)> = Vec::new();
        for method in explanations.into_iter().flat_map(|explanation| &explanation.methods) {
            if let Maps::Pixels(pixels) = &method.maps {
                maps.push((pixels.quantity, shown_map(pixels)?));
            }
        }
        let mut scales = Vec::new();
        for quantity in Quantity::ALL {
            let of_quantity: Vec<&ValueMap> = maps.iter().filter(|(q, _)| *q == quantity).map(|(_, map)| map).collect();
            if !of_quantity.is_empty() {
                let percentile = if quantity == Quantity::SegmentContribution { 100.0 } else { PERCENTILE };
                scales.push((quantity, SharedScale::percentile(of_quantity, percentile)?.with_unit(quantity.unit())));
            }
        }
        Ok(Self { scales })
    }

    pub(super) fn get(&self, quantity: Quantity) -> Result<&SharedScale> {
        let found = self.scales.iter().find(|(known, _)| *known == quantity);
        found.map(|(_, scale)| scale).with_context(|| format!("there is no scale for {}", quantity.unit()))
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
