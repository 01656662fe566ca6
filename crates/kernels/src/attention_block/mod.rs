//! A transformer block with linear attention, from the first normalisation to the second residual connection.
//!
//! Everything in it works on the tokens of one image at a time. As one operation it stays in the second-level cache from
//! its input to its output, where operations of its own for every layer would each write all images to memory and read
//! them back.

mod backward;
pub(crate) mod flex;
mod forward;
pub(crate) mod options;
mod parameters;
mod passes;
mod reference;

pub use options::AttentionBlockOptions;
pub use parameters::{AttentionBlockParameters, GateParameters, LocalParameters, PerceptronParameters};
pub use reference::linear_attention_block_reference;

use crate::fused::{self, BlockTensors, FusedOps};
use burn::{backend::Dispatch, tensor::Tensor};
use options::BlockParts;

/// A transformer block whose layers are normalised at their input (Xiong et al., 2020), with attention that is linear in
/// the number of tokens (Katharopoulos et al., 2020):
/// `z = x + project((attend(u) + local(values)) ⊙ silu(gate(u)))` with `u = norm(x)`, and
/// `y = z + contract(gelu(expand(norm(z))))`. The local convolution of the values, the gate and the perceptron are there if
/// the parameters have them.
///
/// # Shapes
///
/// - `x`: `[batch, tokens, features]`
/// - returns `[batch, tokens, features]`
///
/// # Panics
///
/// If the shapes do not fit or `x` is empty.
pub fn linear_attention_block(
    x: Tensor<3>,
    parameters: AttentionBlockParameters,
    options: &AttentionBlockOptions,
) -> Tensor<3> {
    check_inputs(&x, &parameters, options);
    if !takes(&x, &parameters) {
        return linear_attention_block_reference(x, parameters, options);
    }
    let parts = BlockParts {
        local: parameters.local.is_some(),
        gate: parameters.gate.is_some(),
        perceptron: parameters.perceptron.is_some(),
    };
    let absent = || Tensor::<1>::zeros([1], &x.device()).into_dispatch();
    let [local_weight, local_bias] = match parameters.local {
        Some(LocalParameters { weight, bias }) => [weight.into_dispatch(), bias.into_dispatch()],
        None => [absent(), absent()],
    };
    let [gate_weight, gate_bias] = match parameters.gate {
        Some(GateParameters { weight, bias }) => [weight.into_dispatch(), bias.into_dispatch()],
        None => [absent(), absent()],
    };
    let [perceptron_gamma, perceptron_beta, expand_weight, expand_bias, contract_weight, contract_bias] =
        match parameters.perceptron {
            Some(perceptron) => [
                perceptron.gamma.into_dispatch(),
                perceptron.beta.into_dispatch(),
                perceptron.expand_weight.into_dispatch(),
                perceptron.expand_bias.into_dispatch(),
                perceptron.contract_weight.into_dispatch(),
                perceptron.contract_bias.into_dispatch(),
            ],
            None => [absent(), absent(), absent(), absent(), absent(), absent()],
        };
    let tensors = BlockTensors {
        attention_gamma: parameters.attention_gamma.into_dispatch(),
        attention_beta: parameters.attention_beta.into_dispatch(),
        query_key_value_weight: parameters.query_key_value_weight.into_dispatch(),
        query_key_value_bias: parameters.query_key_value_bias.into_dispatch(),
        local_weight,
        local_bias,
        gate_weight,
        gate_bias,
        projection_weight: parameters.projection_weight.into_dispatch(),
        projection_bias: parameters.projection_bias.into_dispatch(),
        perceptron_gamma,
        perceptron_beta,
        expand_weight,
        expand_bias,
        contract_weight,
        contract_bias,
    };
    Tensor::from_dispatch(Dispatch::linear_attention_block(x.into_dispatch(), tensors, *options, parts))
}

/// A vector of a block, and how long it must be.
struct Vector<'a> {
    name: &'static str,
    found: &'a Tensor<1>,
    expected: usize,
}

/// A matrix of a block, and its shape.
struct Matrix<'a> {
    name: &'static str,
    found: &'a Tensor<2>,
    expected: [usize; 2],
}

fn vectors<'a>(p: &'a AttentionBlockParameters, features: usize, projected: usize) -> Vec<Vector<'a>> {
    let vector = |name, found: &'a Tensor<1>, expected| Vector { name, found, expected };
    let mut vectors = vec![
        vector("attention gamma", &p.attention_gamma, features),
        vector("attention beta", &p.attention_beta, features),
        vector("query, key and value bias", &p.query_key_value_bias, projected),
        vector("projection bias", &p.projection_bias, features),
    ];
    vectors.extend(p.local.as_ref().map(|local| vector("local bias", &local.bias, features)));
    vectors.extend(p.gate.as_ref().map(|gate| vector("gate bias", &gate.bias, features)));
    if let Some(perceptron) = &p.perceptron {
        vectors.push(vector("perceptron gamma", &perceptron.gamma, features));
        vectors.push(vector("perceptron beta", &perceptron.beta, features));
        vectors.push(vector("contract bias", &perceptron.contract_bias, features));
    }
    vectors
}

fn matrices<'a>(p: &'a AttentionBlockParameters, features: usize, projected: usize) -> Vec<Matrix<'a>> {
    let matrix = |name, found: &'a Tensor<2>, expected| Matrix { name, found, expected };
    let mut matrices = vec![
        matrix("query, key and value weight", &p.query_key_value_weight, [features, projected]),
        matrix("projection weight", &p.projection_weight, [features, features]),
    ];
    matrices.extend(p.gate.as_ref().map(|gate| matrix("gate weight", &gate.weight, [features, features])));
    if let Some(perceptron) = &p.perceptron {
        let hidden = perceptron.expand_bias.dims()[0];
        matrices.push(matrix("expand weight", &perceptron.expand_weight, [features, hidden]));
        matrices.push(matrix("contract weight", &perceptron.contract_weight, [hidden, features]));
    }
    matrices
}

fn takes(x: &Tensor<3>, p: &AttentionBlockParameters) -> bool {
    fused::takes(x)
        && vectors(p, 0, 0).iter().all(|vector| fused::takes(vector.found))
        && matrices(p, 0, 0).iter().all(|matrix| fused::takes(matrix.found))
        && p.local.as_ref().is_none_or(|local| fused::takes(&local.weight))
        && p.perceptron.as_ref().is_none_or(|perceptron| fused::takes(&perceptron.expand_bias))
}

fn check_inputs(x: &Tensor<3>, parameters: &AttentionBlockParameters, options: &AttentionBlockOptions) {
    const OPERATION: &str = "linear_attention_block";
    let dims = x.dims();
    let [_, tokens, features] = dims;
    let AttentionBlockOptions { heads, grid: [rows, columns], .. } = *options;
    assert!(dims.iter().all(|&size| size > 0), "{OPERATION}: the input {dims:?} is empty");
    assert!(
        heads > 0 && features.is_multiple_of(heads),
        "{OPERATION}: the {features} features are not a multiple of {heads} heads"
    );
    let projected = 2 * options.keys(features) + features;
    for Vector { name, found, expected } in vectors(parameters, features, projected) {
        let [found] = found.dims();
        assert!(found == expected, "{OPERATION}: the {name} has {found} elements, expected {expected}");
    }
    for Matrix { name, found, expected } in matrices(parameters, features, projected) {
        let found = found.dims();
        assert!(found == expected, "{OPERATION}: the {name} has shape {found:?}, expected {expected:?}");
    }
    if let Some(local) = &parameters.local {
        let (found, expected) = (local.weight.dims(), [3, 3, features]);
        assert!(found == expected, "{OPERATION}: the local weight has shape {found:?}, expected {expected:?}");
        assert!(rows * columns == tokens, "{OPERATION}: a grid of {rows} x {columns} has not {tokens} tokens");
    }
}
