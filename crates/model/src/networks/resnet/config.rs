//! Config, sizes, costs and names of residual networks.

use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_shape::ImageShape;

use super::super::convolution::ConvolutionShape;
use super::super::torchvision::{Torchvision, TorchvisionConfig};
use crate::cost::{Cost, LayerCost};
use crate::images::config_of_images;

config_of_images! {
    /// The config of a [`ResNet`](crate::networks::ResNet).
    pub struct ResNetConfig {
        /// What comes before the blocks.
        pub stem: ResNetStem,
        /// What a block is made of.
        pub block: ResNetBlock,
        /// How the input of a block gets around it where its shape changes.
        pub shortcut: Shortcut,
        /// Stages of blocks; from the second on, the first block of each halves height and width.
        pub stages: Vec<ResNetStageConfig>,
    }
}

/// Blocks of one width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetStageConfig {
    /// Channels of the 3×3 convolutions.
    pub channels: usize,
    /// Number of blocks.
    pub blocks: usize,
}

/// What comes before the blocks, with as many channels as the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResNetStem {
    /// A 7×7 convolution of stride 2 and 3×3 maximum pooling of stride 2, for images of 224 × 224 (table 1).
    Large,
    /// A 3×3 convolution, for small images (section 4.2).
    Small,
}

/// What a block is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResNetBlock {
    /// Two 3×3 convolutions.
    Basic,
    /// A 3×3 convolution between two of 1×1, the last of which has four times as many channels. It is the one of 3×3 that
    /// halves the map, as in torchvision and in what is called version 1.5; in the paper it is the first.
    Bottleneck,
}

/// How the input of a block gets around it where its shape changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// Through a 1×1 convolution (option B of the paper).
    Projection,
    /// Every second row and column, channels of zeros beside the others (option A).
    Padding,
}

impl ResNetBlock {
    /// How many times as many channels leave a block as its 3×3 convolutions have.
    fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

/// The shapes of a block's convolutions.
pub(super) struct BlockShape {
    pub(super) shortcut: Option<ConvolutionShape>,
    pub(super) reduce: Option<ConvolutionShape>,
    pub(super) spatial: ConvolutionShape,
    pub(super) expand: ConvolutionShape,
}

impl BlockShape {
    /// Names and shapes, in the order of the forward pass.
    fn convolutions(&self) -> Vec<(&'static str, &ConvolutionShape)> {
        let Self { shortcut, reduce, spatial, expand } = self;
        let all = [
            ("shortcut", shortcut.as_ref()),
            ("reduce", reduce.as_ref()),
            ("spatial", Some(spatial)),
            ("expand", Some(expand)),
        ];
        all.into_iter().filter_map(|(name, shape)| shape.map(|shape| (name, shape))).collect()
    }
}

impl ResNetConfig {
    /// For coloured images of 224 × 224 and 1000 classes.
    fn large(block: ResNetBlock, blocks: [usize; 4]) -> Self {
        let stage = |(index, blocks): (usize, usize)| ResNetStageConfig { channels: 64 << index, blocks };
        Self {
            input: ImageShape { channels: 3, height: 224, width: 224 },
            classes: 1000,
            input_mean: vec![0.485, 0.456, 0.406],
            input_deviation: vec![0.229, 0.224, 0.225],
            stem: ResNetStem::Large,
            block,
            shortcut: Shortcut::Projection,
            stages: blocks.into_iter().enumerate().map(stage).collect(),
        }
    }

    /// torchvision's `resnet18`.
    pub fn resnet18() -> Self {
        Self::large(ResNetBlock::Basic, [2, 2, 2, 2])
    }

    /// torchvision's `resnet50`, which is called version 1.5.
    pub fn resnet50() -> Self {
        Self::large(ResNetBlock::Bottleneck, [3, 4, 6, 3])
    }

    /// The form of a network for small grey images of ten classes: a 3×3 convolution in place of the large stem.
    #[must_use]
    pub fn small(self) -> Self {
        Self {
            input: ImageShape::grey(28, 28),
            classes: 10,
            input_mean: vec![0.286],
            input_deviation: vec![0.353],
            stem: ResNetStem::Small,
            ..self
        }
    }

    /// Three stages of three basic blocks, the paper's network for CIFAR-10 (section 4.2).
    pub fn resnet20() -> Self {
        let stage = |channels| ResNetStageConfig { channels, blocks: 3 };
        Self { shortcut: Shortcut::Padding, stages: vec![stage(16), stage(32), stage(64)], ..Self::resnet18().small() }
    }

    pub(super) fn entry(&self) -> ConvolutionShape {
        let channels = self.stages.first().map_or(0, |stage| stage.channels);
        let [side, stride] = match self.stem {
            ResNetStem::Large => [7, 2],
            ResNetStem::Small => [3, 1],
        };
        ConvolutionShape::new(self.input.channels, channels, side, stride)
    }

    pub(super) fn block_shapes(&self) -> Vec<Vec<BlockShape>> {
        let mut inputs = self.entry().outputs;
        let stages = self.stages.iter().enumerate().map(|(stage, &ResNetStageConfig { channels, blocks })| {
            let block = |index: usize| {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let outputs = channels * self.block.expansion();
                let changes = stride > 1 || inputs != outputs;
                let projects = changes && self.shortcut == Shortcut::Projection;
                let shape = |inputs, outputs, side, stride| ConvolutionShape::new(inputs, outputs, side, stride);
                let shortcut = projects.then(|| shape(inputs, outputs, 1, stride));
                let block = match self.block {
                    ResNetBlock::Basic => BlockShape {
                        shortcut,
                        reduce: None,
                        spatial: shape(inputs, channels, 3, stride),
                        expand: shape(channels, channels, 3, 1),
                    },
                    ResNetBlock::Bottleneck => BlockShape {
                        shortcut,
                        reduce: Some(shape(inputs, channels, 1, 1)),
                        spatial: shape(channels, channels, 3, stride),
                        expand: shape(channels, outputs, 1, 1),
                    },
                };
                inputs = outputs;
                block
            };
            (0..blocks).map(block).collect()
        });
        stages.collect()
    }

    /// Channels behind the last block.
    pub(super) fn outputs(&self) -> usize {
        self.stages.last().map_or(0, |stage| stage.channels) * self.block.expansion()
    }

    /// Checks every range, and that the sizes fit together.
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        self.images().validate()?;
        require("stages", !self.stages.is_empty(), || "empty".to_owned(), "at least one stage")?;
        let mut channels_before = 0;
        for (index, stage) in self.stages.iter().enumerate() {
            let key = |part: &str| format!("stages.{index}.{part}");
            require_within(&key("channels"), stage.channels, 1..=4096)?;
            require_within(&key("blocks"), stage.blocks, 1..=64)?;
            let pads = self.shortcut == Shortcut::Padding;
            require(
                &key("channels"),
                !pads || stage.channels >= channels_before,
                || stage.channels.to_string(),
                &format!(
                    "at least the {channels_before} of the stage before, which `shortcut = \"padding\"` adds zeros to"
                ),
            )?;
            channels_before = stage.channels;
        }
        Ok(())
    }

    /// What each layer costs for one image.
    pub fn cost(&self) -> Cost {
        let entry = self.entry();
        let mut layers = vec![entry.cost("entry", self.input, 2)];
        let mut map = entry.output(self.input);
        if self.stem == ResNetStem::Large {
            map = ImageShape { height: map.height.div_ceil(2), width: map.width.div_ceil(2), ..map };
        }
        for (stage, blocks) in self.block_shapes().iter().enumerate() {
            for (index, block) in blocks.iter().enumerate() {
                let mut inner = map;
                for (part, shape) in block.convolutions() {
                    let input = if part == "shortcut" { map } else { inner };
                    layers.push(shape.cost(&format!("stages.{stage}.{index}.{part}"), input, 2));
                    if part != "shortcut" {
                        inner = shape.output(inner);
                    }
                }
                map = inner;
            }
        }
        layers.push(LayerCost::linear("head", 1, self.outputs(), self.classes));
        Cost { layers }
    }
}

impl TorchvisionConfig for ResNetConfig {
    /// torchvision has no counterpart of [`Shortcut::Padding`], which has no tensors.
    fn torchvision(&self) -> Torchvision {
        let mut table = Torchvision::default();
        table.normed_convolution("entry", ["conv1", "bn1"]);
        for (stage, blocks) in self.block_shapes().iter().enumerate() {
            for (index, block) in blocks.iter().enumerate() {
                let key = format!("layer{}.{index}", stage + 1);
                let mut number = 0;
                for (part, _) in block.convolutions() {
                    let name = format!("stages.{stage}.{index}.{part}");
                    if part == "shortcut" {
                        let parts = [0, 1].map(|part| format!("{key}.downsample.{part}"));
                        table.normed_convolution(&name, [&parts[0], &parts[1]]);
                    } else {
                        number += 1;
                        table.normed_convolution(&name, [&format!("{key}.conv{number}"), &format!("{key}.bn{number}")]);
                    }
                }
            }
        }
        table.linear("head", "fc");
        table
    }
}
