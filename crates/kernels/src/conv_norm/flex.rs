//! Convolution and normalisation as one operation of burn's Flex backend. The parameters are constants.

use crate::{
    NormOptions,
    batch_norm::flex::Fixed,
    conv3x3::{
        Reuse,
        flex::{forward_and_finish, input_gradient},
    },
    fused::{Tracked, tensor, values},
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

/// Weight, gamma, beta, mean and variance.
pub(crate) type Constants<T> = [T; 5];

struct Forward {
    output: FlexTensor,
    norm: Fixed,
    weight: FlexTensor,
}

fn run(
    x: &FlexTensor,
    [weight, gamma, beta, mean, variance]: Constants<FlexTensor>,
    residual: Option<&FlexTensor>,
    stride: usize,
    options: &NormOptions,
) -> Forward {
    let shape = x.shape();
    let dims = [shape[0], shape[1].div_ceil(stride), shape[2].div_ceil(stride), weight.shape()[0]];
    let norm = Fixed::new(dims, [&gamma, &beta, &mean, &variance], options);
    let residual = residual.map(FlexTensor::to_contiguous);
    let residual = residual.as_ref().map(values);
    let finish = |first: usize, images: &mut [f32]| norm.apply(first, images, residual);
    let output = forward_and_finish(x, &weight, stride, Reuse::Again, &finish);
    Forward { output, norm, weight }
}

pub(crate) fn forward(
    x: &FlexTensor,
    constants: Constants<FlexTensor>,
    residual: Option<&FlexTensor>,
    stride: usize,
    options: &NormOptions,
) -> FlexTensor {
    run(x, constants, residual, stride, options).output
}

pub(crate) fn tracked<C: CheckpointStrategy>(
    x: Tracked,
    constants: Constants<Tracked>,
    residual: Option<Tracked>,
    stride: usize,
    options: &NormOptions,
) -> Tracked {
    let constants = constants.map(Tracked::into_primitive);
    // a residual that is absent takes part as a constant
    let residual_node = residual.clone().unwrap_or_else(|| Tracked::new(x.primitive().clone())).node();
    let nodes = [x.node(), residual_node];
    let (x, residual) = (x.into_primitive(), residual.map(Tracked::into_primitive));
    let x_shape = x.shape();
    let Forward { output, norm, weight } = run(&x, constants, residual.as_ref(), stride, options);
    match ConvNormBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            prepared.finish(State { x_shape, weight, stride, norm, output: output.clone() }, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Clone, Debug)]
struct State {
    x_shape: Shape,
    weight: FlexTensor,
    stride: usize,
    norm: Fixed,
    output: FlexTensor,
}

#[derive(Debug)]
struct ConvNormBackward;

impl Backward<Flex, 2> for ConvNormBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { x_shape, weight, stride, norm, output } = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x_node, residual_node] = ops.parents;
        let of_norm = norm.gradients(values(&output), values(&gradient), residual_node.is_some());
        drop((output, gradient));
        if let Some((node, residual)) = residual_node.zip(of_norm.residual) {
            gradients.register::<Flex>(node.id, tensor(residual, norm.shape()));
        }
        if let Some(node) = x_node {
            let of_x = input_gradient(&x_shape, &weight, stride, Reuse::Again, &of_norm.input, None);
            gradients.register::<Flex>(node.id, of_x);
        }
    }
}
