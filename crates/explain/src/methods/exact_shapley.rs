use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{ExactShapleyConfig, exact_shapley, exact_shapley_evaluations};

use super::support::segments::{
    SEGMENT_SETTINGS, masker, of_shapley, segmentation, validate_enumeration, validate_segments,
};
use crate::budget::Budget;
use crate::circumstances::Circumstances;
use crate::error::Result;
use crate::method::{Explained, Meaning, Method, MethodContext, MethodFacts, Needs, Registered};
use crate::shared::SharedSettings;

impl Registered for ExactShapleyConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "exact-shapley",
        title: "Exact Shapley values",
        meaning: Meaning {
            shows: "each segment's fair share of the difference between the image shown and everything hidden",
            does_not_show: "the truth for another segmentation or another fill, which are other questions",
        },
        needs: Needs::Scores,
        reads: SEGMENT_SETTINGS,
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

impl Method for ExactShapleyConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate()
    }

    fn validate_against(&self, shared: &SharedSettings, at: &Circumstances) -> Result<(), InvalidSetting> {
        validate_segments(shared, at)?;
        validate_enumeration(&format!("{}.limit", Self::FACTS.name), self, shared)
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let masker = masker(at)?;
        let found = exact_shapley(&at.scorer(), &masker, at.target(), self, &at.execution)?;
        of_shapley(found, &masker)
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(Self { limit: Self::MOST })
    }

    fn announcement(&self, at: &MethodContext<'_>) -> Result<Option<String>> {
        let segments = segmentation(at)?.count();
        let evaluations = exact_shapley_evaluations(segments);
        Ok(Some(format!("exact Shapley values take {evaluations} evaluations an image ({segments} segments)")))
    }
}
