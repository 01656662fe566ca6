//! Config, sizes, costs and names of the Swin Transformer.

use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_shape::ImageShape;

use super::super::convolution::ConvolutionShape;
use super::super::torchvision::{Torchvision, TorchvisionConfig};
use super::super::transformer::EncoderShape;
use crate::cost::{Cost, LayerCost};
use crate::images::config_of_images;

config_of_images! {
    /// The config of a [`Swin`](crate::networks::Swin).
    pub struct SwinConfig {
        /// Rows and columns of a patch, which divide the image's.
        pub patch: usize,
        /// Rows and columns of a window, which divide the grid of every stage.
        pub window: usize,
        /// Width of a token in the first stage; each further stage has twice as much on a grid of half the side.
        pub width: usize,
        /// Stages of blocks.
        pub stages: Vec<SwinStageConfig>,
        /// Hidden units of a perceptron, as a multiple of the width.
        pub mlp_ratio: usize,
        /// Probability with which the last block's branches are left out for an image in training; it grows evenly from 0 at
        /// the first block.
        pub stochastic_depth: f64,
    }
}

/// Blocks on one grid, every second one with shifted windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwinStageConfig {
    /// Number of blocks.
    pub blocks: usize,
    /// Heads of a block; they share the width evenly.
    pub heads: usize,
}

/// A stage on its grid.
#[derive(Clone, Copy)]
pub(super) struct StageShape {
    pub(super) grid: [usize; 2],
    pub(super) width: usize,
    pub(super) blocks: usize,
    pub(super) heads: usize,
}

impl SwinConfig {
    /// Tiny (section 3.3), for coloured images of 224 × 224 and 1000 classes: torchvision's `swin_t`.
    pub fn swin_t() -> Self {
        let stages = [(2, 3), (2, 6), (6, 12), (2, 24)];
        Self {
            input: ImageShape { channels: 3, height: 224, width: 224 },
            classes: 1000,
            input_mean: vec![0.485, 0.456, 0.406],
            input_deviation: vec![0.229, 0.224, 0.225],
            patch: 4,
            window: 7,
            width: 96,
            stages: stages.map(|(blocks, heads)| SwinStageConfig { blocks, heads }).to_vec(),
            mlp_ratio: 4,
            stochastic_depth: 0.2,
        }
    }

    /// The form for small grey images of ten classes: patches of 2 × 2, so that the grids are 14 × 14 and 7 × 7, both of
    /// which windows of 7 × 7 divide, and so two stages.
    pub fn swin_small_images() -> Self {
        let stages = [(2, 3), (6, 6)];
        Self {
            input: ImageShape::grey(28, 28),
            classes: 10,
            input_mean: vec![0.286],
            input_deviation: vec![0.353],
            patch: 2,
            stages: stages.map(|(blocks, heads)| SwinStageConfig { blocks, heads }).to_vec(),
            ..Self::swin_t()
        }
    }

    pub(super) fn patches(&self) -> ConvolutionShape {
        ConvolutionShape::patches(self.input.channels, self.width, self.patch)
    }

    pub(super) fn stage_shapes(&self) -> Vec<StageShape> {
        let ImageShape { height, width, .. } = self.input;
        let shape = |(stage, &SwinStageConfig { blocks, heads }): (usize, &SwinStageConfig)| StageShape {
            grid: [height, width].map(|side| (side / self.patch) >> stage),
            width: self.width << stage,
            blocks,
            heads,
        };
        self.stages.iter().enumerate().map(shape).collect()
    }

    pub(super) fn encoder(&self, stage: &StageShape) -> EncoderShape {
        let StageShape { grid: [rows, columns], width, .. } = *stage;
        let (hidden, seen) = (self.mlp_ratio * width, self.window * self.window);
        EncoderShape { tokens: rows * columns, width, hidden, seen }
    }

    /// Distances along one side that two tokens of a window can have.
    pub(super) fn distances(&self) -> usize {
        2 * self.window - 1
    }

    /// Rows and columns of the tokens of the last stage.
    pub fn last_grid(&self) -> [usize; 2] {
        self.stage_shapes().last().map_or([0; 2], |stage| stage.grid)
    }

    /// Width of a token behind the last stage.
    pub(super) fn outputs(&self) -> usize {
        self.stage_shapes().last().map_or(self.width, |stage| stage.width)
    }

    /// Checks every range, and that the sizes fit together.
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        self.images().validate()?;
        require_within("patch", self.patch, 1..=1024)?;
        require_within("window", self.window, 1..=64)?;
        require_within("width", self.width, 1..=4096)?;
        require_within("mlp_ratio", self.mlp_ratio, 1..=16)?;
        require_within("stochastic_depth", self.stochastic_depth, 0.0..=0.9)?;
        let count = self.stages.len();
        require("stages", (1..=6).contains(&count), || format!("a list of {count}"), "1 to 6 stages")?;
        let ImageShape { height, width, .. } = self.input;
        let pixels = self.patch << (count - 1);
        require(
            "patch",
            height.is_multiple_of(pixels) && width.is_multiple_of(pixels),
            || self.patch.to_string(),
            &format!("patches whose grid can be halved {} times on an image of {height} × {width}", count - 1),
        )?;
        for (index, stage) in self.stage_shapes().iter().enumerate() {
            let [rows, columns] = stage.grid;
            require(
                "window",
                rows.is_multiple_of(self.window) && columns.is_multiple_of(self.window),
                || self.window.to_string(),
                &format!("a divisor of {rows} and {columns}, the sides of the grid of stage {index}"),
            )?;
            let key = |part: &str| format!("stages.{index}.{part}");
            require_within(&key("blocks"), stage.blocks, 1..=64)?;
            require_within(&key("heads"), stage.heads, 1..=64)?;
            require(
                &key("heads"),
                stage.width.is_multiple_of(stage.heads),
                || stage.heads.to_string(),
                &format!("a divisor of the width {}", stage.width),
            )?;
        }
        Ok(())
    }

    /// What each layer costs for one image.
    pub fn cost(&self) -> Cost {
        let mut layers = vec![self.patches().cost("patches", self.input, 1)];
        let norm = |name: &str, tokens: usize, width: usize| LayerCost::new(name, &[tokens, width], 2 * width, 0);
        for (index, stage) in self.stage_shapes().iter().enumerate() {
            let encoder = self.encoder(stage);
            let EncoderShape { tokens, width, .. } = encoder;
            let name = |part: &str| format!("stages.{index}.{part}");
            if index == 0 {
                layers.push(norm("patch_norm", tokens, width));
            } else {
                // four tokens of half the width side by side
                layers.push(norm(&name("merging.norm"), tokens, 2 * width));
                let weights = 2 * width * width;
                layers.push(LayerCost::new(&name("merging.reduction"), &[tokens, width], weights, tokens * weights));
            }
            let biases = self.distances().pow(2) * stage.heads;
            for block in 0..stage.blocks {
                layers.extend(encoder.costs(&name(&format!("blocks.{block}.parts")), biases));
            }
        }
        layers.push(norm(
            "norm",
            self.stage_shapes().last().map_or(0, |stage| stage.grid[0] * stage.grid[1]),
            self.outputs(),
        ));
        layers.push(LayerCost::linear("head", 1, self.outputs(), self.classes));
        Cost { layers }
    }
}

impl TorchvisionConfig for SwinConfig {
    fn torchvision(&self) -> Torchvision {
        let mut table = Torchvision::default();
        table.convolution("patches", "features.0.0");
        table.layer_norm("patch_norm", "features.0.2");
        for (stage, shape) in self.stages.iter().enumerate() {
            if stage > 0 {
                let (name, key) = (format!("stages.{stage}.merging"), format!("features.{}", 2 * stage));
                table.layer_norm(&format!("{name}.norm"), &format!("{key}.norm"));
                table.matrix(&format!("{name}.reduction"), &format!("{key}.reduction.weight"));
            }
            for block in 0..shape.blocks {
                let name = |part: &str| format!("stages.{stage}.blocks.{block}.{part}");
                let key = |part: &str| format!("features.{}.{block}.{part}", 2 * stage + 1);
                table.layer_norm(&name("parts.attention_norm"), &key("norm1"));
                table.linear(&name("parts.query_key_value"), &key("attn.qkv"));
                table.tensor(&name("position_bias"), &key("attn.relative_position_bias_table"));
                table.linear(&name("parts.projection"), &key("attn.proj"));
                table.layer_norm(&name("parts.perceptron_norm"), &key("norm2"));
                table.perceptron(&name("parts.perceptron"), &key("mlp"), [0, 3]);
            }
        }
        table.layer_norm("norm", "norm");
        table.linear("head", "head");
        table
    }
}
