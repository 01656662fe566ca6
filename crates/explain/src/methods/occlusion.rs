use serde::Serialize;
use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{Occlusion, OcclusionConfig, occlusion};

use super::support::gradients::{images, pixels};
use crate::budget::Budget;
use crate::circumstances::Circumstances;
use crate::error::{Context, Result};
use crate::maps::Quantity;
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered, SharedSetting};
use crate::needs::Needs;
use crate::shared::SharedSettings;

impl Registered for OcclusionConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "occlusion",
        title: "Occlusion",
        meaning: Meaning {
            shows: "by how much the logit falls while a window around the pixel is hidden",
            does_not_show: "contributions that add up to the logit, or what is hidden elsewhere at the same time",
        },
        needs: Needs::Scores,
        reads: &[SharedSetting::Baseline],
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct OcclusionDiagnostics {
    score: f64,
    windows: usize,
    inert_windows: usize,
}

impl Diagnostics for OcclusionDiagnostics {
    fn sentences(&self) -> Vec<String> {
        let hidden = format!("{} windows hidden; the logit of the whole image is {:.3}", self.windows, self.score);
        let inert = (self.inert_windows > 0)
            .then(|| format!("{} of the windows look the same hidden, so that nothing falls", self.inert_windows));
        std::iter::once(hidden).chain(inert).collect()
    }
}

impl Method for OcclusionConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate()
    }

    fn validate_against(&self, _shared: &SharedSettings, at: &Circumstances) -> Result<(), InvalidSetting> {
        self.windows(at.image.into()).map(drop).map_err(|error| error.within(Self::FACTS.name))
    }

    /// Hides behind the first of the baselines.
    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let baselines = at.shared.baseline.images(at.image, &at.execution)?;
        let replacement = baselines.first().context("there is no baseline to hide windows behind")?;
        let mut found = occlusion(&at.scorer(), at.image, replacement, at.target(), self, &at.execution)?;
        let attribution = found.attributions.pop().context("the method gave no map")?;
        let Occlusion { scores, windows, inert_windows, .. } = found;
        let score = scores.first().copied().context("the method gave no score")?;
        Ok(Explained {
            maps: pixels(attribution, Quantity::Fall, None, None),
            diagnostics: Box::new(OcclusionDiagnostics { score, windows, inert_windows }),
            warnings: Vec::new(),
            evidence: vec![images("replacement", &baselines[..1])],
        })
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }
}
