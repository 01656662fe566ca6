//! The ranges of a config, and how its sizes fit together.

use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_shape::ImageShape;

use crate::architecture::StageSpec;
use crate::config::{AttentionConfig, StageConfig, TinyCnnLsaConfig};

/// Stages of the stem, at the most: ten halvings take the largest image to one token.
const MOST_STAGES: usize = 16;
/// Parameters, at the most: 1 GiB of numbers, twice those of VGG-19.
const MOST_PARAMETERS: usize = 1 << 28;

impl TinyCnnLsaConfig {
    /// Checks every range, and that the sizes fit together.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the first key that does not fit.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        self.images().validate()?;
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
        require_within("closing_blocks", self.closing_blocks, 0..=16)?;
        require_within("head.key_width", self.head.key_width, 1..=1024)?;
        let parameters = self.cost().parameters();
        require(
            "stages",
            parameters <= MOST_PARAMETERS,
            || format!("with `attention` a network of {parameters} parameters"),
            &format!("at most {MOST_PARAMETERS}"),
        )
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
        self.key_width.map_or(Ok(()), |columns| require_within("key_width", columns, 1..=1024))?;
        require_within("mlp_width", self.mlp_width, 0..=4096)
    }
}
