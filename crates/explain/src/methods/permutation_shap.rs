use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{PermutationShapConfig, permutation_shap};

use super::support::segments::{SEGMENT_SETTINGS, masker, of_shapley, validate_segments};
use crate::budget::Budget;
use crate::circumstances::Circumstances;
use crate::error::Result;
use crate::method::{Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;
use crate::shared::SharedSettings;

impl Registered for PermutationShapConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "permutation-shap",
        title: "Permutation SHAP",
        meaning: Meaning {
            shows: "an estimate of the exact Shapley values from random orders of appearance; shares add up exactly",
            does_not_show: "the truth for another segmentation or another fill, which are other questions",
        },
        needs: Needs::Scores,
        reads: SEGMENT_SETTINGS,
        draws: true,
        is_scored: true,
        is_control: false,
    };
}

impl Method for PermutationShapConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate()
    }

    fn validate_against(&self, shared: &SharedSettings, at: &Circumstances) -> Result<(), InvalidSetting> {
        validate_segments(shared, at)
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let masker = masker(at)?;
        let found = permutation_shap(&at.scorer(), &masker, at.target(), self, &at.execution)?;
        of_shapley(found, &masker)
    }

    fn budgeted(&self, budget: &Budget) -> Box<dyn Method> {
        Box::new(Self { permutations: budget.permutations, tolerance: 0.0 })
    }
}
