use serde::{Deserialize, Serialize};
use tinylsa_xai::probed_input_times_gradient;

use super::support::gradients::plain;
use crate::budget::Budget;
use crate::error::Result;
use crate::maps::Quantity;
use crate::method::{Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;

/// The gradient times the image, a first-order estimate. It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputTimesGradient {}

impl Registered for InputTimesGradient {
    const FACTS: MethodFacts = MethodFacts {
        name: "input-times-gradient",
        title: "Input × gradient",
        meaning: Meaning {
            shows: "the first-order estimate of what each pixel adds over black; a control for the others",
            does_not_show: "contributions that add up to the logit, unless the model is linear",
        },
        needs: Needs::Gradients,
        reads: &[],
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

impl Method for InputTimesGradient {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let found = probed_input_times_gradient(&at.differentiable(), at.image, at.target(), &at.execution)?;
        Ok(plain(found, Quantity::Contribution))
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }
}
