use std::collections::BTreeMap;

use crate::architecture::{
    ConvolutionSpec, DepthwiseSpec, LayerSpec, LinearSpec, NormSpec, PositionsSpec, QueriesSpec,
};
use crate::config::TinyCnnLsaConfig;

/// The shape of every tensor by its name.
pub type TensorShapes = BTreeMap<String, Vec<usize>>;

impl TinyCnnLsaConfig {
    /// The shape of every tensor of the network by its name, those of [`state_of`](crate::state_of), without making the
    /// network.
    pub fn tensor_shapes(&self) -> TensorShapes {
        self.architecture().layers().iter().flat_map(LayerSpec::tensors).collect()
    }
}

impl LayerSpec<'_> {
    /// Name and shape of every tensor of the layer.
    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let parts = |name: &str, parts: &[(&str, &[usize])]| -> Vec<(String, Vec<usize>)> {
            parts.iter().map(|(part, shape)| (format!("{name}.{part}"), shape.to_vec())).collect()
        };
        match *self {
            Self::Convolution(ConvolutionSpec { name, input, outputs, .. }) => {
                let channels = &[*outputs][..];
                let statistics = ["gamma", "beta", "running_mean", "running_variance"].map(|part| (part, channels));
                let weight: (&str, &[usize]) = ("weight", &[*outputs, input.channels, 3, 3]);
                parts(name, &[&[weight], &statistics[..]].concat())
            }
            Self::Positions(PositionsSpec { name, tokens, width }) => vec![(name.clone(), vec![*tokens, *width])],
            Self::Norm(NormSpec { name, width, .. }) => parts(name, &[("gamma", &[*width]), ("beta", &[*width])]),
            Self::Linear(LinearSpec { name, inputs, outputs, scaled, .. }) => {
                let mut tensors = parts(name, &[("weight", &[*inputs, *outputs]), ("bias", &[*outputs])]);
                if *scaled {
                    tensors.push((format!("{name}.scale"), vec![*outputs]));
                }
                tensors
            }
            Self::Mixing(_) => Vec::new(),
            Self::Depthwise(DepthwiseSpec { name, width, .. }) => {
                parts(name, &[("weight", &[1, 3, 3, *width]), ("bias", &[*width])])
            }
            Self::Queries(QueriesSpec { name, classes, key_width, .. }) => {
                parts(name, &[("queries", &[1, *classes, *key_width])])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::config::{AttentionConfig, AttentionKind, BranchStart, HeadConfig, HeadKind, StageConfig};
    use crate::state::state_of;

    #[test]
    fn the_shapes_are_those_of_the_network() {
        let stage = |channels, stride, residual_blocks, pool| StageConfig { channels, stride, residual_blocks, pool };
        let softmax =
            AttentionConfig { kind: AttentionKind::Softmax, blocks: 1, heads: 2, ..AttentionConfig::default() };
        let configs = [
            TinyCnnLsaConfig::default(),
            TinyCnnLsaConfig {
                input: [2, 16, 24].into(),
                input_mean: vec![0.5; 2],
                input_deviation: vec![0.25; 2],
                classes: 3,
                positions: true,
                stages: vec![stage(4, 2, 0, false), stage(6, 1, 2, true)],
                attention: softmax,
                closing_blocks: 1,
                head: HeadConfig::default(),
            },
            TinyCnnLsaConfig {
                positions: false,
                attention: AttentionConfig {
                    key_width: Some(12),
                    mlp_width: 0,
                    gate: true,
                    local: true,
                    branch_start: BranchStart::ZeroScales,
                    ..AttentionConfig::default()
                },
                closing_blocks: 2,
                head: HeadConfig { kind: HeadKind::ClassAttention, key_width: 24 },
                ..TinyCnnLsaConfig::default()
            },
            TinyCnnLsaConfig {
                attention: AttentionConfig { blocks: 0, ..AttentionConfig::default() },
                ..TinyCnnLsaConfig::default()
            },
        ];
        for config in configs {
            let network = state_of(&config.init(&Device::flex()).unwrap());
            let expected: TensorShapes = network.into_iter().map(|(name, tensor)| (name, tensor.shape)).collect();
            assert_eq!(config.tensor_shapes(), expected);
        }
    }
}
