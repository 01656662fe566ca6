use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_xai::{
    Baseline, DeletionConfig, FaithfulnessConfig, InfidelityConfig, MaxSensitivityConfig, MuFidelityConfig, ScoreScale,
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
    /// How often the intervals of means and of differences to the controls are meant to cover the true one.
    pub level: f64,
    /// Deletion and insertion.
    pub deletion: DeletionConfig,
    /// Faithfulness correlation.
    pub faithfulness: FaithfulnessConfig,
    /// μFidelity.
    pub mu_fidelity: MuFidelityConfig,
    /// Infidelity.
    pub infidelity: InfidelityConfig,
    /// Max-sensitivity.
    pub max_sensitivity: MaxSensitivityConfig,
    /// The budgets of methods that are run again and again.
    pub rerun: RerunConfig,
}

impl Default for ScoresConfig {
    /// Both scales, the baselines that need to know nothing of the data set, and the defaults of every score. The
    /// perturbations that are asked once for all maps are eight times as many as their defaults, which costs no more than
    /// asking for each of eight maps. Of max-sensitivity, which costs most, four changed images instead of ten.
    fn default() -> Self {
        Self {
            enabled: true,
            scales: vec![ScoreScale::Logits, ScoreScale::Probabilities],
            baselines: vec![Baseline::Black, Baseline::Blur],
            sensitivity_images: 5,
            randomisation_images: 3,
            level: 0.95,
            deletion: DeletionConfig::default(),
            faithfulness: FaithfulnessConfig { subsets: 800, ..FaithfulnessConfig::default() },
            mu_fidelity: MuFidelityConfig { samples: 1600, ..MuFidelityConfig::default() },
            infidelity: InfidelityConfig { samples: 1600, ..InfidelityConfig::default() },
            max_sensitivity: MaxSensitivityConfig { draws: 4, ..MaxSensitivityConfig::default() },
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
        require_within("level", self.level, 0.5..=0.9999)?;
        let tables = [
            ("deletion", self.deletion.validate()),
            ("faithfulness", self.faithfulness.validate()),
            ("mu_fidelity", self.mu_fidelity.validate()),
            ("infidelity", self.infidelity.validate()),
            ("max_sensitivity", self.max_sensitivity.validate()),
            ("rerun", self.rerun.validate()),
        ];
        tables.into_iter().try_for_each(|(table, result)| result.map_err(|error| error.within(table)))
    }
}
