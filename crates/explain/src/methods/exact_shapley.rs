use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require};
use tinylsa_xai::{ExactShapleyConfig, GridConfig, Masker, Segmentation, exact_shapley, exact_shapley_evaluations};

use super::support::segments::{masker_of, of_shapley};
use crate::budget::Budget;
use crate::circumstances::{Circumstances, within_image};
use crate::error::Result;
use crate::method::{Explained, Meaning, Method, MethodContext, MethodFacts, Registered, SharedSetting};
use crate::needs::Needs;
use crate::shared::SharedSettings;

/// Exact Shapley values of the cells of a grid: a grid of their own, since an enumeration takes few segments while the
/// other methods show finer ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GridShapleyConfig {
    /// The most segments that are enumerated, at most 20. Each one more doubles the cost.
    pub limit: usize,
    /// The segments.
    pub grid: GridConfig,
}

impl Default for GridShapleyConfig {
    /// 4 × 3 cells, as many as the limit, so that all 4 096 coalitions are enumerated in a moment.
    fn default() -> Self {
        Self { limit: ExactShapleyConfig::default().limit, grid: GridConfig { rows: 4, columns: 3 } }
    }
}

impl GridShapleyConfig {
    fn enumeration(&self) -> ExactShapleyConfig {
        ExactShapleyConfig { limit: self.limit }
    }

    fn masker(&self, at: &MethodContext<'_>) -> Result<Masker> {
        let [_, height, width] = at.image.shape().dims();
        let segments = Segmentation::grid(height, width, self.grid.rows, self.grid.columns)?;
        Ok(masker_of(at, segments)?)
    }
}

impl Registered for GridShapleyConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "exact-shapley",
        title: "Exact Shapley values",
        meaning: Meaning {
            shows: "each segment's fair share of the difference between the image shown and everything hidden",
            does_not_show: "the truth for another segmentation or another fill, which are other questions",
        },
        needs: Needs::Scores,
        reads: &[SharedSetting::Fill],
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

impl Method for GridShapleyConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.enumeration().validate()?;
        self.grid.validate().map_err(|error| error.within("grid"))
    }

    fn validate_against(&self, _shared: &SharedSettings, at: &Circumstances) -> Result<(), InvalidSetting> {
        let [_, height, width] = at.image;
        within_image("grid.rows", self.grid.rows, 1..=height, "height")
            .and_then(|()| within_image("grid.columns", self.grid.columns, 1..=width, "width"))
            .and_then(|()| self.require_enumerable(at))
            .map_err(|error| error.within(Self::FACTS.name))
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let masker = self.masker(at)?;
        let found = exact_shapley(&at.scorer(), &masker, at.target(), &self.enumeration(), &at.execution)?;
        of_shapley(found, &masker)
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }

    fn announcement(&self, at: &MethodContext<'_>) -> Result<Option<String>> {
        let (segments, inert) = (self.grid.cells(), self.masker(at)?.inert_segments().len());
        let evaluations = exact_shapley_evaluations(segments - inert);
        Ok(Some(format!(
            "exact Shapley values take {evaluations} evaluations of the first image ({segments} segments, {inert} of them \
             the same hidden and shown)"
        )))
    }
}

impl GridShapleyConfig {
    /// Requires the limit of the enumeration to reach the segments of every image of a run.
    ///
    /// An image with more segments can be enumerated if enough of them are inert, which is known when the image is. A run
    /// chooses its images after the training, which an image beyond the limit must not cost; `explain` refuses that image
    /// and goes on with the others.
    fn require_enumerable(&self, at: &Circumstances) -> Result<(), InvalidSetting> {
        if at.test == 0 {
            return Ok(());
        }
        let (segments, most) = (self.grid.cells(), ExactShapleyConfig::MOST);
        let expected = if segments <= most {
            let evaluations = exact_shapley_evaluations(segments);
            format!(
                "at least the {segments} segments of an image, whose coalitions take {evaluations} evaluations, or a \
                 coarser grid, or the method left out"
            )
        } else {
            format!("a grid of at most {most} segments instead of {segments}, or the method left out")
        };
        require("limit", segments <= self.limit, || self.limit.to_string(), &expected)
    }
}
