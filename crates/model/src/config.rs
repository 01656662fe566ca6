use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require, require_within};

use crate::network::TinyCnnLsa;

/// Stages of the stem, at the most: ten halvings take the largest image to one token.
const MOST_STAGES: usize = 16;
/// Parameters, at the most: 1 GiB of numbers, twice those of VGG-19.
const MOST_PARAMETERS: usize = 1 << 28;

/// What a [`TinyCnnLsa`] is made of.
///
/// The default is the network of `configs/base.toml`. The paper that the project follows fixes no layer sizes; these
/// are our own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TinyCnnLsaConfig {
    /// Height and width of a picture.
    pub image_size: usize,
    /// Number of classes, the length of the logits.
    pub classes: usize,
    /// Mean of the pixels of the training pictures, on a scale from 0 to 1. The network takes it off its input.
    pub input_mean: f32,
    /// Standard deviation of those pixels. The network divides its input by it.
    pub input_deviation: f32,
    /// The convolutional stem, from the picture to the token grid.
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
            image_size: 28,
            classes: 10,
            input_mean: 0.286,
            input_deviation: 0.353,
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
    /// Checks every range, and that the sizes fit together.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the first key that does not fit.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("image_size", self.image_size, 4..=1024)?;
        require_within("classes", self.classes, 2..=10_000)?;
        require_within("input_mean", self.input_mean, 0.0..=1.0)?;
        require_within("input_deviation", self.input_deviation, 1e-3..=10.0)?;
        require("stages", !self.stages.is_empty(), || "empty".to_owned(), "at least one stage")?;
        let count = self.stages.len();
        require(
            "stages",
            count <= MOST_STAGES,
            || format!("a list of {count}"),
            &format!("at most {MOST_STAGES} stages"),
        )?;
        let mut resolution = self.image_size;
        for (index, stage) in self.stages.iter().enumerate() {
            resolution = stage.validate(resolution).map_err(|error| error.within(&format!("stages.{index}")))?;
        }
        self.attention.validate(self.width()).map_err(|error| error.within("attention"))?;
        let parameters = self.cost().parameters();
        require(
            "stages",
            parameters <= MOST_PARAMETERS,
            || format!("with `attention` a network of {parameters} parameters"),
            &format!("at most {MOST_PARAMETERS}"),
        )
    }

    /// Draws the initial weights (of seed 0; see [`TinyCnnLsa::with_initial_weights`]) on `device`.
    ///
    /// # Errors
    /// [`InvalidSetting`] if the config does not validate.
    pub fn init(&self, device: &Device) -> Result<TinyCnnLsa, InvalidSetting> {
        self.validate()?;
        Ok(TinyCnnLsa::with_zero_weights(self, device).with_initial_weights(0).materialize())
    }

    /// Channels of the last stage, which is the width of the tokens.
    pub fn width(&self) -> usize {
        self.stages.last().map_or(0, |stage| stage.channels)
    }

    /// Height and width of the token grid.
    pub fn grid_size(&self) -> usize {
        self.stages.iter().fold(self.image_size, |resolution, stage| stage.output_size(resolution))
    }

    /// Number of tokens of a picture.
    pub fn tokens(&self) -> usize {
        self.grid_size().pow(2)
    }
}

impl StageConfig {
    /// Height and width of what the stage makes of a square input.
    pub fn output_size(&self, resolution: usize) -> usize {
        let strided = resolution.div_ceil(self.stride);
        if self.pool { strided / 2 } else { strided }
    }

    fn validate(&self, resolution: usize) -> Result<usize, InvalidSetting> {
        require_within("channels", self.channels, 1..=1024)?;
        require_within("stride", self.stride, 1..=2)?;
        require_within("residual_blocks", self.residual_blocks, 0..=16)?;
        let pooled = resolution.div_ceil(self.stride);
        require(
            "pool",
            !self.pool || pooled.is_multiple_of(2),
            || format!("true on a grid of {pooled}×{pooled}"),
            "pooling of an even grid only",
        )?;
        Ok(self.output_size(resolution))
    }
}

impl AttentionConfig {
    fn validate(&self, width: usize) -> Result<(), InvalidSetting> {
        require_within("blocks", self.blocks, 0..=16)?;
        require_within("heads", self.heads, 1..=64)?;
        require(
            "heads",
            width.is_multiple_of(self.heads),
            || self.heads.to_string(),
            &format!("a divisor of the last stage's {width} channels"),
        )?;
        require_within("mlp_width", self.mlp_width, 1..=4096)
    }
}
