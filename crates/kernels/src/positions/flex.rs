//! The addition of positions as an operation of burn's Flex backend.

use crate::{
    arch::{self, Buffer, Kernel, LANES, Simd},
    fused::{Tracked, shaped, values},
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
use burn::tensor::Shape;
use rayon::prelude::*;

/// Elements of a task of the gradient.
const CHUNK: usize = 1024;

pub(crate) fn forward(x: &FlexTensor, positions: &FlexTensor) -> FlexTensor {
    let (x, positions) = (x.to_contiguous(), positions.to_contiguous());
    let (from, positions) = (values(&x), values(&positions));
    let mut output = Buffer::new(from.len());
    let images = output.par_chunks_mut(positions.len()).zip(from.par_chunks(positions.len()));
    measured(Phase::Positions, Cost::elements(2 * from.len()), || {
        images.for_each(|(output, x)| arch::run(Sum { x, positions, output }));
    });
    shaped(output, x.shape())
}

struct Sum<'a> {
    x: &'a [f32],
    positions: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let parts = self.x.chunks(LANES).zip(self.positions.chunks(LANES));
        for (output, (x, positions)) in self.output.chunks_mut(LANES).zip(parts) {
            simd.store(output, simd.add(simd.load(x), simd.load(positions)));
        }
    }
}

pub(crate) fn tracked<C: CheckpointStrategy>(x: Tracked, positions: Tracked) -> Tracked {
    let nodes = [x.node(), positions.node()];
    let (x, positions) = (x.into_primitive(), positions.into_primitive());
    let output = forward(&x, &positions);
    match PositionsBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(positions.shape(), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Debug)]
struct PositionsBackward;

impl Backward<Flex, 2> for PositionsBackward {
    /// Shape of the positions.
    type State = Shape;

    fn backward(self, ops: Ops<Shape, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let shape = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x_node, positions_node] = ops.parents;
        if let Some(node) = positions_node {
            gradients.register::<Flex>(node.id, shaped(over_batch(values(&gradient), shape.num_elements()), shape));
        }
        if let Some(node) = x_node {
            gradients.register::<Flex>(node.id, gradient);
        }
    }
}

/// The sum of all images, each element's in the order of the images.
fn over_batch(gradient: &[f32], length: usize) -> Buffer {
    let mut sums = Buffer::zeroed(length);
    measured(Phase::Positions, Cost::elements(gradient.len()), || {
        sums.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, sums)| {
            let range = chunk * CHUNK..chunk * CHUNK + sums.len();
            for image in gradient.chunks_exact(length) {
                arch::run(Add { values: &image[range.clone()], sums });
            }
        });
    });
    sums
}

struct Add<'a> {
    values: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (sums, values) in self.sums.chunks_mut(LANES).zip(self.values.chunks(LANES)) {
            simd.store(sums, simd.add(simd.load(sums), simd.load(values)));
        }
    }
}
