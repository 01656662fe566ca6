use std::ops::RangeInclusive;

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, counted, require, require_within};
use tinylsa_shape::ImageShape;

use crate::architecture::{Architecture, StageSpec};
use crate::network::TinyCnnLsa;

/// Stages of the stem, at the most: ten halvings take the largest image to one token.
const MOST_STAGES: usize = 16;
/// Parameters, at the most: 1 GiB of numbers, twice those of VGG-19.
const MOST_PARAMETERS: usize = 1 << 28;

/// The config of a [`TinyCnnLsa`].
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
    /// Checks every range, and that the sizes fit together.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the first key that does not fit.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("input.channels", self.input.channels, 1..=256)?;
        require_within("input.height", self.input.height, 4..=1024)?;
        require_within("input.width", self.input.width, 4..=1024)?;
        require_within("classes", self.classes, 2..=10_000)?;
        self.require_each_channel("input_mean", &self.input_mean, 0.0..=1.0)?;
        self.require_each_channel("input_deviation", &self.input_deviation, 1e-3..=10.0)?;
        require("stages", !self.stages.is_empty(), || "empty".to_owned(), "at least one stage")?;
        let count = self.stages.len();
        require(
            "stages",
            count <= MOST_STAGES,
            || format!("a list of {count}"),
            &format!("at most {MOST_STAGES} stages"),
        )?;
        let mut shape = self.input;
        for (index, stage) in self.stages.iter().enumerate() {
            shape = stage.validate(shape).map_err(|error| error.within(&format!("stages.{index}")))?;
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
        Ok(TinyCnnLsa::zeros(self, device).with_initial_weights(0).materialize())
    }

    /// What the last stage makes of an image: as many channels as a token is wide, and a row and a column of tokens for
    /// each of its rows and columns.
    pub fn feature_map(&self) -> ImageShape {
        self.architecture().stages.last().map_or(self.input, StageSpec::output)
    }

    /// Channels of the last stage, which is the width of the tokens.
    pub fn width(&self) -> usize {
        self.stages.last().map_or(0, |stage| stage.channels)
    }

    /// Number of tokens of an image.
    pub fn tokens(&self) -> usize {
        self.feature_map().pixels()
    }

    pub(crate) fn architecture(&self) -> Architecture {
        Architecture::new(self)
    }

    fn require_each_channel(
        &self,
        key: &str,
        values: &[f32],
        range: RangeInclusive<f32>,
    ) -> Result<(), InvalidSetting> {
        let channels = self.input.channels;
        require(
            key,
            values.len() == channels,
            || format!("a list of {}", values.len()),
            &format!("one number for each of the {}", counted(channels, "channel")),
        )?;
        values
            .iter()
            .enumerate()
            .try_for_each(|(index, &value)| require_within(&format!("{key}.{index}"), value, range.clone()))
    }
}

impl StageConfig {
    /// Checks the ranges, and returns what the stage makes of an input of this shape.
    fn validate(&self, input: ImageShape) -> Result<ImageShape, InvalidSetting> {
        require_within("channels", self.channels, 1..=1024)?;
        require_within("stride", self.stride, 1..=2)?;
        require_within("residual_blocks", self.residual_blocks, 0..=16)?;
        let spec = StageSpec::new("", input, self);
        let ImageShape { height, width, .. } = spec.entry.convolved();
        require(
            "pool",
            !self.pool || (height.is_multiple_of(2) && width.is_multiple_of(2)),
            || format!("true on a grid of {height}×{width}"),
            "pooling of an even grid only",
        )?;
        Ok(spec.output())
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
