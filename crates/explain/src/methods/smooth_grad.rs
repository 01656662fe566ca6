use serde::Serialize;
use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{SmoothGrad, SmoothGradConfig, SmoothGradKind, smooth_grad};

use super::support::gradients::{pixels, standard_error_sentence};
use crate::budget::Budget;
use crate::error::Result;
use crate::maps::Quantity;
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Needs, Registered};

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
    noise_deviation: f64,
}

impl Diagnostics for SmoothDiagnostics {
    fn sentences(&self) -> Vec<String> {
        standard_error_sentence(self.relative_standard_error).into_iter().collect()
    }
}

impl Method for SmoothGradConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate()
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let found = smooth_grad(&at.differentiable(), at.image, at.target(), self, &at.execution)?;
        let SmoothGrad { attribution, standard_error, relative_standard_error, noise_deviation } = found;
        let mut warnings = Vec::new();
        if noise_deviation == 0.0 && self.noise > 0.0 {
            warnings
                .push("the image has one value, so that its noise is 0 and the map is the plain gradient".to_owned());
        }
        let quantity = match self.kind {
            SmoothGradKind::Mean => Quantity::Sensitivity,
            SmoothGradKind::Square => Quantity::SquaredSensitivity,
        };
        Ok(Explained {
            maps: pixels(attribution, quantity, Some(standard_error), None),
            diagnostics: Box::new(SmoothDiagnostics { relative_standard_error, noise_deviation }),
            warnings,
            evidence: Vec::new(),
        })
    }

    fn budgeted(&self, budget: &Budget) -> Box<dyn Method> {
        Box::new(Self { samples: budget.noisy, ..self.clone() })
    }
}
