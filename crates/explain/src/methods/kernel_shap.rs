use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{KernelShapConfig, kernel_shap};

use super::support::segments::{SEGMENT_SETTINGS, masker, of_shapley, validate_segments};
use crate::budget::Budget;
use crate::circumstances::Circumstances;
use crate::error::Result;
use crate::method::{Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;
use crate::shared::SharedSettings;

impl Registered for KernelShapConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "kernel-shap",
        title: "KernelSHAP",
        meaning: Meaning {
            shows: "an estimate of the exact Shapley values from part of the coalitions; shares add up exactly",
            does_not_show: "the truth for another segmentation or another fill, which are other questions",
        },
        needs: Needs::Scores,
        reads: SEGMENT_SETTINGS,
        draws: true,
        is_scored: true,
        is_control: false,
    };
}

impl Method for KernelShapConfig {
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
        let found = kernel_shap(&at.scorer(), &masker, at.target(), self, &at.execution)?;
        of_shapley(found, &masker)
    }

    fn budgeted(&self, budget: &Budget) -> Box<dyn Method> {
        Box::new(Self { evaluations: budget.coalitions, tolerance: 0.0 })
    }
}
