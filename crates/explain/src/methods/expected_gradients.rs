use serde::Serialize;
use tinylsa_settings::{InvalidSetting, require};
use tinylsa_xai::{ExpectedGradients, ExpectedGradientsConfig, expected_gradients};

use super::support::gradients::{completeness_sentence, images, missed_tolerance, pixels, sampling_sentence};
use crate::budget::Budget;
use crate::circumstances::Circumstances;
use crate::error::Result;
use crate::maps::{Quantity, ScoreDifference};
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered, SharedSetting};
use crate::needs::Needs;
use crate::shared::SharedSettings;

impl Registered for ExpectedGradientsConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "expected-gradients",
        title: "Expected gradients (GradientSHAP)",
        meaning: Meaning {
            shows: "each pixel's share of the difference between the logits of the image and of training images on \
                    average",
            does_not_show: "a fixed number: it is an estimate, with the standard error beside it",
        },
        needs: Needs::Gradients,
        reads: &[SharedSetting::Background],
        draws: true,
        is_scored: true,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct ExpectedDiagnostics {
    relative_standard_error: Option<f64>,
    reached: bool,
    score: f64,
    background_score: f64,
    delta: f64,
    strata: usize,
    gradients: usize,
}

impl Diagnostics for ExpectedDiagnostics {
    fn sentences(&self) -> Vec<String> {
        let completeness = completeness_sentence(self.score - self.background_score, self.delta);
        let gradients = format!("{} gradients", self.gradients);
        vec![completeness, gradients, sampling_sentence(self.relative_standard_error)]
    }
}

impl Method for ExpectedGradientsConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate()
    }

    fn validate_against(&self, shared: &SharedSettings, at: &Circumstances) -> Result<(), InvalidSetting> {
        let Some(training) = at.training else { return Ok(()) };
        let found = shared.background.images;
        let expected = format!("at most the {training} training images");
        require("background.images", found <= training, || found.to_string(), &expected)
    }

    fn validate_budget(
        &self,
        budget: &Budget,
        shared: &SharedSettings,
        _at: &Circumstances,
    ) -> Result<(), InvalidSetting> {
        let (again, background) = (budget.background, shared.background.images);
        let expected = format!("at most the {background} images of explain.background.images");
        require("scores.rerun.background", again <= background, || again.to_string(), &expected)
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let background = at.background;
        let found =
            expected_gradients(&at.differentiable(), at.image, &background.images, at.target(), self, &at.execution)?;
        let ExpectedGradients {
            attribution,
            standard_error,
            relative_standard_error,
            reached,
            score,
            background_score,
            delta,
            strata,
            gradients,
        } = found;
        let mut warnings: Vec<String> = background.warning.iter().cloned().collect();
        if !reached {
            let budget = format!("{strata} parts of each path");
            warnings.push(missed_tolerance(relative_standard_error, self.tolerance, &budget));
        }
        let ends = ScoreDifference { score, baseline_score: background_score };
        let diagnostics =
            ExpectedDiagnostics { relative_standard_error, reached, score, background_score, delta, strata, gradients };
        Ok(Explained {
            maps: pixels(attribution, Quantity::Contribution, Some(standard_error), Some(ends)),
            diagnostics: Box::new(diagnostics),
            warnings,
            evidence: vec![images("background", &background.images)],
        })
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(Self { strata: 1, tolerance: f64::INFINITY, maximum_strata: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_tell_both_errors() {
        let diagnostics = ExpectedDiagnostics {
            relative_standard_error: Some(0.125),
            reached: true,
            score: 5.0,
            background_score: 1.0,
            delta: -0.02,
            strata: 10,
            gradients: 600,
        };
        assert_eq!(
            diagnostics.sentences().join("; "),
            "contributions miss the difference of 4.000 logits by -2.0e-2 (0.50 %); 600 gradients; relative standard \
             error of the map 12.5 %"
        );
    }
}
