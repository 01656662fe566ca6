//! The fused block as an operation of burn's Flex backend.

use super::{
    backward::{self, Backward as Gradient, Places},
    forward::{self, Affine, BlockSizes, Forward, Kept, Norm, Parameters, Perceptron},
    options::{AttentionBlockOptions, BlockParts},
};
use crate::{
    arch::Buffer,
    fused::{BlockTensors, Tracked, copied, shaped, tensor, values, vector},
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

/// What a block does and which parts it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub options: AttentionBlockOptions,
    pub parts: BlockParts,
}

/// The parameters, contiguous, in the order of the parents of the node: pairs of weight and bias or scale and shift.
#[derive(Clone, Debug)]
struct Contiguous {
    query_key_value: [FlexTensor; 2],
    local: [FlexTensor; 2],
    gate: [FlexTensor; 2],
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
            local: pair(&tensors.local_weight, &tensors.local_bias),
            gate: pair(&tensors.gate_weight, &tensors.gate_bias),
            projection: pair(&tensors.projection_weight, &tensors.projection_bias),
            expand: pair(&tensors.expand_weight, &tensors.expand_bias),
            contract: pair(&tensors.contract_weight, &tensors.contract_bias),
            attention_norm: pair(&tensors.attention_gamma, &tensors.attention_beta),
            perceptron_norm: pair(&tensors.perceptron_gamma, &tensors.perceptron_beta),
        }
    }

    fn values(&self, shape: Shape) -> Parameters<'_> {
        fn affine([weight, bias]: &[FlexTensor; 2]) -> Affine<'_> {
            Affine { weight: values(weight), bias: values(bias) }
        }
        let Shape { options: AttentionBlockOptions { epsilon, .. }, parts } = shape;
        Parameters {
            query_key_value: affine(&self.query_key_value),
            local: parts.local.then(|| affine(&self.local)),
            gate: parts.gate.then(|| affine(&self.gate)),
            projection: affine(&self.projection),
            attention_norm: norm(&self.attention_norm, epsilon),
            perceptron: parts.perceptron.then(|| Perceptron {
                norm: norm(&self.perceptron_norm, epsilon),
                expand: affine(&self.expand),
                contract: affine(&self.contract),
            }),
        }
    }

    fn sizes(&self, x: &FlexTensor, Shape { options, parts }: Shape) -> BlockSizes {
        let dims = x.shape();
        let AttentionBlockOptions { heads, feature_map, grid, .. } = options;
        let features = dims[2];
        BlockSizes {
            attention: Sizes {
                tokens: dims[1],
                heads,
                key_width: options.keys(features) / heads,
                width: features / heads,
                map: feature_map,
            },
            grid,
            features,
            hidden: if parts.perceptron { self.expand[1].shape()[0] } else { 0 },
            has_gate: parts.gate,
        }
    }
}

fn norm([gamma, beta]: &[FlexTensor; 2], epsilon: f64) -> Norm<'_> {
    Norm { gamma: values(gamma), beta: values(beta), epsilon: epsilon as f32 }
}

/// The products of the linear layers once, and the tokens, hidden units, queries, keys and values once.
fn cost(sizes: &BlockSizes, x: &[f32]) -> Cost {
    let BlockSizes { features, hidden, has_gate, .. } = *sizes;
    let (tokens, projected) = (x.len() / features, sizes.attention.row());
    let gate = if has_gate { features } else { 0 };
    Cost {
        flops: 2 * tokens * (features * (projected + gate + features) + 2 * features * hidden),
        elements: tokens * (3 * features + projected + gate + hidden),
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

pub(crate) fn forward(x: &FlexTensor, tensors: &BlockTensors<Flex>, shape: Shape) -> FlexTensor {
    let parameters = Contiguous::new(tensors);
    let sizes = parameters.sizes(x, shape);
    let x = x.to_contiguous();
    let parameters = parameters.values(shape);
    let elements = values(&x);
    let output = measured(Phase::AttentionBlockForward, forward_cost(&sizes, elements), || {
        forward::output(&sizes, &parameters, elements)
    });
    shaped(output, x.shape())
}

pub(crate) fn tracked<C: CheckpointStrategy>(
    x: Tracked,
    tensors: BlockTensors<Autodiff<Flex, C>>,
    shape: Shape,
) -> Tracked {
    let t = tensors;
    let nodes = [
        x.node(),
        t.query_key_value_weight.node(),
        t.query_key_value_bias.node(),
        t.local_weight.node(),
        t.local_bias.node(),
        t.gate_weight.node(),
        t.gate_bias.node(),
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
        local_weight: t.local_weight.into_primitive(),
        local_bias: t.local_bias.into_primitive(),
        gate_weight: t.gate_weight.into_primitive(),
        gate_bias: t.gate_bias.into_primitive(),
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
        OpsKind::UnTracked(prepared) => prepared.finish(forward(&x, &tensors, shape)),
        OpsKind::Tracked(prepared) => {
            let (x, parameters) = (x.to_contiguous(), Contiguous::new(&tensors));
            let sizes = parameters.sizes(&x, shape);
            let elements = values(&x);
            let Forward { output, kept } =
                measured(Phase::AttentionBlockForward, forward_cost(&sizes, elements), || {
                    forward::forward(&sizes, &parameters.values(shape), elements)
                });
            let Kept { query_key_value, gate, middle, hidden } = kept;
            let kept = [query_key_value, gate, middle, hidden].map(|buffer: Buffer| {
                let length = buffer.len();
                (length > 0).then(|| tensor(buffer, [length]))
            });
            let output = shaped(output, x.shape());
            prepared.finish(State { x, parameters, kept, shape }, output)
        }
    }
}

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    parameters: Contiguous,
    /// As [`Kept`]; nothing for a part that is not there.
    kept: [Option<FlexTensor>; 4],
    shape: Shape,
}

#[derive(Debug)]
struct BlockBackward;

impl Backward<Flex, 17> for BlockBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 17>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { x, parameters, kept, shape } = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let sizes = parameters.sizes(&x, shape);
        let elements = values(&x);
        let [query_key_value, gate, middle, hidden] = kept.each_ref().map(|part| part.as_ref().map_or(&[][..], values));
        let [x_node, nodes @ ..] = ops.parents;
        let of_parameters = nodes.iter().any(Option::is_some);
        let Gradient { input, parameters: sums } =
            measured(Phase::AttentionBlockBackward, backward_cost(&sizes, elements, of_parameters), || {
                backward::backward(
                    &sizes,
                    &parameters.values(shape),
                    elements,
                    &Kept { query_key_value, gate, middle, hidden },
                    values(&gradient),
                    of_parameters,
                )
            });
        if let Some(node) = x_node {
            gradients.register::<Flex>(node.id, shaped(input, x.shape()));
        }
        let Some(sums) = sums else { return };
        let BlockSizes { features, hidden, .. } = sizes;
        let cut = Places::new(&sizes, shape.parts.local).cut(&sums);
        let mut nodes = nodes.into_iter();
        let pairs = [
            (cut.query_key_value, vec![features, sizes.attention.row()]),
            (cut.local, vec![3, 3, features]),
            (cut.gate, vec![features, features]),
            (cut.projection, vec![features, features]),
            (cut.expand, vec![features, hidden]),
            (cut.contract, vec![hidden, features]),
            (cut.attention_norm, vec![features]),
            (cut.perceptron_norm, vec![features]),
        ];
        for (gradient, dims) in pairs {
            let (first, second) = (nodes.next().flatten(), nodes.next().flatten());
            if gradient.is_empty() {
                continue;
            }
            let (of_first, of_second) = gradient.split_at(dims.iter().product());
            if let Some(node) = first {
                gradients.register::<Flex>(node.id, copied(of_first, dims));
            }
            if let Some(node) = second {
                gradients.register::<Flex>(node.id, vector(of_second));
            }
        }
    }
}
