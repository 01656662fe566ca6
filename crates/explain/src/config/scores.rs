use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_xai::{
    AttributionKind, Baseline, BootstrapConfig, DeletionConfig, FaithfulnessConfig, InfidelityConfig,
    MaxSensitivityConfig, MuFidelityConfig, ScoreScale,
};

use super::RerunConfig;

/// What the explanations are scored by: the part `[explain.scores]` of a config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoresConfig {
    /// Whether an experiment scores at all.
    pub enabled: bool,
    /// On what the class is scored. The first one is that of the table on the terminal.
    pub scales: Vec<ScoreScale>,
    /// What stands for missing pixels. Deletion and insertion take each of them, the other scores the first.
    pub baselines: Vec<Baseline>,
    /// How many images max-sensitivity is measured on: it explains each of them `draws + 1` times.
    pub sensitivity_images: usize,
    /// How many images the randomisation of parameters is measured on: it explains each of them once a layer.
    pub randomisation_images: usize,
    /// Deletion and insertion.
    pub deletion: DeletionConfig,
    /// Faithfulness correlation.
    pub faithfulness: FaithfulnessConfig,
    /// μFidelity.
    pub mu_fidelity: MuFidelityConfig,
    /// Infidelity.
    pub infidelity: SquaresConfig,
    /// Max-sensitivity.
    pub max_sensitivity: MaxSensitivityConfig,
    /// The intervals of the means.
    pub bootstrap: BootstrapConfig,
    /// The budgets of methods that are run again and again.
    pub rerun: RerunConfig,
}

/// The perturbations of infidelity. What the values of a map mean is known from the method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SquaresConfig {
    /// The largest side of the squares that are replaced, in pixels.
    pub largest_side: usize,
    /// How many squares are drawn.
    pub samples: usize,
}

impl Default for SquaresConfig {
    fn default() -> Self {
        let InfidelityConfig { largest_side, samples, .. } = InfidelityConfig::default();
        Self { largest_side, samples }
    }
}

impl SquaresConfig {
    /// The settings for a map whose values mean `kind`.
    pub(crate) fn of_kind(&self, kind: AttributionKind) -> InfidelityConfig {
        InfidelityConfig { largest_side: self.largest_side, samples: self.samples, kind }
    }
}

impl Default for ScoresConfig {
    /// Both scales, the baselines that need to know nothing of the data set, the defaults of every score; four changed images instead of ten for
    /// max-sensitivity, which costs most.
    fn default() -> Self {
        Self {
            enabled: true,
            scales: vec![ScoreScale::Logits, ScoreScale::Probabilities],
            baselines: vec![Baseline::Black, Baseline::Blur],
            sensitivity_images: 5,
            randomisation_images: 3,
            deletion: DeletionConfig::default(),
            faithfulness: FaithfulnessConfig::default(),
            mu_fidelity: MuFidelityConfig::default(),
            infidelity: SquaresConfig::default(),
            max_sensitivity: MaxSensitivityConfig { draws: 4, ..MaxSensitivityConfig::default() },
            bootstrap: BootstrapConfig::default(),
            rerun: RerunConfig::default(),
        }
    }
}

impl ScoresConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// The first key outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require("scales", !self.scales.is_empty(), || "empty".to_owned(), "at least one scale")?;
        require("baselines", !self.baselines.is_empty(), || "empty".to_owned(), "at least one baseline")?;
        let is_new = |place: usize| !self.scales[..place].contains(&self.scales[place]);
        let all_new = (0..self.scales.len()).all(is_new);
        require("scales", all_new, || "a list with a scale twice".to_owned(), "each scale once")?;
        let is_new = |place: usize| !self.baselines[..place].contains(&self.baselines[place]);
        let all_new = (0..self.baselines.len()).all(is_new);
        require("baselines", all_new, || "a list with a baseline twice".to_owned(), "each baseline once")?;
        require_within("sensitivity_images", self.sensitivity_images, 0..=10_000)?;
        require_within("randomisation_images", self.randomisation_images, 0..=10_000)?;
        let tables = [
            ("deletion", self.deletion.validate()),
            ("faithfulness", self.faithfulness.validate()),
            ("mu_fidelity", self.mu_fidelity.validate()),
            ("infidelity", self.infidelity.of_kind(AttributionKind::Contribution).validate()),
            ("max_sensitivity", self.max_sensitivity.validate()),
            ("bootstrap", self.bootstrap.validate()),
            ("rerun", self.rerun.validate()),
        ];
        tables.into_iter().try_for_each(|(table, result)| result.map_err(|error| error.within(table)))
    }
}
