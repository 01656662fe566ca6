//! The fused attention as an operation of burn's Flex backend.

use super::{
    FeatureMap,
    heads::{self, Sizes},
};
use crate::{
    fused::{Tracked, shaped, tensor, values},
    profile::{Cost, Phase, measured},
};
use burn::{
    backend::{
        Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        flex::FlexTensor,
    },
    tensor::Shape,
};

fn sizes(qkv: &Shape, heads: usize, map: FeatureMap) -> Sizes {
    Sizes { tokens: qkv[1], heads, width: qkv[2] / (3 * heads), map }
}

pub(crate) fn forward(qkv: &FlexTensor, heads: usize, map: FeatureMap) -> FlexTensor {
    let shape = qkv.shape();
    let (sizes, qkv) = (sizes(&shape, heads, map), qkv.to_contiguous());
    let qkv = values(&qkv);
    let elements = qkv.len() / 3;
    let cost = Cost { flops: sizes.forward_flops(elements), elements: 4 * elements };
    let output = measured(Phase::AttentionForward, cost, || heads::forward(&sizes, qkv));
    tensor(output, [shape[0], shape[1], shape[2] / 3])
}

pub(crate) fn tracked<C: CheckpointStrategy>(qkv: Tracked, heads: usize, map: FeatureMap) -> Tracked {
    match AttentionBackward.prepare::<C>([qkv.node()]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let qkv = qkv.into_primitive();
            let output = forward(&qkv, heads, map);
            prepared.finish(State { qkv, heads, map }, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(forward(&qkv.into_primitive(), heads, map)),
    }
}

#[derive(Clone, Debug)]
struct State {
    qkv: FlexTensor,
    heads: usize,
    map: FeatureMap,
}

#[derive(Debug)]
struct AttentionBackward;

impl Backward<Flex, 1> for AttentionBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { qkv, heads, map } = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [node] = ops.parents;
        if let Some(node) = node {
            let shape = qkv.shape();
            let sizes = sizes(&shape, heads, map);
            let qkv = qkv.to_contiguous();
            let (qkv, gradient) = (values(&qkv), values(&gradient));
            let elements = gradient.len();
            let cost = Cost { flops: sizes.backward_flops(elements), elements: 7 * elements };
            let of_qkv = measured(Phase::AttentionBackward, cost, || heads::backward(&sizes, qkv, gradient));
            gradients.register::<Flex>(node.id, shaped(of_qkv, shape));
        }
    }
}
