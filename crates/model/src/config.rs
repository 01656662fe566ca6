use serde::{Deserialize, Serialize};
use tinylsa_shape::ImageShape;

use crate::images::config_of_images;

config_of_images! {
    /// The config of a [`TinyCnnLsa`](crate::TinyCnnLsa).
    ///
    /// The default is the network of `configs/base.toml`. The paper that the project follows fixes no layer sizes; these
    /// are our own.
    pub struct TinyCnnLsaConfig {
        /// Whether learned positions are added to the tokens. Without them a block knows where a token lies only if it is
        /// [local](AttentionConfig::local).
        pub positions: bool,
        /// The convolutional stem, from the image to the token grid.
        pub stages: Vec<StageConfig>,
        /// The attention blocks on the token grid; their width is the channels of the last stage.
        pub attention: AttentionConfig,
        /// Residual blocks of two 3×3 convolutions each, on the token grid behind the attention.
        pub closing_blocks: usize,
        /// From the tokens to the logits.
        pub head: HeadConfig,
    }
}

/// One stage of the convolutional stem: an entry convolution, then residual blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// Channels of every convolution of the stage.
    pub channels: usize,
    /// Stride of the entry convolution: 1 keeps the resolution, 2 halves it.
    pub stride: usize,
    /// Residual blocks of two 3×3 convolutions each, behind the entry convolution.
    pub residual_blocks: usize,
    /// Whether the stage ends with 2×2 maximum pooling, which halves the resolution.
    pub pool: bool,
}

/// The attention blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionConfig {
    /// Number of blocks; each is attention, then a two-layer perceptron. 0 is the control without attention.
    pub blocks: usize,
    /// Heads of each block; they share the width evenly.
    pub heads: usize,
    /// Columns of the queries and of the keys of a head; left out, as many as the values have, the width over the heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_width: Option<usize>,
    /// Hidden units of the perceptron; 0 leaves it out.
    pub mlp_width: usize,
    /// Linear attention, or softmax attention as the control.
    pub kind: AttentionKind,
    /// The feature map φ of linear attention; softmax attention has none.
    pub feature_map: FeatureMap,
    /// Whether what the attention gives is multiplied by the sigmoid linear unit of a linear map of its
    /// normalised input.
    pub gate: bool,
    /// Whether a depthwise 3×3 convolution of the values is added to what the attention gives.
    pub local: bool,
    /// What the branches of a block add to it at the start.
    pub branch_start: BranchStart,
}

/// What the branches of a block, its attention and its perceptron, add at the start of the training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BranchStart {
    /// What their random weights make of the tokens.
    Random,
    /// Nothing: the last linear map of each branch starts at 0.
    ZeroWeights,
    /// Nothing: each branch ends in a learned scale of each channel, which starts at 0, as the last scale of a residual block
    /// does (Touvron et al. 2021, "Going deeper with image transformers", section 2, begin near 0).
    ZeroScales,
}

/// From the tokens behind the last block to the logits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadConfig {
    /// How the tokens become one for each class.
    pub kind: HeadKind,
    /// Columns of the queries and keys of class attention.
    pub key_width: usize,
}

/// How the tokens become one for each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadKind {
    /// The mean over the tokens, the same for every class.
    Mean,
    /// A learned query of each class weighs the tokens by softmax attention: `A_cj = softmax_j(q_c · k_j / √key_width)`.
    /// Queries of 0 are the mean. (Touvron et al. 2021, "Going deeper with image transformers", section 3, have one
    /// query; here every class has its own.)
    ClassAttention,
}

/// How a block mixes its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionKind {
    /// `y_i = φ(q_i)ᵀ Σ_j φ(k_j) v_jᵀ / φ(q_i)ᵀ Σ_j φ(k_j)`, linear in the number of tokens
    /// (Katharopoulos et al. 2020, equation 5).
    Linear,
    /// `softmax(Q Kᵀ / √d) V`, quadratic in the number of tokens (Vaswani et al. 2017, equation 1).
    Softmax,
}

/// The feature map φ of linear attention, applied to each element of the queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureMap {
    /// `elu(x) + 1`: `x + 1` where x is positive, `exp(x)` elsewhere (Katharopoulos et al. 2020, equation 7).
    EluPlusOne,
    /// `max(x, 0)` plus a small constant that keeps the normaliser positive.
    Relu,
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `exp(x)` with `x` within −12 and 12. Trained, its rows differ more than those of the others before it.
    Exp,
    /// `exp(2x)` with `2x` within −12 and 12: sharper than the others, so that rows of the attention differ.
    SharpExp,
}

impl Default for TinyCnnLsaConfig {
    fn default() -> Self {
        let stage = |channels, residual_blocks, pool| StageConfig { channels, stride: 1, residual_blocks, pool };
        Self {
            input: ImageShape::grey(28, 28),
            classes: 10,
            input_mean: vec![0.286],
            input_deviation: vec![0.353],
            positions: false,
            stages: vec![stage(32, 1, true), stage(64, 1, true), stage(88, 1, false)],
            attention: AttentionConfig::default(),
            closing_blocks: 1,
            head: HeadConfig::default(),
        }
    }
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self {
            blocks: 1,
            heads: 4,
            key_width: Some(12),
            mlp_width: 0,
            kind: AttentionKind::Linear,
            feature_map: FeatureMap::Exp,
            gate: false,
            local: true,
            branch_start: BranchStart::ZeroScales,
        }
    }
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self { kind: HeadKind::ClassAttention, key_width: 24 }
    }
}

impl TinyCnnLsaConfig {
    /// Channels of the last stage, which is the width of the tokens.
    pub fn width(&self) -> usize {
        self.stages.last().map_or(0, |stage| stage.channels)
    }
}
