//! The fused attention as an operation of burn's Flex backend.

use super::{
    heads::{self, Sizes},
    options::{HeadWidths, LinearAttentionOptions},
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

fn sizes(qkv: &Shape, options: LinearAttentionOptions) -> Sizes {
    let LinearAttentionOptions { heads, feature_map, .. } = options;
    let HeadWidths { keys, values } = options.widths(qkv[2]);
    Sizes { tokens: qkv[1], heads, key_width: keys, width: values, map: feature_map }
}

pub(crate) fn forward(qkv: &FlexTensor, options: LinearAttentionOptions) -> FlexTensor {
    let shape = qkv.shape();
    let (sizes, qkv) = (sizes(&shape, options), qkv.to_contiguous());
    let qkv = values(&qkv);
    let features = sizes.heads * sizes.width;
    let elements = qkv.len() / sizes.row() * features;
    let cost = Cost { flops: sizes.forward_flops(elements), elements: qkv.len() + elements };
    let output = measured(Phase::AttentionForward, cost, || heads::forward(&sizes, qkv));
    tensor(output, [shape[0], shape[1], features])
}

pub(crate) fn tracked<C: CheckpointStrategy>(qkv: Tracked, options: LinearAttentionOptions) -> Tracked {
    match AttentionBackward.prepare::<C>([qkv.node()]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let qkv = qkv.into_primitive();
            let output = forward(&qkv, options);
            prepared.finish(State { qkv, options }, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(forward(&qkv.into_primitive(), options)),
    }
}

#[derive(Clone, Debug)]
struct State {
    qkv: FlexTensor,
    options: LinearAttentionOptions,
}

#[derive(Debug)]
struct AttentionBackward;

impl Backward<Flex, 1> for AttentionBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { qkv, options } = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [node] = ops.parents;
        if let Some(node) = node {
            let shape = qkv.shape();
            let sizes = sizes(&shape, options);
            let qkv = qkv.to_contiguous();
            let (qkv, gradient) = (values(&qkv), values(&gradient));
            let elements = gradient.len();
            let cost = Cost { flops: sizes.backward_flops(elements), elements: 2 * qkv.len() + elements };
            let of_qkv = measured(Phase::AttentionBackward, cost, || heads::backward(&sizes, qkv, gradient));
            gradients.register::<Flex>(node.id, shaped(of_qkv, shape));
        }
    }
}
