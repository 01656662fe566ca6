use serde::{Deserialize, Serialize};
use tinylsa_xai::probed_input_gradient;

use super::support::gradients::plain;
use crate::budget::Budget;
use crate::error::Result;
use crate::maps::Quantity;
use crate::method::{Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;

/// The plain gradient, a control. It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputGradient {}

impl Registered for InputGradient {
    const FACTS: MethodFacts = MethodFacts {
        name: "input-gradient",
        title: "Gradient",
        meaning: Meaning {
            shows: "to which pixels the logit is sensitive at this very image; a control for the others",
            does_not_show: "contributions: where the logit is flat the gradient is 0, even if all of the logit comes \
                            from there",
        },
        needs: Needs::Gradients,
        reads: &[],
        draws: false,
        is_scored: true,
        is_control: true,
    };
}

impl Method for InputGradient {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let found = probed_input_gradient(&at.differentiable(), at.image, at.target(), &at.execution)?;
        Ok(plain(found, Quantity::Sensitivity))
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }
}
