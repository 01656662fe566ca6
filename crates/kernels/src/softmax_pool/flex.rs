//! Pooling by a softmax as an operation of burn's Flex backend.

use super::rows::{Pool, PoolGradient};
use crate::{
    arch::{self, Buffer},
    fused::{self, Tracked, shaped, tensor},
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

pub(crate) fn forward(scores: &FlexTensor, values: &FlexTensor) -> FlexTensor {
    let shape = scores.shape();
    let [batch, image, columns] = [shape[0], shape[1] * shape[2], shape[2]];
    let (scores, values) = (scores.to_contiguous(), values.to_contiguous());
    let (scores, values) = (fused::values(&scores), fused::values(&values));
    let mut output = Buffer::new(batch * columns);
    let images = output.par_chunks_mut(columns).zip(scores.par_chunks(image)).zip(values.par_chunks(image));
    measured(Phase::SoftmaxPool, Cost::elements(2 * scores.len()), || {
        images.for_each(|((output, scores), values)| arch::run(Pool { scores, values, output }));
    });
    tensor(output, [batch, columns])
}

pub(crate) fn tracked<C: CheckpointStrategy>(scores: Tracked, values: Tracked) -> Tracked {
    let nodes = [scores.node(), values.node()];
    let scores = scores.into_primitive().to_contiguous();
    let values = values.into_primitive().to_contiguous();
    let output = forward(&scores, &values);
    match PoolBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(State { scores, values, output: output.clone() }, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Clone, Debug)]
struct State {
    scores: FlexTensor,
    values: FlexTensor,
    output: FlexTensor,
}

#[derive(Debug)]
struct PoolBackward;

impl Backward<Flex, 2> for PoolBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { scores, values, output } = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [scores_node, values_node] = ops.parents;
        let shape = scores.shape();
        let (image, columns) = (shape[1] * shape[2], shape[2]);
        let (scores, values) = (fused::values(&scores), fused::values(&values));
        let (mut of_scores, mut of_values) = (Buffer::new(scores.len()), Buffer::new(scores.len()));
        let inputs = scores.par_chunks(image).zip(values.par_chunks(image));
        let outputs = fused::values(&output).par_chunks(columns).zip(fused::values(&gradient).par_chunks(columns));
        let results = of_scores.par_chunks_mut(image).zip(of_values.par_chunks_mut(image));
        measured(Phase::SoftmaxPool, Cost::elements(4 * scores.len()), || {
            inputs.zip(outputs).zip(results).for_each(
                |(((scores, values), (output, gradient)), (of_scores, of_values))| {
                    arch::run(PoolGradient { scores, values, output, gradient, of_scores, of_values });
                },
            );
        });
        if let Some(node) = scores_node {
            gradients.register::<Flex>(node.id, shaped(of_scores, shape.clone()));
        }
        if let Some(node) = values_node {
            gradients.register::<Flex>(node.id, shaped(of_values, shape));
        }
    }
}
