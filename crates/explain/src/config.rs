use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_xai::{
    AttentionFlowConfig, AttentionRolloutConfig, BaselineConfig, ExactShapleyConfig, ExpectedGradientsConfig,
    FillConfig, HeadFusion, IntegratedGradientsConfig, KernelShapConfig, LimeConfig, PermutationShapConfig,
    SegmentationConfig, SmoothGradConfig,
};

use super::scores::ScoresConfig;
use super::{Family, Method};

/// What is explained and how: the part `[explain]` of a config.
///
/// A table of a method that is left out stands for the method's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainConfig {
    /// Whether an experiment explains at all.
    pub enabled: bool,
    /// The methods, by name.
    pub methods: Vec<Method>,
    /// Pictures of a forward pass. It bounds the memory and changes no bit of a result.
    pub batch_size: usize,
    /// Which pictures of the test split an experiment explains.
    pub pictures: PictureChoice,
    /// What the path of Integrated Gradients starts from.
    #[serde(default)]
    pub baseline: BaselineConfig,
    /// What the segment methods show and hide.
    #[serde(default)]
    pub segmentation: SegmentationConfig,
    /// What stands in for hidden segments.
    #[serde(default)]
    pub fill: FillConfig,
    #[serde(rename = "self-attention", default, skip_serializing_if = "Option::is_none")]
    pub self_attention: Option<AttentionMapsConfig>,
    #[serde(rename = "multi-head-attention", default, skip_serializing_if = "Option::is_none")]
    pub multi_head_attention: Option<AttentionMapsConfig>,
    #[serde(rename = "attention-rollout", default, skip_serializing_if = "Option::is_none")]
    pub attention_rollout: Option<AttentionRolloutConfig>,
    #[serde(rename = "attention-flow", default, skip_serializing_if = "Option::is_none")]
    pub attention_flow: Option<AttentionFlowConfig>,
    #[serde(rename = "fixed-query", default, skip_serializing_if = "Option::is_none")]
    pub fixed_query: Option<FixedQueryConfig>,
    #[serde(rename = "integrated-gradients", default, skip_serializing_if = "Option::is_none")]
    pub integrated_gradients: Option<IntegratedGradientsConfig>,
    #[serde(rename = "expected-gradients", default, skip_serializing_if = "Option::is_none")]
    pub expected_gradients: Option<ExpectedGradientsConfig>,
    #[serde(rename = "smooth-grad", default, skip_serializing_if = "Option::is_none")]
    pub smooth_grad: Option<SmoothGradConfig>,
    #[serde(rename = "exact-shapley", default, skip_serializing_if = "Option::is_none")]
    pub exact_shapley: Option<ExactShapleyConfig>,
    #[serde(rename = "kernel-shap", default, skip_serializing_if = "Option::is_none")]
    pub kernel_shap: Option<KernelShapConfig>,
    #[serde(rename = "permutation-shap", default, skip_serializing_if = "Option::is_none")]
    pub permutation_shap: Option<PermutationShapConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lime: Option<LimeConfig>,
    /// The pictures over which expected gradients take their mean.
    #[serde(default)]
    pub background: BackgroundConfig,
    /// What the explanations are scored by.
    #[serde(default)]
    pub scores: ScoresConfig,
}

/// Which pictures of the test split an experiment explains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureChoice {
    /// How many of each class, of those that are predicted right, with the highest confidence.
    pub right_highest: usize,
    /// How many of each class, of those that are predicted right, with the lowest confidence.
    pub right_lowest: usize,
    /// How many of each class, of those that are predicted wrong, with the highest confidence.
    pub wrong_highest: usize,
    /// Pictures by their number, besides.
    pub indices: Vec<u32>,
}

/// How attention maps are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttentionMapsConfig {
    /// How heads become one.
    pub fusion: HeadFusion,
}

/// Whose rows are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FixedQueryConfig {
    /// How heads become one.
    pub fusion: HeadFusion,
    /// Whether the token of the largest attribution, by input times gradient, is a query, too.
    pub largest_attribution: bool,
    /// Tokens besides the centre and the four corners.
    pub tokens: Vec<usize>,
}

impl Default for FixedQueryConfig {
    /// The centre, the corners and the token of the largest attribution, heads averaged.
    fn default() -> Self {
        Self { fusion: HeadFusion::Mean, largest_attribution: true, tokens: Vec::new() }
    }
}

/// The pictures over which expected gradients take their mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackgroundConfig {
    /// How many training pictures, drawn from the seed.
    pub pictures: usize,
}

impl Default for BackgroundConfig {
    fn default() -> Self {
        Self { pictures: 20 }
    }
}

impl ExplainConfig {
    /// Whether anything is shown that only a network with attention has.
    pub fn needs_attention(&self) -> bool {
        self.enabled && self.methods.iter().any(|method| method.family() == Family::Attention)
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first key outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        let is_needed = !self.enabled || !self.methods.is_empty();
        require("methods", is_needed, || "empty".to_owned(), "at least one method, or enabled = false")?;
        let twice = (1..self.methods.len()).find(|&place| self.methods[..place].contains(&self.methods[place]));
        let found = || twice.map_or_else(String::new, |place| format!("{} more than once", self.methods[place]));
        require("methods", twice.is_none(), found, "each method once")?;
        require_within("batch_size", self.batch_size, 1..=65_536)?;
        require_within("background.pictures", self.background.pictures, 1..=10_000)?;
        let tables = [
            ("baseline", self.baseline.validate()),
            ("segmentation", self.segmentation.validate()),
            ("fill", self.fill.validate()),
            ("attention-rollout", self.attention_rollout.as_ref().map_or(Ok(()), AttentionRolloutConfig::validate)),
            ("attention-flow", self.attention_flow.as_ref().map_or(Ok(()), AttentionFlowConfig::validate)),
            (
                "integrated-gradients",
                self.integrated_gradients.as_ref().map_or(Ok(()), IntegratedGradientsConfig::validate),
            ),
            ("expected-gradients", self.expected_gradients.as_ref().map_or(Ok(()), ExpectedGradientsConfig::validate)),
            ("smooth-grad", self.smooth_grad.as_ref().map_or(Ok(()), SmoothGradConfig::validate)),
            ("exact-shapley", self.exact_shapley.as_ref().map_or(Ok(()), ExactShapleyConfig::validate)),
            ("kernel-shap", self.kernel_shap.as_ref().map_or(Ok(()), KernelShapConfig::validate)),
            ("permutation-shap", self.permutation_shap.as_ref().map_or(Ok(()), PermutationShapConfig::validate)),
            ("lime", self.lime.as_ref().map_or(Ok(()), LimeConfig::validate)),
            ("scores", self.scores.validate()),
        ];
        tables.into_iter().try_for_each(|(table, result)| result.map_err(|error| error.within(table)))
    }
}
