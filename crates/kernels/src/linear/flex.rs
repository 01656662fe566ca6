//! The fused affine map as an operation of burn's Flex backend.

use super::{
    activate::{self, Derivative},
    product::{self, Packed},
};
use crate::{
    Activation,
    arch::Buffer,
    fused::{Tracked, copied, shaped, values, vector},
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

fn output_shape(x: &Shape, outputs: usize) -> Shape {
    let mut shape = x.clone();
    let last = shape.num_dims() - 1;
    shape[last] = outputs;
    shape
}

fn cost(x: &[f32], inputs: usize, outputs: usize) -> Cost {
    let rows = x.len() / inputs;
    Cost { flops: 2 * rows * inputs * outputs, elements: rows * (inputs + outputs) + inputs * outputs }
}

/// The affine map without its activation, or with it if nothing more than the output is needed.
fn product(x: &FlexTensor, weight: &FlexTensor, bias: Option<&FlexTensor>, activation: Activation) -> Buffer {
    let [inputs, outputs] = [weight.shape()[0], weight.shape()[1]];
    let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.map(FlexTensor::to_contiguous));
    let (x, elements, bias) = (values(&x), values(&weight), bias.as_ref().map(values));
    measured(Phase::LinearForward, cost(x, inputs, outputs), || {
        let packed = Packed::new(inputs, outputs, |input, output| elements[input * outputs + output]);
        packed.multiply(x, bias, |chunk| activate::apply(activation, chunk))
    })
}

pub(crate) fn forward(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
    activation: Activation,
) -> FlexTensor {
    shaped(product(x, weight, bias, activation), output_shape(&x.shape(), weight.shape()[1]))
}

pub(crate) fn tracked<C: CheckpointStrategy>(
    x: Tracked,
    weight: Tracked,
    bias: Option<Tracked>,
    activation: Activation,
) -> Tracked {
    // a bias that is absent takes part as a constant
    let bias_node = bias.clone().unwrap_or_else(|| Tracked::new(weight.primitive().clone())).node();
    let nodes = [x.node(), weight.node(), bias_node];
    let (x, weight) = (x.into_primitive(), weight.into_primitive());
    let bias = bias.map(Tracked::into_primitive);
    match LinearBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::UnTracked(prepared) => prepared.finish(forward(&x, &weight, bias.as_ref(), activation)),
        OpsKind::Tracked(prepared) => {
            let shape = output_shape(&x.shape(), weight.shape()[1]);
            let (kept, output) = if activation == Activation::Gelu {
                let before = product(&x, &weight, bias.as_ref(), Activation::Identity);
                let cost = Cost::elements(2 * before.len());
                let output = measured(Phase::LinearForward, cost, || activate::applied(activation, &before));
                let output = shaped(output, shape.clone());
                (Some(shaped(before, shape)), output)
            } else {
                let output = forward(&x, &weight, bias.as_ref(), activation);
                ((activation == Activation::Relu).then(|| output.clone()), output)
            };
            prepared.finish(State { x, weight, activation, kept }, output)
        }
    }
}

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    weight: FlexTensor,
    activation: Activation,
    /// What the derivative of the activation is computed from: the value before it for `Gelu`, after it for
    /// `Relu`.
    kept: Option<FlexTensor>,
}

#[derive(Debug)]
struct LinearBackward;

impl Backward<Flex, 3> for LinearBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { x, weight, activation, kept } = ops.state;
        let [x_node, weight_node, bias_node] = ops.parents;
        let [inputs, outputs] = [weight.shape()[0], weight.shape()[1]];
        let mut gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let Some(kept) = kept {
            let derivative = Derivative { activation, kept: values(&kept) };
            let values = values(&gradient);
            let cost = Cost::elements(3 * values.len());
            let through = measured(Phase::LinearInputGradient, cost, || activate::through(&derivative, values));
            gradient = shaped(through, gradient.shape());
        }
        let gradient = values(&gradient);
        if weight_node.is_some() || bias_node.is_some() {
            let x = x.to_contiguous();
            let x = values(&x);
            let cost = cost(x, inputs, outputs);
            let sums = measured(Phase::LinearWeightGradient, cost, || product::outer(x, inputs, gradient, outputs));
            let (of_weight, of_bias) = sums.split_at(inputs * outputs);
            if let Some(node) = weight_node {
                gradients.register::<Flex>(node.id, copied(of_weight, [inputs, outputs]));
            }
            if let Some(node) = bias_node {
                gradients.register::<Flex>(node.id, vector(of_bias));
            }
        }
        if let Some(node) = x_node {
            let weight = weight.to_contiguous();
            let elements = values(&weight);
            let of_x = measured(Phase::LinearInputGradient, cost(gradient, outputs, inputs), || {
                let transposed = Packed::new(outputs, inputs, |output, input| elements[input * outputs + output]);
                transposed.multiply(gradient, None, |_| {})
            });
            gradients.register::<Flex>(node.id, shaped(of_x, x.shape()));
        }
    }
}
