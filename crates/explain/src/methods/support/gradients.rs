//! For the methods that give every pixel a number from gradients.

use serde::Serialize;
use tinylsa_xai::{Attribution, Image, PROBE_SIZE, ProbedGradient, UNSTABLE_CHANGE};

use crate::maps::{Maps, NamedTensor, PixelMap, Quantity, ScoreDifference};
use crate::method::{Diagnostics, Explained};

/// From which share of unstable pixels on a warning says that much of the map is arbitrary.
const MANY: f64 = 0.05;

#[derive(Debug, Serialize)]
struct PlainDiagnostics {
    sum: f64,
    largest_magnitude: f32,
    unstable_pixels: f64,
}

impl Diagnostics for PlainDiagnostics {
    fn sentences(&self) -> Vec<String> {
        vec![unstable_sentence(self.unstable_pixels)]
    }
}

fn unstable_sentence(share: f64) -> String {
    format!(
        "{:.1} % of the map changes by more than {} % of its largest value when the image changes by {} of its own",
        100.0 * share,
        100.0 * UNSTABLE_CHANGE,
        scientific(f64::from(PROBE_SIZE))
    )
}

/// A map of a single gradient.
pub(crate) fn plain(found: ProbedGradient, quantity: Quantity) -> Explained {
    let ProbedGradient { attribution, unstable } = found;
    let (sum, largest_magnitude) = (attribution.sum(), attribution.largest_magnitude());
    let mut warnings = Vec::new();
    if unstable >= MANY {
        let share = unstable_sentence(unstable);
        warnings.push(format!(
            "{share}: the score has kinks at this image or next to it, such as the equal values of a flat ground under \
             maximum pooling; of the gradients that meet there the map shows one, or a mean"
        ));
    }
    Explained {
        maps: pixels(attribution, quantity, None, None),
        diagnostics: Box::new(PlainDiagnostics { sum, largest_magnitude, unstable_pixels: unstable }),
        warnings,
        evidence: Vec::new(),
    }
}

pub(crate) fn pixels(
    attribution: Attribution,
    quantity: Quantity,
    standard_error: Option<Vec<f32>>,
    accounts_for: Option<ScoreDifference>,
) -> Maps {
    Maps::Pixels(PixelMap { attribution, quantity, standard_error, segments: None, accounts_for })
}

/// `[images, channels, height, width]`, of at least one image.
pub(crate) fn images(name: &str, list: &[Image]) -> NamedTensor {
    let shape = list.iter().take(1).flat_map(|image| image.shape().dims());
    let values = list.iter().flat_map(|image| image.values().iter().copied()).collect();
    NamedTensor::f32(name, std::iter::once(list.len()).chain(shape).collect(), values)
}

/// By how much contributions miss the difference of scores that they should account for.
pub(crate) fn completeness_sentence(difference: f64, delta: f64) -> String {
    let line = format!("contributions miss the difference of {difference:.3} logits by {}", scientific(delta));
    if difference == 0.0 { line } else { format!("{line} ({:.2} %)", 100.0 * (delta / difference).abs()) }
}

pub(crate) fn standard_error_sentence(relative: Option<f64>) -> Option<String> {
    relative.map(|error| format!("relative standard error of the map {:.1} %", 100.0 * error))
}

/// The relative standard error of a map that was sampled until it is small; none if nothing but noise is seen.
pub(crate) fn sampling_sentence(relative: Option<f64>) -> String {
    standard_error_sentence(relative).unwrap_or_else(|| "the map is not larger than its standard error".to_owned())
}

/// That a budget ended before a relative standard error was as small as was asked for.
pub(crate) fn missed_tolerance(relative: Option<f64>, tolerance: f64, budget: &str) -> String {
    let allowed = 100.0 * tolerance;
    match relative {
        Some(error) => format!(
            "the relative standard error of the map is {:.1} % after {budget}, {allowed} % were asked for",
            100.0 * error
        ),
        None => format!(
            "the map is not larger than its standard error after {budget}, a relative standard error of {allowed} % was \
             asked for"
        ),
    }
}

pub(crate) fn scientific(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") }
}
