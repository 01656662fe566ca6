//! The fused convolution as an operation of burn's Flex backend.

use super::{Finish, Reuse, center, correlate, geometry::Geometry, narrow, weight_gradient, winograd};
use crate::{
    arch::Buffer,
    fused::{Tracked, tensor, values},
    profile::{Phase, measured},
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
use rayon::prelude::*;

fn geometry(x: &Shape, weight: &Shape, stride: usize) -> Geometry {
    Geometry { batch: x[0], height: x[1], width: x[2], inputs: x[3], outputs: weight[0], stride }
}

pub(crate) fn forward(x: &FlexTensor, weight: &FlexTensor, stride: usize, reuse: Reuse) -> FlexTensor {
    forward_and_finish(x, weight, stride, reuse, &|_, _| {})
}

/// As [`forward`], with something done to the images of the result.
pub(crate) fn forward_and_finish(
    x: &FlexTensor,
    weight: &FlexTensor,
    stride: usize,
    reuse: Reuse,
    finish: Finish<'_>,
) -> FlexTensor {
    let geometry = geometry(&x.shape(), &weight.shape(), stride);
    let (x, kernels) = (x.to_contiguous(), weight.to_contiguous());
    let (x, weight) = (values(&x), values(&kernels));
    let output = measured(Phase::ConvolutionForward, geometry.cost(), || {
        if center::suits(&geometry) {
            let mut output = center::forward(&geometry, x, weight);
            finish(0, &mut output);
            output
        } else if winograd::suits(&geometry) {
            winograd::forward(&geometry, x, &kernels, reuse, finish)
        } else {
            correlate::forward(&geometry, x, weight, finish)
        }
    });
    tensor(output, geometry.output_shape())
}

pub(crate) fn tracked<C: CheckpointStrategy>(x: Tracked, weight: Tracked, stride: usize) -> Tracked {
    let reuse = if weight.is_tracked() { Reuse::Once } else { Reuse::Again };
    match ConvolutionBackward.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let state = State { x: x.into_primitive(), weight: weight.into_primitive(), stride, reuse };
            let output = forward(&state.x, &state.weight, stride, reuse);
            prepared.finish(state, output)
        }
        OpsKind::UnTracked(prepared) => {
            prepared.finish(forward(&x.into_primitive(), &weight.into_primitive(), stride, reuse))
        }
    }
}

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    weight: FlexTensor,
    stride: usize,
    reuse: Reuse,
}

#[derive(Debug)]
struct ConvolutionBackward;

impl Backward<Flex, 2> for ConvolutionBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { x, weight, stride, reuse } = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (x_shape, gradient) = (x.shape(), values(&gradient));
        let [x_node, weight_node] = ops.parents;
        if let Some(node) = weight_node {
            gradients.register::<Flex>(node.id, weight_gradient(&x, &weight.shape(), stride, gradient));
        }
        drop(x);
        if let Some(node) = x_node {
            let of_x = input_gradient(&x_shape, &weight, stride, reuse, gradient, None);
            gradients.register::<Flex>(node.id, of_x);
        }
    }
}

/// From the gradient of the output, for a weight of this shape.
pub(crate) fn weight_gradient(x: &FlexTensor, weight: &Shape, stride: usize, gradient: &[f32]) -> FlexTensor {
    let geometry = geometry(&x.shape(), weight, stride);
    let x = x.to_contiguous();
    let x = values(&x);
    let of_weight = measured(Phase::ConvolutionWeightGradient, geometry.cost(), || {
        if center::suits(&geometry) {
            center::weight_gradient(&geometry, x, gradient)
        } else if winograd::suits(&geometry) {
            winograd::weight_gradient(&geometry, x, gradient)
        } else {
            weight_gradient::weight_gradient(&geometry, x, gradient)
        }
    });
    tensor(of_weight, geometry.weight_shape())
}

/// From the gradient of the output, for an input of this shape. It is added to `onto`, the gradient that the input has from
/// elsewhere, if there is one.
pub(crate) fn input_gradient(
    x: &Shape,
    weight: &FlexTensor,
    stride: usize,
    reuse: Reuse,
    gradient: &[f32],
    onto: Option<Buffer>,
) -> FlexTensor {
    let geometry = geometry(x, &weight.shape(), stride);
    let kernels = weight.to_contiguous();
    let weight = values(&kernels);
    let of_x = measured(Phase::ConvolutionInputGradient, geometry.cost(), || {
        let of_x = if center::suits(&geometry) {
            center::input_gradient(&geometry, gradient, weight)
        } else if narrow::suits(&geometry) {
            narrow::input_gradient(&geometry, gradient, weight)
        } else if winograd::suits(&geometry) {
            return winograd::input_gradient(&geometry, gradient, &kernels, reuse, onto);
        } else {
            correlate::input_gradient(&geometry, gradient, weight)
        };
        match onto {
            Some(sum) => added(sum, &of_x),
            None => of_x,
        }
    });
    tensor(of_x, geometry.input_shape())
}

fn added(mut sum: Buffer, more: &[f32]) -> Buffer {
    const CHUNK: usize = 1 << 14;
    sum.par_chunks_mut(CHUNK).zip(more.par_chunks(CHUNK)).for_each(|(sum, more)| {
        for (sum, more) in sum.iter_mut().zip(more) {
            *sum += more;
        }
    });
    sum
}
