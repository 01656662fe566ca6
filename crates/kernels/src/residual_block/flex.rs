//! The residual block as an operation of burn's Flex backend, made of those of its parts.

use crate::{
    NormOptions,
    batch_norm::flex::{Inputs, Part, PartGradients},
    conv3x3::{
        Reuse,
        flex::{self as conv3x3, input_gradient, weight_gradient},
    },
    fused::{self, Tracked},
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

/// Weight, gamma and beta of a convolution and its normalisation.
pub(crate) type ConvNorm<T> = [T; 3];

/// The output, then mean and variance of each normalisation.
pub(crate) type Outputs<T> = (T, T, T, T, T);

/// What the backward pass needs.
#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    first: Part,
    /// Between the two convolutions.
    hidden: FlexTensor,
    second: Part,
    weights: [FlexTensor; 2],
}

fn run(
    x: &FlexTensor,
    [first, second]: [ConvNorm<FlexTensor>; 2],
    options: &NormOptions,
) -> (State, Outputs<FlexTensor>) {
    let unpooled = NormOptions { pool: false, ..*options };
    let [weight, gamma, beta] = first;
    let convolved = conv3x3::forward(x, &weight, 1, Reuse::Once);
    let (first, (hidden, first_mean, first_variance)) =
        Part::forward(Inputs::new(&convolved, &gamma, &beta, None), &unpooled);
    let first_weight = weight;
    let [weight, gamma, beta] = second;
    let convolved = conv3x3::forward(&hidden, &weight, 1, Reuse::Once);
    let (second, (output, mean, variance)) = Part::forward(Inputs::new(&convolved, &gamma, &beta, Some(x)), options);
    let state = State { x: x.clone(), first, hidden, second, weights: [first_weight, weight] };
    (state, (output, first_mean, first_variance, mean, variance))
}

pub(crate) fn forward(x: &FlexTensor, parts: [ConvNorm<FlexTensor>; 2], options: &NormOptions) -> Outputs<FlexTensor> {
    run(x, parts, options).1
}

pub(crate) fn tracked<C: CheckpointStrategy>(
    x: Tracked,
    parts: [ConvNorm<Tracked>; 2],
    options: &NormOptions,
) -> Outputs<Tracked> {
    let [[w1, g1, b1], [w2, g2, b2]] = &parts;
    let nodes = [x.node(), w1.node(), g1.node(), b1.node(), w2.node(), g2.node(), b2.node()];
    let parts = parts.map(|part| part.map(Tracked::into_primitive));
    let (state, (output, first_mean, first_variance, mean, variance)) = run(&x.into_primitive(), parts, options);
    let output = match ResidualBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(state, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    let [first_mean, first_variance, mean, variance] = [first_mean, first_variance, mean, variance].map(Tracked::new);
    (output, first_mean, first_variance, mean, variance)
}

#[derive(Debug)]
struct ResidualBackward;

impl Backward<Flex, 7> for ResidualBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 7>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { x, first, hidden, second, weights: [first_weight, second_weight] } = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x_node, first_weight_node, first_gamma, first_beta, second_weight_node, second_gamma, second_beta] =
            ops.parents;
        macro_rules! register {
            ($node:ident, $gradient:expr) => {
                if let Some(node) = $node {
                    gradients.register::<Flex>(node.id, $gradient);
                }
            };
        }

        let PartGradients { input, residual, gamma, beta } = second.backward(fused::values(&gradient));
        drop((second, gradient));
        register!(second_gamma, gamma);
        register!(second_beta, beta);
        register!(second_weight_node, weight_gradient(&hidden, &second_weight.shape(), 1, &input));
        let of_hidden = input_gradient(&hidden.shape(), &second_weight, 1, Reuse::Once, &input, None);
        drop((input, hidden));

        let PartGradients { input, gamma, beta, .. } = first.backward(fused::values(&of_hidden));
        drop((first, of_hidden));
        register!(first_gamma, gamma);
        register!(first_beta, beta);
        register!(first_weight_node, weight_gradient(&x, &first_weight.shape(), 1, &input));
        register!(x_node, input_gradient(&x.shape(), &first_weight, 1, Reuse::Once, &input, residual));
    }
}
