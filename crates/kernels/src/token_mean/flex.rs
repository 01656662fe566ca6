//! The mean over tokens as an operation of burn's Flex backend.

use super::mean_rows;
use crate::{
    arch::Buffer,
    fused::{Tracked, tensor, values},
    profile::{Cost, Phase, measured},
};
use burn::backend::{
    Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    flex::FlexTensor,
};
use rayon::prelude::*;

pub(crate) fn forward(x: &FlexTensor) -> FlexTensor {
    let shape = x.shape();
    let [batch, tokens, features] = [shape[0], shape[1], shape[2]];
    let x = x.to_contiguous();
    let mut output = Buffer::new(batch * features);
    let images = output.par_chunks_mut(features).zip(values(&x).par_chunks(tokens * features));
    measured(Phase::TokenMean, Cost::elements(batch * tokens * features), || {
        images.for_each(|(output, x)| mean_rows(x, output));
    });
    tensor(output, [batch, features])
}

pub(crate) fn tracked<C: CheckpointStrategy>(x: Tracked) -> Tracked {
    let node = x.node();
    let x = x.into_primitive();
    let output = forward(&x);
    match MeanBackward.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(x.shape()[1], output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Debug)]
struct MeanBackward;

impl Backward<Flex, 1> for MeanBackward {
    /// Number of tokens.
    type State = usize;

    fn backward(self, ops: Ops<usize, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let tokens = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [node] = ops.parents;
        let Some(node) = node else { return };
        let shape = gradient.shape();
        let [batch, features] = [shape[0], shape[1]];
        let factor = 1.0 / tokens as f32;
        let mut result = Buffer::new(batch * tokens * features);
        let images = result.par_chunks_mut(tokens * features).zip(values(&gradient).par_chunks(features));
        measured(Phase::TokenMean, Cost::elements(batch * tokens * features), || {
            images.for_each(|(result, gradient)| {
                for token in result.chunks_exact_mut(features) {
                    for (value, gradient) in token.iter_mut().zip(gradient) {
                        *value = gradient * factor;
                    }
                }
            });
        });
        gradients.register::<Flex>(node.id, tensor(result, [batch, tokens, features]));
    }
}
