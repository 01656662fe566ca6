//! The layers of a [`TinyCnnLsa`](crate::TinyCnnLsa), described once from its config. The network itself, its folded
//! form, its costs, the shapes of its tensors and its memory are all read from this description.

use tinylsa_shape::ImageShape;

use crate::config::{AttentionConfig, AttentionKind, BranchStart, FeatureMap, HeadKind, StageConfig, TinyCnnLsaConfig};

/// All layers, in the order of the forward pass.
pub(crate) struct Architecture {
    pub(crate) stages: Vec<StageSpec>,
    pub(crate) positions: Option<PositionsSpec>,
    pub(crate) blocks: Vec<BlockSpec>,
    pub(crate) closing: Vec<ResidualSpec>,
    pub(crate) norm: NormSpec,
    pub(crate) head: HeadSpec,
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

/// Attention, then perhaps a perceptron, each with a normalisation before it.
pub(crate) struct BlockSpec {
    pub(crate) attention_norm: NormSpec,
    pub(crate) query_key_value: LinearSpec,
    pub(crate) mixing: MixingSpec,
    pub(crate) local: Option<DepthwiseSpec>,
    pub(crate) gate: Option<LinearSpec>,
    pub(crate) projection: LinearSpec,
    pub(crate) perceptron: Option<PerceptronSpec>,
}

/// Two linear layers with a normalisation before them.
pub(crate) struct PerceptronSpec {
    pub(crate) norm: NormSpec,
    pub(crate) expand: LinearSpec,
    pub(crate) contract: LinearSpec,
}

/// A 3×3 convolution of each channel by itself, with a bias.
pub(crate) struct DepthwiseSpec {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) width: usize,
}

/// From the normalised tokens to the logits.
pub(crate) struct HeadSpec {
    /// Weights of the classes, on every token if they have an attention of their own, otherwise on the mean.
    pub(crate) linear: LinearSpec,
    pub(crate) class_attention: Option<ClassAttentionSpec>,
}

/// The attention of a query of each class over the tokens.
pub(crate) struct ClassAttentionSpec {
    pub(crate) keys: LinearSpec,
    pub(crate) queries: QueriesSpec,
}

/// The learned queries of the classes.
pub(crate) struct QueriesSpec {
    pub(crate) name: String,
    pub(crate) tokens: usize,
    pub(crate) classes: usize,
    pub(crate) key_width: usize,
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
    /// Whether each output is multiplied by a scale.
    pub(crate) scaled: bool,
}

/// How a block mixes its tokens; no weights.
pub(crate) struct MixingSpec {
    pub(crate) name: String,
    pub(crate) tokens: usize,
    /// Columns of the values of all heads.
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// Columns of the queries and of the keys of a head.
    pub(crate) key_width: usize,
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
    Depthwise(&'a DepthwiseSpec),
    Queries(&'a QueriesSpec),
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
        let tokens = shape.pixels();
        let block = |index: usize| BlockSpec::new(&format!("blocks.{index}"), shape, &config.attention);
        Self {
            stages,
            positions: config.positions.then(|| PositionsSpec {
                name: "positions".to_owned(),
                tokens,
                width: shape.channels,
            }),
            blocks: (0..config.attention.blocks).map(block).collect(),
            closing: (0..config.closing_blocks)
                .map(|index| ResidualSpec::new(&format!("closing.{index}"), shape, false))
                .collect(),
            norm: NormSpec { name: "norm".to_owned(), rows: tokens, width: shape.channels },
            head: HeadSpec::new(shape, config),
        }
    }

    /// Every layer, in the order of the forward pass.
    pub(crate) fn layers(&self) -> Vec<LayerSpec<'_>> {
        let mut layers = Vec::new();
        for stage in &self.stages {
            layers.push(LayerSpec::Convolution(&stage.entry));
            layers.extend(stage.residual.iter().flat_map(ResidualSpec::layers));
        }
        layers.extend(self.positions.iter().map(LayerSpec::Positions));
        layers.extend(self.blocks.iter().flat_map(BlockSpec::layers));
        layers.extend(self.closing.iter().flat_map(ResidualSpec::layers));
        layers.push(LayerSpec::Norm(&self.norm));
        if let Some(ClassAttentionSpec { keys, queries }) = &self.head.class_attention {
            layers.extend([LayerSpec::Linear(keys), LayerSpec::Queries(queries)]);
        }
        layers.push(LayerSpec::Linear(&self.head.linear));
        layers
    }
}

impl BlockSpec {
    /// The block on a grid of tokens; the name is the first part of those of its layers.
    fn new(name: &str, grid: ImageShape, config: &AttentionConfig) -> Self {
        let ImageShape { channels: width, height: rows, width: columns } = grid;
        let tokens = grid.pixels();
        let &AttentionConfig { heads, key_width, mlp_width, kind, feature_map, branch_start, .. } = config;
        let key_width = key_width.unwrap_or(width / heads);
        let name = |part: &str| format!("{name}.{part}");
        let norm = |part: &str| NormSpec { name: name(part), rows: tokens, width };
        let linear =
            |part: &str, inputs, outputs| LinearSpec { name: name(part), rows: tokens, inputs, outputs, scaled: false };
        let last = |part: &str, inputs| LinearSpec {
            scaled: branch_start == BranchStart::ZeroScales,
            ..linear(part, inputs, width)
        };
        Self {
            attention_norm: norm("attention_norm"),
            query_key_value: linear("query_key_value", width, 2 * heads * key_width + width),
            mixing: MixingSpec { name: name("attention"), tokens, width, heads, key_width, kind, feature_map },
            local: config.local.then(|| DepthwiseSpec { name: name("local"), rows, columns, width }),
            gate: config.gate.then(|| linear("gate", width, width)),
            projection: last("projection", width),
            perceptron: (mlp_width > 0).then(|| PerceptronSpec {
                norm: norm("mlp_norm"),
                expand: linear("expand", width, mlp_width),
                contract: last("contract", mlp_width),
            }),
        }
    }

    fn layers(&self) -> Vec<LayerSpec<'_>> {
        let Self { attention_norm, query_key_value, mixing, local, gate, projection, perceptron } = self;
        let mut layers =
            vec![LayerSpec::Norm(attention_norm), LayerSpec::Linear(query_key_value), LayerSpec::Mixing(mixing)];
        layers.extend(local.iter().map(LayerSpec::Depthwise));
        layers.extend(gate.iter().map(LayerSpec::Linear));
        layers.push(LayerSpec::Linear(projection));
        if let Some(PerceptronSpec { norm, expand, contract }) = perceptron {
            layers.extend([LayerSpec::Norm(norm), LayerSpec::Linear(expand), LayerSpec::Linear(contract)]);
        }
        layers
    }
}

impl HeadSpec {
    fn new(grid: ImageShape, config: &TinyCnnLsaConfig) -> Self {
        let (tokens, width, classes) = (grid.pixels(), grid.channels, config.classes);
        let key_width = config.head.key_width;
        let (rows, class_attention) = match config.head.kind {
            HeadKind::Mean => (1, None),
            HeadKind::ClassAttention => {
                let name = "class_attention".to_owned();
                let keys = LinearSpec {
                    name: format!("{name}.keys"),
                    rows: tokens,
                    inputs: width,
                    outputs: key_width,
                    scaled: false,
                };
                let queries = QueriesSpec { name, tokens, classes, key_width };
                (tokens, Some(ClassAttentionSpec { keys, queries }))
            }
        };
        let linear = LinearSpec { name: "head".to_owned(), rows, inputs: width, outputs: classes, scaled: false };
        Self { linear, class_attention }
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
        let residual = (0..stage.residual_blocks).map(|block| {
            let name = format!("{name}.residual.{block}");
            ResidualSpec::new(&name, entry.convolved(), pools(block + 1 == stage.residual_blocks))
        });
        Self { residual: residual.collect(), entry }
    }

    /// What the stage makes of its input.
    pub(crate) fn output(&self) -> ImageShape {
        self.residual.last().map_or(&self.entry, |block| &block.second).output()
    }
}

impl ResidualSpec {
    /// The block on a map; the name is the first part of those of its layers.
    fn new(name: &str, map: ImageShape, pool: bool) -> Self {
        let convolution = |part: &str, pool| ConvolutionSpec {
            name: format!("{name}.{part}"),
            input: map,
            outputs: map.channels,
            stride: 1,
            pool,
        };
        Self { first: convolution("first", false), second: convolution("second", pool) }
    }

    fn layers(&self) -> [LayerSpec<'_>; 2] {
        [LayerSpec::Convolution(&self.first), LayerSpec::Convolution(&self.second)]
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
