use serde::{Deserialize, Serialize};
use tinylsa_shape::ImageShape;

/// The config of a [`TinyCnnLsa`](crate::TinyCnnLsa).
///
/// The default is the network of `configs/base.toml`. The paper that the project follows fixes no layer sizes; these
/// are our own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TinyCnnLsaConfig {
    /// Channels, height and width of an image.
    pub input: ImageShape,
    /// Number of classes, the length of the logits.
    pub classes: usize,
    /// Mean of each channel over the training images, on a scale from 0 to 1. The network subtracts it from its input.
    pub input_mean: Vec<f32>,
    /// Standard deviation of each channel over the training images. The network divides its input by it.
    pub input_deviation: Vec<f32>,
    /// The convolutional stem, from the image to the token grid.
    pub stages: Vec<StageConfig>,
    /// The attention blocks on the token grid; their width is the channels of the last stage.
    pub attention: AttentionConfig,
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
    /// Hidden units of the perceptron.
    pub mlp_width: usize,
    /// Linear attention, or softmax attention as the control.
    pub kind: AttentionKind,
    /// The feature map φ of linear attention; softmax attention has none.
    pub feature_map: FeatureMap,
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
}

impl Default for TinyCnnLsaConfig {
    fn default() -> Self {
        let stage = |channels, residual_blocks, pool| StageConfig { channels, stride: 1, residual_blocks, pool };
        Self {
            input: ImageShape::grey(28, 28),
            classes: 10,
            input_mean: vec![0.286],
            input_deviation: vec![0.353],
            stages: vec![stage(32, 1, true), stage(64, 1, true), stage(96, 1, false)],
            attention: AttentionConfig::default(),
        }
    }
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self { blocks: 2, heads: 4, mlp_width: 192, kind: AttentionKind::Linear, feature_map: FeatureMap::EluPlusOne }
    }
}

impl TinyCnnLsaConfig {
    /// Channels of the last stage, which is the width of the tokens.
    pub fn width(&self) -> usize {
        self.stages.last().map_or(0, |stage| stage.channels)
    }
}
