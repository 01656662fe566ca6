//! Config, sizes, costs and names of MobileNetV3.

use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_shape::ImageShape;

use super::super::convolution::ConvolutionShape;
use super::super::torchvision::{Torchvision, TorchvisionConfig};
use crate::cost::{Cost, LayerCost};
use crate::images::config_of_images;

config_of_images! {
    /// The config of a [`MobileNet`](crate::networks::MobileNet).
    pub struct MobileNetConfig {
        /// Stride of the first convolution, which has 16 channels.
        pub entry_stride: usize,
        /// The blocks.
        pub blocks: Vec<InvertedResidualConfig>,
        /// Hidden units of the linear layer before the last.
        pub hidden: usize,
        /// Probability with which a hidden unit is left out in training.
        pub dropout: f64,
    }
}

/// A 1×1 convolution to many channels, a depthwise one, perhaps a gate for each channel, and a 1×1 convolution to few.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvertedResidualConfig {
    /// Rows and columns of the depthwise kernels.
    pub side: usize,
    /// Channels of the depthwise convolution. If they are as many as come in, the first convolution is left out.
    pub expanded: usize,
    /// Channels that leave the block.
    pub outputs: usize,
    /// Whether each channel is multiplied by a gate (squeeze and excitation).
    pub gate: bool,
    /// What follows the first two normalisations.
    pub nonlinearity: Nonlinearity,
    /// Stride of the depthwise convolution.
    pub stride: usize,
}

/// What follows a normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nonlinearity {
    /// `max(0, x)`.
    Relu,
    /// `x · min(max(x + 3, 0), 6) / 6`.
    HardSwish,
}

/// Channels of the first convolution.
const ENTRY_CHANNELS: usize = 16;
/// The last convolution has so many times the channels of the last block.
const LAST_EXPANSION: usize = 6;

impl MobileNetConfig {
    /// Small (table 2), for coloured images of 224 × 224 and 1000 classes: torchvision's `mobilenet_v3_small`.
    pub fn v3_small() -> Self {
        use Nonlinearity::{HardSwish, Relu};
        let blocks = [
            (3, 16, 16, true, Relu, 2),
            (3, 72, 24, false, Relu, 2),
            (3, 88, 24, false, Relu, 1),
            (5, 96, 40, true, HardSwish, 2),
            (5, 240, 40, true, HardSwish, 1),
            (5, 240, 40, true, HardSwish, 1),
            (5, 120, 48, true, HardSwish, 1),
            (5, 144, 48, true, HardSwish, 1),
            (5, 288, 96, true, HardSwish, 2),
            (5, 576, 96, true, HardSwish, 1),
            (5, 576, 96, true, HardSwish, 1),
        ];
        let block = |(side, expanded, outputs, gate, nonlinearity, stride)| InvertedResidualConfig {
            side,
            expanded,
            outputs,
            gate,
            nonlinearity,
            stride,
        };
        Self {
            input: ImageShape { channels: 3, height: 224, width: 224 },
            classes: 1000,
            input_mean: vec![0.485, 0.456, 0.406],
            input_deviation: vec![0.229, 0.224, 0.225],
            entry_stride: 2,
            blocks: blocks.map(block).to_vec(),
            hidden: 1024,
            dropout: 0.2,
        }
    }

    /// The form of a network for small grey images of ten classes: its first convolution has stride 1.
    #[must_use]
    pub fn small(self) -> Self {
        Self {
            input: ImageShape::grey(28, 28),
            classes: 10,
            input_mean: vec![0.286],
            input_deviation: vec![0.353],
            entry_stride: 1,
            ..self
        }
    }

    pub(super) fn entry(&self) -> ConvolutionShape {
        ConvolutionShape::new(self.input.channels, ENTRY_CHANNELS, 3, self.entry_stride)
    }

    pub(super) fn block_shapes(&self) -> Vec<BlockShape> {
        let mut inputs = ENTRY_CHANNELS;
        let shape = |block: &InvertedResidualConfig| {
            let &InvertedResidualConfig { side, expanded, outputs, gate, stride, .. } = block;
            let squeezed = squeezed(expanded);
            let shape = BlockShape {
                expand: (expanded != inputs).then(|| ConvolutionShape::new(inputs, expanded, 1, 1)),
                spatial: ConvolutionShape::depthwise(expanded, side, stride),
                gate: gate.then(|| {
                    [(expanded, squeezed), (squeezed, expanded)]
                        .map(|(inputs, outputs)| ConvolutionShape::new(inputs, outputs, 1, 1))
                }),
                project: ConvolutionShape::new(expanded, outputs, 1, 1),
                adds_input: stride == 1 && inputs == outputs,
            };
            inputs = outputs;
            shape
        };
        self.blocks.iter().map(shape).collect()
    }

    pub(super) fn last(&self) -> ConvolutionShape {
        let inputs = self.blocks.last().map_or(ENTRY_CHANNELS, |block| block.outputs);
        ConvolutionShape::new(inputs, LAST_EXPANSION * inputs, 1, 1)
    }

    /// Checks every range, and that the sizes fit together.
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        self.images().validate()?;
        require_within("entry_stride", self.entry_stride, 1..=2)?;
        require("blocks", !self.blocks.is_empty(), || "empty".to_owned(), "at least one block")?;
        for (index, block) in self.blocks.iter().enumerate() {
            let key = |part: &str| format!("blocks.{index}.{part}");
            require(
                &key("side"),
                block.side % 2 == 1 && block.side <= 11,
                || block.side.to_string(),
                "an odd number up to 11",
            )?;
            require_within(&key("expanded"), block.expanded, 1..=4096)?;
            require_within(&key("outputs"), block.outputs, 1..=4096)?;
            require_within(&key("stride"), block.stride, 1..=2)?;
        }
        require_within("hidden", self.hidden, 1..=16_384)?;
        require_within("dropout", self.dropout, 0.0..=0.95)
    }

    /// What each layer costs for one image.
    pub fn cost(&self) -> Cost {
        let entry = self.entry();
        let mut layers = vec![entry.cost("entry", self.input, 2)];
        let mut map = entry.output(self.input);
        for (index, shape) in self.block_shapes().iter().enumerate() {
            let name = |part: &str| format!("blocks.{index}.{part}");
            if let Some(expand) = &shape.expand {
                layers.push(expand.cost(&name("expand"), map, 2));
                map = expand.output(map);
            }
            layers.push(shape.spatial.cost(&name("spatial"), map, 2));
            map = shape.spatial.output(map);
            if let Some([squeeze, excite]) = &shape.gate {
                let pixel = ImageShape { height: 1, width: 1, ..map };
                layers.push(squeeze.cost(&name("squeeze"), pixel, 1));
                layers.push(excite.cost(&name("excite"), squeeze.output(pixel), 1));
            }
            layers.push(shape.project.cost(&name("project"), map, 2));
            map = shape.project.output(map);
        }
        let last = self.last();
        layers.push(last.cost("last", map, 2));
        layers.push(LayerCost::linear("hidden", 1, last.outputs, self.hidden));
        layers.push(LayerCost::linear("head", 1, self.hidden, self.classes));
        Cost { layers }
    }
}

/// Channels between the two layers of a gate: about a quarter, a multiple of 8, and no less than nine tenths of a quarter.
fn squeezed(channels: usize) -> usize {
    let quarter = channels as f64 / 4.0;
    let rounded = (((quarter + 4.0) / 8.0) as usize * 8).max(8);
    if (rounded as f64) < 0.9 * quarter { rounded + 8 } else { rounded }
}

/// The shapes of a block's convolutions.
pub(super) struct BlockShape {
    pub(super) expand: Option<ConvolutionShape>,
    pub(super) spatial: ConvolutionShape,
    pub(super) gate: Option<[ConvolutionShape; 2]>,
    pub(super) project: ConvolutionShape,
    /// Whether the input of the block is added to its output.
    pub(super) adds_input: bool,
}

impl TorchvisionConfig for MobileNetConfig {
    fn torchvision(&self) -> Torchvision {
        let mut table = Torchvision::default();
        let normed = |table: &mut Torchvision, name: &str, key: &str| {
            table.normed_convolution(name, [&format!("{key}.0"), &format!("{key}.1")]);
        };
        normed(&mut table, "entry", "features.0");
        for (index, shape) in self.block_shapes().iter().enumerate() {
            let (name, key) = (format!("blocks.{index}"), format!("features.{}.block", index + 1));
            let mut part = 0;
            let mut next = || {
                part += 1;
                format!("{key}.{}", part - 1)
            };
            if shape.expand.is_some() {
                normed(&mut table, &format!("{name}.expand"), &next());
            }
            normed(&mut table, &format!("{name}.spatial"), &next());
            if shape.gate.is_some() {
                let key = next();
                table.convolution(&format!("{name}.squeeze"), &format!("{key}.fc1"));
                table.convolution(&format!("{name}.excite"), &format!("{key}.fc2"));
            }
            normed(&mut table, &format!("{name}.project"), &next());
        }
        normed(&mut table, "last", &format!("features.{}", self.blocks.len() + 1));
        table.linear("hidden", "classifier.0");
        table.linear("head", "classifier.3");
        table
    }
}
