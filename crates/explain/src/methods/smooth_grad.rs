use serde::Serialize;
use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{SmoothGrad, SmoothGradConfig, SmoothGradKind, smooth_grad};

use super::support::gradients::{missed_tolerance, pixels, sampling_sentence};
use crate::budget::Budget;
use crate::circumstances::Circumstances;
use crate::error::Result;
use crate::maps::Quantity;
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;
use crate::shared::SharedSettings;

impl Registered for SmoothGradConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "smooth-grad",
        title: "SmoothGrad",
        meaning: Meaning {
            shows: "to which pixels the logit is sensitive, averaged over noisy copies of the image",
            does_not_show: "contributions: the values add up to nothing, and the noisy copies ask about other images",
        },
        needs: Needs::Gradients,
        reads: &[],
        draws: true,
        is_scored: true,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct SmoothDiagnostics {
    relative_standard_error: Option<f64>,
    samples: usize,
    reached: bool,
    noise_deviation: f64,
}

impl Diagnostics for SmoothDiagnostics {
    fn sentences(&self) -> Vec<String> {
        let noisy = format!("{} noisy copies", self.samples);
        vec![noisy, sampling_sentence(self.relative_standard_error)]
    }
}

impl Method for SmoothGradConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate()
    }

    fn validate_budget(
        &self,
        budget: &Budget,
        _shared: &SharedSettings,
        _at: &Circumstances,
    ) -> Result<(), InvalidSetting> {
        let again = Self { samples: budget.noisy, ..self.clone() };
        again.validate().map_err(|error| InvalidSetting { key: "scores.rerun.noisy".to_owned(), ..error })
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let found = smooth_grad(&at.differentiable(), at.image, at.target(), self, &at.execution)?;
        let SmoothGrad { attribution, standard_error, relative_standard_error, samples, reached, noise_deviation } =
            found;
        let mut warnings = Vec::new();
        if noise_deviation == 0.0 && self.noise > 0.0 {
            warnings
                .push("the image has one value, so that its noise is 0 and the map is the plain gradient".to_owned());
        }
        if !reached {
            warnings.push(missed_tolerance(relative_standard_error, self.tolerance, &format!("{samples} samples")));
        }
        let quantity = match self.kind {
            SmoothGradKind::Mean => Quantity::Sensitivity,
            SmoothGradKind::Square => Quantity::SquaredSensitivity,
        };
        Ok(Explained {
            maps: pixels(attribution, quantity, Some(standard_error), None),
            diagnostics: Box::new(SmoothDiagnostics { relative_standard_error, samples, reached, noise_deviation }),
            warnings,
            evidence: Vec::new(),
        })
    }

    fn budgeted(&self, budget: &Budget) -> Box<dyn Method> {
        Box::new(Self { samples: budget.noisy, tolerance: f64::INFINITY, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needs::Given;

    #[test]
    fn sentences_tell_the_samples_and_their_error() {
        let (relative_standard_error, samples) = (Some(0.1875), 704);
        let diagnostics = SmoothDiagnostics { relative_standard_error, samples, reached: true, noise_deviation: 0.15 };
        assert_eq!(diagnostics.sentences().join("; "), "704 noisy copies; relative standard error of the map 18.8 %");
        let noise = SmoothDiagnostics { relative_standard_error: None, ..diagnostics };
        assert_eq!(noise.sentences()[1], "the map is not larger than its standard error");
        assert_eq!(
            missed_tolerance(Some(0.31), 0.2, "64 samples"),
            "the relative standard error of the map is 31.0 % after 64 samples, 20 % were asked for"
        );
    }

    #[test]
    fn a_budget_of_an_odd_number_is_named_by_its_key() {
        let budget = Budget { steps: 32, background: 10, noisy: 15, coalitions: 200, permutations: 8 };
        let at = Circumstances {
            image: [1, 28, 28],
            classes: 10,
            tokens: 49,
            given: Given::default(),
            training: None,
            test: 1,
        };
        let check = |noisy| {
            SmoothGradConfig::default().validate_budget(&Budget { noisy, ..budget }, &SharedSettings::default(), &at)
        };
        assert_eq!(check(15).unwrap_err().key, "scores.rerun.noisy");
        assert_eq!(check(2).unwrap_err().key, "scores.rerun.noisy");
        assert_eq!(check(16), Ok(()));
    }
}
