use std::collections::BTreeMap;

use crate::config::TinyCnnLsaConfig;

/// The shape of every tensor by its name.
pub type TensorShapes = BTreeMap<String, Vec<usize>>;

impl TinyCnnLsaConfig {
    /// The shape of every tensor of the network by its name, those of [`state_of`](crate::state_of), without making the
    /// network.
    pub fn tensor_shapes(&self) -> TensorShapes {
        let mut shapes = TensorShapes::new();
        let mut inputs = 1;
        for (index, stage) in self.stages.iter().enumerate() {
            push_convolution(&mut shapes, &format!("stages.{index}.entry"), [stage.channels, inputs]);
            for block in 0..stage.residual_blocks {
                for part in ["first", "second"] {
                    let name = format!("stages.{index}.residual.{block}.{part}");
                    push_convolution(&mut shapes, &name, [stage.channels; 2]);
                }
            }
            inputs = stage.channels;
        }
        let (width, hidden) = (self.width(), self.attention.mlp_width);
        shapes.insert("positions".to_owned(), vec![self.tokens(), width]);
        for block in 0..self.attention.blocks {
            let name = |part: &str| format!("blocks.{block}.{part}");
            push_norm(&mut shapes, &name("attention_norm"), width);
            push_linear(&mut shapes, &name("query_key_value"), [width, 3 * width]);
            push_linear(&mut shapes, &name("projection"), [width, width]);
            push_norm(&mut shapes, &name("mlp_norm"), width);
            push_linear(&mut shapes, &name("expand"), [width, hidden]);
            push_linear(&mut shapes, &name("contract"), [hidden, width]);
        }
        push_norm(&mut shapes, "norm", width);
        push_linear(&mut shapes, "head", [width, self.classes]);
        shapes
    }
}

fn push_convolution(shapes: &mut TensorShapes, name: &str, [outputs, inputs]: [usize; 2]) {
    shapes.insert(format!("{name}.weight"), vec![outputs, inputs, 3, 3]);
    for part in ["gamma", "beta", "running_mean", "running_variance"] {
        shapes.insert(format!("{name}.{part}"), vec![outputs]);
    }
}

fn push_linear(shapes: &mut TensorShapes, name: &str, [inputs, outputs]: [usize; 2]) {
    shapes.insert(format!("{name}.weight"), vec![inputs, outputs]);
    shapes.insert(format!("{name}.bias"), vec![outputs]);
}

fn push_norm(shapes: &mut TensorShapes, name: &str, width: usize) {
    for part in ["gamma", "beta"] {
        shapes.insert(format!("{name}.{part}"), vec![width]);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::config::{AttentionConfig, AttentionKind, StageConfig};
    use crate::state::state_of;

    #[test]
    fn the_shapes_are_those_of_the_network() {
        let stage = |channels, stride, residual_blocks, pool| StageConfig { channels, stride, residual_blocks, pool };
        let softmax =
            AttentionConfig { kind: AttentionKind::Softmax, blocks: 1, heads: 2, ..AttentionConfig::default() };
        let configs = [
            TinyCnnLsaConfig::default(),
            TinyCnnLsaConfig {
                image_size: 16,
                classes: 3,
                stages: vec![stage(4, 2, 0, false), stage(6, 1, 2, true)],
                attention: softmax,
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
