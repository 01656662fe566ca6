//! The layers of a [`TinyCnnLsa`](crate::TinyCnnLsa), described once from its config. The network itself, its folded
//! form, its costs, the shapes of its tensors and its memory are all read from this description.

use tinylsa_shape::ImageShape;

use crate::config::{AttentionKind, FeatureMap, StageConfig, TinyCnnLsaConfig};

/// All layers, in the order of the forward pass.
pub(crate) struct Architecture {
    pub(crate) stages: Vec<StageSpec>,
    pub(crate) positions: PositionsSpec,
    pub(crate) blocks: Vec<BlockSpec>,
    pub(crate) norm: NormSpec,
    pub(crate) head: LinearSpec,
}

/// An entry convolution, then residual blocks at one resolution.
pub(crate) struct StageSpec {
    pub(crate) entry: ConvolutionSpec,
    pub(crate) residual: Vec<ResidualSpec>,
}

/// Two convolutions; the second adds the input of the first.
pub(crate) struct ResidualSpec {
    pub(crate) first: ConvolutionSpec,
    pub(crate) second: ConvolutionSpec,
}

/// A 3×3 convolution without bias, batch normalisation, a rectifier, and perhaps 2×2 maximum pooling.
pub(crate) struct ConvolutionSpec {
    pub(crate) name: String,
    /// What goes in.
    pub(crate) input: ImageShape,
    /// Channels of what comes out.
    pub(crate) outputs: usize,
    pub(crate) stride: usize,
    pub(crate) pool: bool,
}

/// The learned positions of the tokens.
pub(crate) struct PositionsSpec {
    pub(crate) name: String,
    pub(crate) tokens: usize,
    pub(crate) width: usize,
}

/// Attention, then a perceptron, each with a normalisation before it.
pub(crate) struct BlockSpec {
    pub(crate) attention_norm: NormSpec,
    pub(crate) query_key_value: LinearSpec,
    pub(crate) mixing: MixingSpec,
    pub(crate) projection: LinearSpec,
    pub(crate) mlp_norm: NormSpec,
    pub(crate) expand: LinearSpec,
    pub(crate) contract: LinearSpec,
}

/// A layer normalisation.
pub(crate) struct NormSpec {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) width: usize,
}

/// A linear layer with a bias.
pub(crate) struct LinearSpec {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

/// How a block mixes its tokens; no weights.
pub(crate) struct MixingSpec {
    pub(crate) name: String,
    pub(crate) tokens: usize,
    pub(crate) width: usize,
    pub(crate) heads: usize,
    pub(crate) kind: AttentionKind,
    pub(crate) feature_map: FeatureMap,
}

/// One layer of an [`Architecture`].
pub(crate) enum LayerSpec<'a> {
    Convolution(&'a ConvolutionSpec),
    Positions(&'a PositionsSpec),
    Norm(&'a NormSpec),
    Linear(&'a LinearSpec),
    Mixing(&'a MixingSpec),
}

impl TinyCnnLsaConfig {
    /// What the last stage makes of an image: as many channels as a token is wide, and a row and a column of tokens for
    /// each of its rows and columns.
    pub fn feature_map(&self) -> ImageShape {
        self.architecture().stages.last().map_or(self.input, StageSpec::output)
    }

    /// Number of tokens of an image.
    pub fn tokens(&self) -> usize {
        self.feature_map().pixels()
    }

    pub(crate) fn architecture(&self) -> Architecture {
        Architecture::new(self)
    }
}

impl Architecture {
    /// Of a valid config.
    pub(crate) fn new(config: &TinyCnnLsaConfig) -> Self {
        let mut shape = config.input;
        let stages = config.stages.iter().enumerate().map(|(index, stage)| {
            let spec = StageSpec::new(&format!("stages.{index}"), shape, stage);
            shape = spec.output();
            spec
        });
        let stages = stages.collect();
        let (tokens, width) = (shape.pixels(), shape.channels);
        let attention = &config.attention;
        let block = |index: usize| {
            let name = |part: &str| format!("blocks.{index}.{part}");
            let norm = |part: &str| NormSpec { name: name(part), rows: tokens, width };
            let linear = |part: &str, inputs, outputs| LinearSpec { name: name(part), rows: tokens, inputs, outputs };
            BlockSpec {
                attention_norm: norm("attention_norm"),
                query_key_value: linear("query_key_value", width, 3 * width),
                mixing: MixingSpec {
                    name: name("attention"),
                    tokens,
                    width,
                    heads: attention.heads,
                    kind: attention.kind,
                    feature_map: attention.feature_map,
                },
                projection: linear("projection", width, width),
                mlp_norm: norm("mlp_norm"),
                expand: linear("expand", width, attention.mlp_width),
                contract: linear("contract", attention.mlp_width, width),
            }
        };
        Self {
            stages,
            positions: PositionsSpec { name: "positions".to_owned(), tokens, width },
            blocks: (0..attention.blocks).map(block).collect(),
            norm: NormSpec { name: "norm".to_owned(), rows: tokens, width },
            head: LinearSpec { name: "head".to_owned(), rows: 1, inputs: width, outputs: config.classes },
        }
    }

    /// Every layer, in the order of the forward pass.
    pub(crate) fn layers(&self) -> Vec<LayerSpec<'_>> {
        let mut layers = Vec::new();
        for stage in &self.stages {
            layers.push(LayerSpec::Convolution(&stage.entry));
            let convolutions = stage.residual.iter().flat_map(|block| [&block.first, &block.second]);
            layers.extend(convolutions.map(LayerSpec::Convolution));
        }
        layers.push(LayerSpec::Positions(&self.positions));
        for block in &self.blocks {
            layers.extend([
                LayerSpec::Norm(&block.attention_norm),
                LayerSpec::Linear(&block.query_key_value),
                LayerSpec::Mixing(&block.mixing),
                LayerSpec::Linear(&block.projection),
                LayerSpec::Norm(&block.mlp_norm),
                LayerSpec::Linear(&block.expand),
                LayerSpec::Linear(&block.contract),
            ]);
        }
        layers.extend([LayerSpec::Norm(&self.norm), LayerSpec::Linear(&self.head)]);
        layers
    }
}

impl StageSpec {
    /// The stage behind an input of this shape; the name is the first part of those of its layers.
    pub(crate) fn new(name: &str, input: ImageShape, stage: &StageConfig) -> Self {
        let outputs = stage.channels;
        // Pooling follows the last convolution of the stage, whichever it is.
        let pools = |last: bool| stage.pool && last;
        let entry = ConvolutionSpec {
            name: format!("{name}.entry"),
            input,
            outputs,
            stride: stage.stride,
            pool: pools(stage.residual_blocks == 0),
        };
        let convolved = entry.convolved();
        let same = |name: String, pool: bool| ConvolutionSpec { name, input: convolved, outputs, stride: 1, pool };
        let residual = (0..stage.residual_blocks).map(|block| ResidualSpec {
            first: same(format!("{name}.residual.{block}.first"), false),
            second: same(format!("{name}.residual.{block}.second"), pools(block + 1 == stage.residual_blocks)),
        });
        Self { residual: residual.collect(), entry }
    }

    /// What the stage makes of its input.
    pub(crate) fn output(&self) -> ImageShape {
        self.residual.last().map_or(&self.entry, |block| &block.second).output()
    }
}

impl ConvolutionSpec {
    /// What the convolution makes of its input, before the pooling.
    pub(crate) fn convolved(&self) -> ImageShape {
        let ImageShape { height, width, .. } = self.input;
        let (height, width) = (height.div_ceil(self.stride), width.div_ceil(self.stride));
        ImageShape { channels: self.outputs, height, width }
    }

    /// What comes out.
    pub(crate) fn output(&self) -> ImageShape {
        let convolved = self.convolved();
        let divisor = if self.pool { 2 } else { 1 };
        ImageShape { height: convolved.height / divisor, width: convolved.width / divisor, ..convolved }
    }
}
