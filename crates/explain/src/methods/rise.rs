use serde::Serialize;
use tinylsa_settings::{InvalidSetting, require_within};
use tinylsa_xai::{Attribution, Rise, RiseConfig, rise};

use super::support::gradients::{images, pixels, standard_error_sentence};
use crate::budget::Budget;
use crate::circumstances::Circumstances;
use crate::error::{Context, Result};
use crate::maps::{NamedTensor, Quantity};
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered, SharedSetting};
use crate::needs::Needs;
use crate::shared::SharedSettings;

/// From this relative standard error on, the differences of a map are mostly noise.
const NOISY: f64 = 0.5;

impl Registered for RiseConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "rise",
        title: "RISE",
        meaning: Meaning {
            shows: "by how much the logit is higher on average while the pixel is shown and the rest is masked at random",
            does_not_show: "a fixed number: it is an estimate, with the standard error beside it",
        },
        needs: Needs::Scores,
        reads: &[SharedSetting::Baseline],
        draws: true,
        is_scored: true,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct RiseDiagnostics {
    masks: usize,
    /// The mean of the map as the paper defines it, which is subtracted from what is shown.
    level: f64,
    relative_standard_error: Option<f64>,
}

impl Diagnostics for RiseDiagnostics {
    fn sentences(&self) -> Vec<String> {
        let masks = format!("{} random masks; the mean logit under them, {:.3}, is subtracted", self.masks, self.level);
        std::iter::once(masks).chain(standard_error_sentence(self.relative_standard_error)).collect()
    }
}

impl Method for RiseConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate()
    }

    fn validate_against(&self, _shared: &SharedSettings, at: &Circumstances) -> Result<(), InvalidSetting> {
        let [_, height, width] = at.image;
        let within = |key: &str, cells: usize, pixels: usize| require_within(key, cells, 1..=pixels);
        within("rows", self.rows, height)
            .and_then(|()| within("columns", self.columns, width))
            .map_err(|error| error.within(Self::FACTS.name))
    }

    /// Masked pixels fade into the first of the baselines.
    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let baselines = at.shared.baseline.images(at.image, &at.execution)?;
        let replacement = baselines.first().context("there is no baseline to fade into")?;
        let mut found = rise(&at.scorer(), at.image, replacement, at.target(), self, &at.execution)?;
        let attribution = found.attributions.pop().context("the method gave no map")?;
        let standard_error = found.standard_errors.pop().context("the method gave no standard errors")?;
        let Rise { relative_standard_errors, masks, .. } = found;
        let relative_standard_error = relative_standard_errors.into_iter().next().flatten();
        let mut warnings = Vec::new();
        if relative_standard_error.is_some_and(|error| error > NOISY) {
            warnings.push(format!("{masks} masks are too few: the differences within the map are mostly noise"));
        }
        let (level, shown) = above_mean(&attribution);
        Ok(Explained {
            maps: pixels(shown, Quantity::Gain, Some(standard_error), None),
            diagnostics: Box::new(RiseDiagnostics { masks, level, relative_standard_error }),
            warnings,
            evidence: vec![
                images("replacement", &baselines[..1]),
                NamedTensor::f32("expectation", attribution.shape.dims().to_vec(), attribution.values),
            ],
        })
    }

    fn budgeted(&self, budget: &Budget) -> Box<dyn Method> {
        Box::new(Self { masks: budget.coalitions.max(2), ..self.clone() })
    }
}

/// The mean of the map over the pixels, and the map without it: the level of the score itself says nothing of a pixel.
fn above_mean(attribution: &Attribution) -> (f64, Attribution) {
    let level = attribution.sum() / attribution.shape.pixels() as f64;
    let share = level / attribution.shape.channels as f64;
    let values = attribution.values.iter().map(|&value| (f64::from(value) - share) as f32).collect();
    (level, Attribution { values, ..attribution.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_of_the_score_is_taken_away() {
        let attribution = Attribution { values: vec![1.0, 3.0, 1.0, 3.0], shape: [2, 1, 2].into(), target: 0.into() };
        let (level, shown) = above_mean(&attribution);
        assert!((level - 4.0).abs() < 1e-12);
        assert_eq!(shown.values, [-1.0, 1.0, -1.0, 1.0]);
        assert_eq!(shown.per_pixel(), [-2.0, 2.0]);
    }
}
