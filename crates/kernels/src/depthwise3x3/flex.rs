//! The depthwise convolution as an operation of burn's Flex backend.

use super::grid::{Correlate, Grid, ParameterGradient};
use crate::{
    arch::{self, Buffer},
    fused::{Tracked, copied, shaped, values, vector},
    partials,
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

fn grid(x: &FlexTensor) -> Grid {
    let shape = x.shape();
    Grid { rows: shape[1], columns: shape[2], channels: shape[3] }
}

/// Nine multiplications and additions for each value, which is read and written once.
fn cost(values: usize) -> Cost {
    Cost { flops: 18 * values, elements: 2 * values }
}

/// Correlates every image.
fn correlated(grid: Grid, x: &[f32], weight: &[f32], bias: Option<&[f32]>, turned: bool) -> Buffer {
    let mut output = Buffer::new(x.len());
    let length = grid.positions() * grid.channels;
    output.par_chunks_mut(length).zip(x.par_chunks(length)).for_each(|(output, x)| {
        let (x_row, output_row) = (grid.channels, grid.channels);
        arch::run(Correlate { grid, x, x_row, weight, turned, bias, adds: false, output, output_row });
    });
    output
}

pub(crate) fn forward(x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor) -> FlexTensor {
    let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
    let pixels = values(&x);
    let output = measured(Phase::DepthwiseForward, cost(pixels.len()), || {
        correlated(grid(&x), pixels, values(&weight), Some(values(&bias)), false)
    });
    shaped(output, x.shape())
}

pub(crate) fn tracked<C: CheckpointStrategy>(x: Tracked, weight: Tracked, bias: Tracked) -> Tracked {
    let nodes = [x.node(), weight.node(), bias.node()];
    let x = x.into_primitive().to_contiguous();
    let weight = weight.into_primitive().to_contiguous();
    let output = forward(&x, &weight, &bias.into_primitive());
    match DepthwiseBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(State { x, weight }, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    weight: FlexTensor,
}

#[derive(Debug)]
struct DepthwiseBackward;

impl Backward<Flex, 3> for DepthwiseBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { x, weight } = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x_node, weight_node, bias_node] = ops.parents;
        let (grid, pixels, gradient) = (grid(&x), values(&x), values(&gradient));
        if weight_node.is_some() || bias_node.is_some() {
            let sums =
                measured(Phase::DepthwiseBackward, cost(pixels.len()), || parameter_gradients(grid, pixels, gradient));
            let (of_weight, of_bias) = sums.split_at(9 * grid.channels);
            if let Some(node) = weight_node {
                gradients.register::<Flex>(node.id, copied(of_weight, [3, 3, grid.channels]));
            }
            if let Some(node) = bias_node {
                gradients.register::<Flex>(node.id, vector(of_bias));
            }
        }
        if let Some(node) = x_node {
            let of_x = measured(Phase::DepthwiseBackward, cost(pixels.len()), || {
                correlated(grid, gradient, values(&weight), None, true)
            });
            gradients.register::<Flex>(node.id, shaped(of_x, x.shape()));
        }
    }
}

/// Of the weights, nine rows of the channels, and of the bias behind them.
fn parameter_gradients(grid: Grid, x: &[f32], gradient: &[f32]) -> Buffer {
    let length = grid.positions() * grid.channels;
    partials::sum(x.len() / length, 10 * grid.channels, |images, sums| {
        for image in images {
            let at = image * length..(image + 1) * length;
            let (x, x_row) = (&x[at.clone()], grid.channels);
            arch::run(ParameterGradient { grid, x, x_row, gradient: &gradient[at], sums });
        }
    })
}
