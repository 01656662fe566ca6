//! The fused block as an operation of burn's Flex backend.

use super::{
    AttentionBlockOptions,
    backward::{self, Backward as Gradient, Places},
    forward::{self, Affine, BlockSizes, Forward, Kept, Norm, Parameters},
};
use crate::{
    fused::{BlockTensors, Tracked, matrix, shaped, tensor, values, vector},
    linear_attention::heads::Sizes,
    profile::{Cost, Phase, measured},
};
use burn::backend::{
    Autodiff, Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    flex::FlexTensor,
};

/// The parameters, contiguous, in the order of the parents of the node: pairs of weight and bias or scale and shift.
#[derive(Clone, Debug)]
struct Contiguous {
    query_key_value: [FlexTensor; 2],
    projection: [FlexTensor; 2],
    expand: [FlexTensor; 2],
    contract: [FlexTensor; 2],
    attention_norm: [FlexTensor; 2],
    perceptron_norm: [FlexTensor; 2],
}

impl Contiguous {
    fn new(tensors: &BlockTensors<Flex>) -> Self {
        let pair = |first: &FlexTensor, second: &FlexTensor| [first.to_contiguous(), second.to_contiguous()];
        Self {
            query_key_value: pair(&tensors.query_key_value_weight, &tensors.query_key_value_bias),
            projection: pair(&tensors.projection_weight, &tensors.projection_bias),
            expand: pair(&tensors.expand_weight, &tensors.expand_bias),
            contract: pair(&tensors.contract_weight, &tensors.contract_bias),
            attention_norm: pair(&tensors.attention_gamma, &tensors.attention_beta),
            perceptron_norm: pair(&tensors.perceptron_gamma, &tensors.perceptron_beta),
        }
    }

    fn values(&self, epsilon: f64) -> Parameters<'_> {
        fn affine([weight, bias]: &[FlexTensor; 2]) -> Affine<'_> {
            Affine { weight: values(weight), bias: values(bias) }
        }
        Parameters {
            query_key_value: affine(&self.query_key_value),
            projection: affine(&self.projection),
            expand: affine(&self.expand),
            contract: affine(&self.contract),
            attention_norm: norm(&self.attention_norm, epsilon),
            perceptron_norm: norm(&self.perceptron_norm, epsilon),
        }
    }

    fn sizes(&self, x: &FlexTensor, options: &AttentionBlockOptions) -> BlockSizes {
        let shape = x.shape();
        let AttentionBlockOptions { heads, feature_map, .. } = *options;
        let features = shape[2];
        BlockSizes {
            attention: Sizes {
                tokens: shape[1],
                heads,
                key_width: features / heads,
                width: features / heads,
                map: feature_map,
            },
            features,
            hidden: self.expand[1].shape()[0],
        }
    }
}

fn norm([gamma, beta]: &[FlexTensor; 2], epsilon: f64) -> Norm<'_> {
    Norm { gamma: values(gamma), beta: values(beta), epsilon: epsilon as f32 }
}

/// The products of the linear layers once, and the tokens, hidden units, queries, keys and values once.
fn cost(sizes: &BlockSizes, x: &[f32]) -> Cost {
    let BlockSizes { features, hidden, .. } = *sizes;
    let tokens = x.len() / features;
    Cost {
        flops: 2 * tokens * (4 * features * features + 2 * features * hidden),
        elements: tokens * (6 * features + hidden),
    }
}

fn forward_cost(sizes: &BlockSizes, x: &[f32]) -> Cost {
    let Cost { flops, elements } = cost(sizes, x);
    Cost { flops: flops + sizes.attention.forward_flops(x.len()), elements }
}

fn backward_cost(sizes: &BlockSizes, x: &[f32], of_parameters: bool) -> Cost {
    let Cost { flops, elements } = cost(sizes, x);
    let products = if of_parameters { 2 * flops } else { flops };
    Cost { flops: products + sizes.attention.backward_flops(x.len()), elements }
}

pub(crate) fn forward(x: &FlexTensor, tensors: &BlockTensors<Flex>, options: &AttentionBlockOptions) -> FlexTensor {
    let parameters = Contiguous::new(tensors);
    let sizes = parameters.sizes(x, options);
    let x = x.to_contiguous();
    let parameters = parameters.values(options.epsilon);
    let elements = values(&x);
    let output = measured(Phase::AttentionBlockForward, forward_cost(&sizes, elements), || {
        forward::output(&sizes, &parameters, elements)
    });
    shaped(output, x.shape())
}

pub(crate) fn tracked<C: CheckpointStrategy>(
    x: Tracked,
    tensors: BlockTensors<Autodiff<Flex, C>>,
    options: &AttentionBlockOptions,
) -> Tracked {
    let t = tensors;
    let nodes = [
        x.node(),
        t.query_key_value_weight.node(),
        t.query_key_value_bias.node(),
        t.projection_weight.node(),
        t.projection_bias.node(),
        t.expand_weight.node(),
        t.expand_bias.node(),
        t.contract_weight.node(),
        t.contract_bias.node(),
        t.attention_gamma.node(),
        t.attention_beta.node(),
        t.perceptron_gamma.node(),
        t.perceptron_beta.node(),
    ];
    let tensors = BlockTensors::<Flex> {
        attention_gamma: t.attention_gamma.into_primitive(),
        attention_beta: t.attention_beta.into_primitive(),
        query_key_value_weight: t.query_key_value_weight.into_primitive(),
        query_key_value_bias: t.query_key_value_bias.into_primitive(),
        projection_weight: t.projection_weight.into_primitive(),
        projection_bias: t.projection_bias.into_primitive(),
        perceptron_gamma: t.perceptron_gamma.into_primitive(),
        perceptron_beta: t.perceptron_beta.into_primitive(),
        expand_weight: t.expand_weight.into_primitive(),
        expand_bias: t.expand_bias.into_primitive(),
        contract_weight: t.contract_weight.into_primitive(),
        contract_bias: t.contract_bias.into_primitive(),
    };
    let x = x.into_primitive();
    match BlockBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::UnTracked(prepared) => prepared.finish(forward(&x, &tensors, options)),
        OpsKind::Tracked(prepared) => {
            let (x, parameters) = (x.to_contiguous(), Contiguous::new(&tensors));
            let sizes = parameters.sizes(&x, options);
            let elements = values(&x);
            let Forward { output, kept } =
                measured(Phase::AttentionBlockForward, forward_cost(&sizes, elements), || {
                    forward::forward(&sizes, &parameters.values(options.epsilon), elements)
                });
            let Kept { query_key_value, middle, hidden } = kept;
            let kept = [query_key_value, middle, hidden].map(|buffer| {
                let length = buffer.len();
                tensor(buffer, [length])
            });
            let output = shaped(output, x.shape());
            prepared.finish(State { x, parameters, kept, options: *options }, output)
        }
    }
}

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    parameters: Contiguous,
    /// As [`Kept`].
    kept: [FlexTensor; 3],
    options: AttentionBlockOptions,
}

#[derive(Debug)]
struct BlockBackward;

impl Backward<Flex, 13> for BlockBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 13>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { x, parameters, kept, options } = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let sizes = parameters.sizes(&x, &options);
        let elements = values(&x);
        let [query_key_value, middle, hidden] = kept.each_ref().map(values);
        let [x_node, nodes @ ..] = ops.parents;
        let of_parameters = nodes.iter().any(Option::is_some);
        let Gradient { input, parameters } =
            measured(Phase::AttentionBlockBackward, backward_cost(&sizes, elements, of_parameters), || {
                backward::backward(
                    &sizes,
                    &parameters.values(options.epsilon),
                    elements,
                    &Kept { query_key_value, middle, hidden },
                    values(&gradient),
                    of_parameters,
                )
            });
        if let Some(node) = x_node {
            gradients.register::<Flex>(node.id, shaped(input, x.shape()));
        }
        let Some(parameters) = parameters else { return };
        let BlockSizes { features, hidden, .. } = sizes;
        let cut = Places::new(&sizes).cut(&parameters);
        let mut nodes = nodes.into_iter();
        for (gradient, [inputs, outputs]) in [
            (cut.query_key_value, [features, 3 * features]),
            (cut.projection, [features, features]),
            (cut.expand, [features, hidden]),
            (cut.contract, [hidden, features]),
        ] {
            let (of_weight, of_bias) = gradient.split_at(inputs * outputs);
            if let Some(node) = nodes.next().flatten() {
                gradients.register::<Flex>(node.id, matrix(of_weight, [inputs, outputs]));
            }
            if let Some(node) = nodes.next().flatten() {
                gradients.register::<Flex>(node.id, vector(of_bias));
            }
        }
        for gradient in [cut.attention_norm, cut.perceptron_norm] {
            let (of_gamma, of_beta) = gradient.split_at(features);
            for of_vector in [of_gamma, of_beta] {
                if let Some(node) = nodes.next().flatten() {
                    gradients.register::<Flex>(node.id, vector(of_vector));
                }
            }
        }
    }
}
