//! From the tensors of a network to its pipeline.

use std::collections::BTreeSet;

use tinylsa_kernels::Activation;
use tinylsa_kernels::inference::{
    Activations, Convolution, ConvolutionShape, LayerNorm, Linear, LinearAttention, SoftmaxAttention, padded,
};

use super::pipeline::{Block, Mixing, Pipeline, StemLayer};
use crate::config::{AttentionKind, TinyCnnLsaConfig};
use crate::folding::fold;
use crate::layers::EPSILON;
use crate::state::{State, StateError};

/// Folds and packs; a tensor that is missing, too many or of another shape is an error.
pub(super) fn pipeline(config: &TinyCnnLsaConfig, state: &State) -> Result<Pipeline, StateError> {
    let mut tensors = Tensors { state, used: BTreeSet::new() };
    let (tokens, width) = (config.tokens(), config.width());
    let pipeline = Pipeline {
        input_mean: config.input_mean,
        input_deviation: config.input_deviation,
        pixels: config.image_size.pow(2),
        tokens,
        width,
        classes: config.classes,
        stem: tensors.stem(config)?,
        positions: padded_rows(tensors.take("positions", &[tokens, width])?, width),
        blocks: (0..config.attention.blocks)
            .map(|index| tensors.block(config, &format!("blocks.{index}")))
            .collect::<Result<_, _>>()?,
        norm: tensors.layer_norm("norm", width)?,
        head: tensors.linear("head", [width, config.classes], Activation::Identity)?,
    };
    match state.keys().find(|name| !tensors.used.contains(name.as_str())) {
        Some(name) => Err(StateError::Unexpected { name: name.clone() }),
        None => Ok(pipeline),
    }
}

/// Rows of `width` values as the operations expect them.
fn padded_rows(values: &[f32], width: usize) -> Activations {
    let mut rows = Activations::zeroed(values.len() / width * padded(width));
    for (row, values) in rows.chunks_exact_mut(padded(width)).zip(values.chunks_exact(width)) {
        row[..width].copy_from_slice(values);
    }
    rows
}

/// The tensors of a network, and which of them have found their place.
struct Tensors<'a> {
    state: &'a State,
    used: BTreeSet<&'a str>,
}

impl<'a> Tensors<'a> {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<&'a [f32], StateError> {
        let (name, tensor) =
            self.state.get_key_value(name).ok_or_else(|| StateError::Missing { name: name.to_owned() })?;
        if tensor.shape != shape {
            let (name, found, expected) = (name.clone(), tensor.shape.clone(), shape.to_vec());
            return Err(StateError::Shape { name, found, expected });
        }
        self.used.insert(name);
        Ok(&tensor.values)
    }

    fn stem(&mut self, config: &TinyCnnLsaConfig) -> Result<Vec<StemLayer>, StateError> {
        let mut layers = Vec::new();
        let (mut resolution, mut inputs) = (config.image_size, 1);
        for (index, stage) in config.stages.iter().enumerate() {
            let entry = ConvolutionShape {
                height: resolution,
                width: resolution,
                inputs,
                outputs: stage.channels,
                stride: stage.stride,
                relu: true,
                pool: stage.pool && stage.residual_blocks == 0,
            };
            layers.push(StemLayer::Plain(self.convolution(&format!("stages.{index}.entry"), entry)?));
            let convolved = resolution.div_ceil(stage.stride);
            let same =
                ConvolutionShape { height: convolved, width: convolved, inputs: stage.channels, stride: 1, ..entry };
            for block in 0..stage.residual_blocks {
                let name = format!("stages.{index}.residual.{block}");
                let pool = stage.pool && block + 1 == stage.residual_blocks;
                layers.push(StemLayer::Residual {
                    first: self.convolution(&format!("{name}.first"), ConvolutionShape { pool: false, ..same })?,
                    second: self.convolution(&format!("{name}.second"), ConvolutionShape { pool, ..same })?,
                });
            }
            (resolution, inputs) = (stage.output_size(resolution), stage.channels);
        }
        Ok(layers)
    }

    /// A convolution with its batch normalisation folded in.
    fn convolution(&mut self, name: &str, shape: ConvolutionShape) -> Result<Convolution, StateError> {
        let ConvolutionShape { inputs, outputs, .. } = shape;
        let weight = self.take(&format!("{name}.weight"), &[outputs, inputs, 3, 3])?;
        let mut channels = |part: &str| self.take(&format!("{name}.{part}"), &[outputs]);
        let (gamma, beta) = (channels("gamma")?, channels("beta")?);
        let (mean, variance) = (channels("running_mean")?, channels("running_variance")?);
        let folded = fold(weight, gamma, beta, mean, variance);
        Ok(Convolution::new(shape, &folded.weight, &folded.bias))
    }

    fn block(&mut self, config: &TinyCnnLsaConfig, name: &str) -> Result<Block, StateError> {
        let (width, attention) = (config.width(), &config.attention);
        let (heads, hidden) = (attention.heads, attention.mlp_width);
        let part = |part: &str| format!("{name}.{part}");
        Ok(Block {
            attention_norm: self.layer_norm(&part("attention_norm"), width)?,
            query_key_value: self.linear(&part("query_key_value"), [width, 3 * width], Activation::Identity)?,
            mixing: match attention.kind {
                AttentionKind::Linear => {
                    Mixing::Linear(LinearAttention { heads, width: width / heads, map: attention.feature_map.into() })
                }
                AttentionKind::Softmax => Mixing::Softmax(SoftmaxAttention { heads, width: width / heads }),
            },
            projection: self.linear(&part("projection"), [width, width], Activation::Identity)?,
            mlp_norm: self.layer_norm(&part("mlp_norm"), width)?,
            expand: self.linear(&part("expand"), [width, hidden], Activation::Gelu)?,
            contract: self.linear(&part("contract"), [hidden, width], Activation::Identity)?,
        })
    }

    fn linear(&mut self, name: &str, shape: [usize; 2], activation: Activation) -> Result<Linear, StateError> {
        let weight = self.take(&format!("{name}.weight"), &shape)?;
        let bias = self.take(&format!("{name}.bias"), &shape[1..])?;
        Ok(Linear::new(weight, bias, activation))
    }

    fn layer_norm(&mut self, name: &str, width: usize) -> Result<LayerNorm, StateError> {
        let gamma = self.take(&format!("{name}.gamma"), &[width])?;
        let beta = self.take(&format!("{name}.beta"), &[width])?;
        Ok(LayerNorm::new(gamma, beta, EPSILON))
    }
}
