//! From the tensors of a network to its pipeline.

use std::collections::BTreeSet;

use tinylsa_kernels::Activation;
use tinylsa_kernels::inference::{
    Activations, Convolution, ConvolutionShape, Depthwise, LayerNorm, Linear, LinearAttention, SoftmaxAttention, padded,
};
use tinylsa_shape::ImageShape;

use super::pipeline::{Block, Local, Mixing, Perceptron, Pipeline, Residual, StemLayer};
use crate::architecture::{
    Architecture, BlockSpec, ClassAttentionSpec, ConvolutionSpec, DepthwiseSpec, LinearSpec, MixingSpec, NormSpec,
    PerceptronSpec, PositionsSpec, QueriesSpec, ResidualSpec, StageSpec,
};
use crate::config::{AttentionKind, TinyCnnLsaConfig};
use crate::folding::fold;
use crate::layers::EPSILON;
use crate::state::{State, StateError};

/// Folds and packs; a tensor that is missing, too many or of another shape is an error.
pub(super) fn pipeline(config: &TinyCnnLsaConfig, state: &State) -> Result<Pipeline, StateError> {
    let Architecture { stages, positions, blocks, closing, norm, head } = config.architecture();
    let mut tensors = Tensors { state, used: BTreeSet::new() };
    let positions = positions.map(|PositionsSpec { name, tokens, width }| {
        tensors.take(&name, &[tokens, width]).map(|values| padded_rows(values, width))
    });
    let pipeline = Pipeline {
        input: config.input,
        input_mean: config.input_mean.clone(),
        input_deviation: config.input_deviation.clone(),
        tokens: norm.rows,
        width: norm.width,
        classes: config.classes,
        stem: tensors.stem(&stages)?,
        positions: positions.transpose()?,
        blocks: blocks.iter().map(|block| tensors.block(block)).collect::<Result<_, _>>()?,
        closing: closing.iter().map(|block| tensors.residual(block)).collect::<Result<_, _>>()?,
        norm: tensors.layer_norm(&norm)?,
        class_scores: head.class_attention.map(|attention| tensors.class_scores(&attention)).transpose()?,
        head: tensors.linear(&head.linear, Activation::Identity)?,
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
            for block in residual {
                layers.push(StemLayer::Residual(self.residual(block)?));
            }
        }
        Ok(layers)
    }

    fn residual(&mut self, spec: &ResidualSpec) -> Result<Residual, StateError> {
        Ok(Residual { first: self.convolution(&spec.first)?, second: self.convolution(&spec.second)? })
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
        let MixingSpec { heads, key_width, width, kind, feature_map, .. } = spec.mixing;
        let of_head = width / heads;
        let map = feature_map.into();
        Ok(Block {
            attention_norm: self.layer_norm(&spec.attention_norm)?,
            query_key_value: self.linear(&spec.query_key_value, Activation::Identity)?,
            mixing: match kind {
                AttentionKind::Linear => Mixing::Linear(LinearAttention { heads, key_width, width: of_head, map }),
                AttentionKind::Softmax => Mixing::Softmax(SoftmaxAttention { heads, key_width, width: of_head }),
            },
            local: spec.local.as_ref().map(|local| self.local(local, 2 * heads * key_width)).transpose()?,
            gate: spec.gate.as_ref().map(|gate| self.linear(gate, Activation::Identity)).transpose()?,
            projection: self.linear(&spec.projection, Activation::Identity)?,
            perceptron: spec.perceptron.as_ref().map(|perceptron| self.perceptron(perceptron)).transpose()?,
        })
    }

    /// A convolution of the values, which begin at column `first_value` of what the block projects its tokens to.
    fn local(&mut self, spec: &DepthwiseSpec, first_value: usize) -> Result<Local, StateError> {
        let &DepthwiseSpec { ref name, rows, columns, width } = spec;
        let weight = self.take(&format!("{name}.weight"), &[1, 3, 3, width])?;
        let bias = self.take(&format!("{name}.bias"), &[width])?;
        Ok(Local { convolution: Depthwise::new(rows, columns, weight, bias), first_value })
    }

    fn perceptron(&mut self, spec: &PerceptronSpec) -> Result<Perceptron, StateError> {
        Ok(Perceptron {
            norm: self.layer_norm(&spec.norm)?,
            expand: self.linear(&spec.expand, Activation::Gelu)?,
            contract: self.linear(&spec.contract, Activation::Identity)?,
        })
    }

    /// From a token to the scores of its softmax, one for each class: keys and queries in one linear map.
    fn class_scores(&mut self, spec: &ClassAttentionSpec) -> Result<Linear, StateError> {
        let &QueriesSpec { ref name, classes, key_width, .. } = &spec.queries;
        let queries = self.take(&format!("{name}.queries"), &[1, classes, key_width])?;
        let LinearSpec { name, inputs, outputs, .. } = &spec.keys;
        let weight = self.take(&format!("{name}.weight"), &[*inputs, *outputs])?;
        let bias = self.take(&format!("{name}.bias"), &[*outputs])?;
        let scale = (key_width as f64).sqrt();
        let with_queries = |keys: &[f32]| -> Vec<f32> {
            let score = |query: &[f32]| {
                let product: f64 = keys.iter().zip(query).map(|(&key, &query)| f64::from(key) * f64::from(query)).sum();
                (product / scale) as f32
            };
            queries.chunks_exact(key_width).map(score).collect()
        };
        let weight: Vec<f32> = weight.chunks_exact(key_width).flat_map(with_queries).collect();
        Ok(Linear::new(&weight, &with_queries(bias), Activation::Identity))
    }

    fn linear(&mut self, spec: &LinearSpec, activation: Activation) -> Result<Linear, StateError> {
        let &LinearSpec { ref name, inputs, outputs, scaled, .. } = spec;
        let weight = self.take(&format!("{name}.weight"), &[inputs, outputs])?;
        let bias = self.take(&format!("{name}.bias"), &[outputs])?;
        if !scaled {
            return Ok(Linear::new(weight, bias, activation));
        }
        let scale = self.take(&format!("{name}.scale"), &[outputs])?;
        let rows = weight.chunks_exact(outputs);
        let weight: Vec<f32> =
            rows.flat_map(|row| row.iter().zip(scale).map(|(weight, scale)| weight * scale)).collect();
        let bias: Vec<f32> = bias.iter().zip(scale).map(|(bias, scale)| bias * scale).collect();
        Ok(Linear::new(&weight, &bias, activation))
    }

    fn layer_norm(&mut self, spec: &NormSpec) -> Result<LayerNorm, StateError> {
        let NormSpec { name, width, .. } = spec;
        let gamma = self.take(&format!("{name}.gamma"), &[*width])?;
        let beta = self.take(&format!("{name}.beta"), &[*width])?;
        Ok(LayerNorm::new(gamma, beta, EPSILON))
    }
}
