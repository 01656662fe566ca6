//! From the tensors of a network to its pipeline.

use std::collections::BTreeSet;

use tinylsa_kernels::Activation;
use tinylsa_kernels::inference::{
    Activations, Convolution, ConvolutionShape, LayerNorm, Linear, LinearAttention, SoftmaxAttention, padded,
};
use tinylsa_shape::ImageShape;

use super::pipeline::{Block, Mixing, Pipeline, StemLayer};
use crate::architecture::{
    Architecture, BlockSpec, ConvolutionSpec, LinearSpec, MixingSpec, NormSpec, PositionsSpec, ResidualSpec, StageSpec,
};
use crate::config::{AttentionKind, TinyCnnLsaConfig};
use crate::folding::fold;
use crate::layers::EPSILON;
use crate::state::{State, StateError};

/// Folds and packs; a tensor that is missing, too many or of another shape is an error.
pub(super) fn pipeline(config: &TinyCnnLsaConfig, state: &State) -> Result<Pipeline, StateError> {
    let Architecture { stages, positions, blocks, norm, head } = config.architecture();
    let mut tensors = Tensors { state, used: BTreeSet::new() };
    let PositionsSpec { name, tokens, width } = positions;
    let pipeline = Pipeline {
        input: config.input,
        input_mean: config.input_mean.clone(),
        input_deviation: config.input_deviation.clone(),
        tokens,
        width,
        classes: config.classes,
        stem: tensors.stem(&stages)?,
        positions: padded_rows(tensors.take(&name, &[tokens, width])?, width),
        blocks: blocks.iter().map(|block| tensors.block(block)).collect::<Result<_, _>>()?,
        norm: tensors.layer_norm(&norm)?,
        head: tensors.linear(&head, Activation::Identity)?,
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

    fn stem(&mut self, stages: &[StageSpec]) -> Result<Vec<StemLayer>, StateError> {
        let mut layers = Vec::new();
        for StageSpec { entry, residual } in stages {
            layers.push(StemLayer::Plain(self.convolution(entry)?));
            for ResidualSpec { first, second } in residual {
                let (first, second) = (self.convolution(first)?, self.convolution(second)?);
                layers.push(StemLayer::Residual { first, second });
            }
        }
        Ok(layers)
    }

    /// A convolution with its batch normalisation folded in.
    fn convolution(&mut self, spec: &ConvolutionSpec) -> Result<Convolution, StateError> {
        let &ConvolutionSpec { ref name, input, outputs, stride, pool } = spec;
        let ImageShape { channels: inputs, height, width } = input;
        let weight = self.take(&format!("{name}.weight"), &[outputs, inputs, 3, 3])?;
        let mut channels = |part: &str| self.take(&format!("{name}.{part}"), &[outputs]);
        let (gamma, beta) = (channels("gamma")?, channels("beta")?);
        let (mean, variance) = (channels("running_mean")?, channels("running_variance")?);
        let folded = fold(weight, gamma, beta, mean, variance);
        let shape = ConvolutionShape { height, width, inputs, outputs, stride, relu: true, pool };
        Ok(Convolution::new(shape, &folded.weight, &folded.bias))
    }

    fn block(&mut self, spec: &BlockSpec) -> Result<Block, StateError> {
        let MixingSpec { heads, width, kind, feature_map, .. } = spec.mixing;
        let width = width / heads;
        Ok(Block {
            attention_norm: self.layer_norm(&spec.attention_norm)?,
            query_key_value: self.linear(&spec.query_key_value, Activation::Identity)?,
            mixing: match kind {
                AttentionKind::Linear => Mixing::Linear(LinearAttention { heads, width, map: feature_map.into() }),
                AttentionKind::Softmax => Mixing::Softmax(SoftmaxAttention { heads, width }),
            },
            projection: self.linear(&spec.projection, Activation::Identity)?,
            mlp_norm: self.layer_norm(&spec.mlp_norm)?,
            expand: self.linear(&spec.expand, Activation::Gelu)?,
            contract: self.linear(&spec.contract, Activation::Identity)?,
        })
    }

    fn linear(&mut self, spec: &LinearSpec, activation: Activation) -> Result<Linear, StateError> {
        let LinearSpec { name, inputs, outputs, .. } = spec;
        let weight = self.take(&format!("{name}.weight"), &[*inputs, *outputs])?;
        let bias = self.take(&format!("{name}.bias"), &[*outputs])?;
        Ok(Linear::new(weight, bias, activation))
    }

    fn layer_norm(&mut self, spec: &NormSpec) -> Result<LayerNorm, StateError> {
        let NormSpec { name, width, .. } = spec;
        let gamma = self.take(&format!("{name}.gamma"), &[*width])?;
        let beta = self.take(&format!("{name}.beta"), &[*width])?;
        Ok(LayerNorm::new(gamma, beta, EPSILON))
    }
}
