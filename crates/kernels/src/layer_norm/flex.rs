//! The fused layer normalisation as an operation of burn's Flex backend.

use super::rows::{self, Normalised, RowMoments};
use crate::{
    fused::{Tracked, shaped, values, vector},
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

fn normalise(x: &FlexTensor, gamma: &FlexTensor, beta: &FlexTensor, epsilon: f64) -> Normalised {
    let (gamma, beta) = (gamma.to_contiguous(), beta.to_contiguous());
    let x = values(x);
    measured(Phase::LayerNormForward, Cost::elements(2 * x.len()), || {
        rows::normalise(x, values(&gamma), values(&beta), epsilon)
    })
}

pub(crate) fn forward(x: &FlexTensor, gamma: &FlexTensor, beta: &FlexTensor, epsilon: f64) -> FlexTensor {
    shaped(normalise(&x.to_contiguous(), gamma, beta, epsilon).output, x.shape())
}

pub(crate) fn tracked<C: CheckpointStrategy>(x: Tracked, gamma: Tracked, beta: Tracked, epsilon: f64) -> Tracked {
    let nodes = [x.node(), gamma.node(), beta.node()];
    let x = x.into_primitive().to_contiguous();
    let (gamma, beta) = (gamma.into_primitive(), beta.into_primitive());
    let Normalised { output, moments } = normalise(&x, &gamma, &beta, epsilon);
    let output = shaped(output, x.shape());
    match LayerNormBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(State { x, gamma, moments }, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    gamma: FlexTensor,
    moments: Vec<RowMoments>,
}

#[derive(Debug)]
struct LayerNormBackward;

impl Backward<Flex, 3> for LayerNormBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { x, gamma, moments } = ops.state;
        let [x_node, gamma_node, beta_node] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let gamma = gamma.to_contiguous();
        let (x_values, gamma, gradient) = (values(&x), values(&gamma), values(&gradient));
        let width = gamma.len();
        if gamma_node.is_some() || beta_node.is_some() {
            let sums = measured(Phase::LayerNormBackward, Cost::elements(2 * x_values.len()), || {
                rows::parameter_gradients(x_values, width, &moments, gradient)
            });
            let (of_gamma, of_beta) = sums.split_at(width);
            if let Some(node) = gamma_node {
                gradients.register::<Flex>(node.id, vector(of_gamma));
            }
            if let Some(node) = beta_node {
                gradients.register::<Flex>(node.id, vector(of_beta));
            }
        }
        if let Some(node) = x_node {
            let of_x = measured(Phase::LayerNormBackward, Cost::elements(3 * x_values.len()), || {
                rows::input_gradient(x_values, gamma, &moments, gradient)
            });
            gradients.register::<Flex>(node.id, shaped(of_x, x.shape()));
        }
    }
}
