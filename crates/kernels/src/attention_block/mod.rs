//! A transformer block with linear attention, from the first normalisation to the second residual connection.
//!
//! Everything in it works on the tokens of one image at a time. As one operation it stays in the second-level cache from
//! its input to its output, where operations of its own for every layer would each write all images to memory and read
//! them back.

mod backward;
pub(crate) mod flex;
mod forward;
mod options;
mod parameters;
mod passes;
mod reference;

pub use options::AttentionBlockOptions;
pub use parameters::AttentionBlockParameters;
pub use reference::linear_attention_block_reference;

use crate::fused::{self, BlockTensors, FusedOps};
use burn::{backend::Dispatch, tensor::Tensor};

/// A transformer block whose layers are normalised at their input (Xiong et al., 2020), with attention that is linear in
/// the number of tokens (Katharopoulos et al., 2020):
/// `z = x + project(attend(norm(x)))`, `y = z + contract(gelu(expand(norm(z))))`.
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
    let tensors = BlockTensors {
        attention_gamma: parameters.attention_gamma.into_dispatch(),
        attention_beta: parameters.attention_beta.into_dispatch(),
        query_key_value_weight: parameters.query_key_value_weight.into_dispatch(),
        query_key_value_bias: parameters.query_key_value_bias.into_dispatch(),
        projection_weight: parameters.projection_weight.into_dispatch(),
        projection_bias: parameters.projection_bias.into_dispatch(),
        perceptron_gamma: parameters.perceptron_gamma.into_dispatch(),
        perceptron_beta: parameters.perceptron_beta.into_dispatch(),
        expand_weight: parameters.expand_weight.into_dispatch(),
        expand_bias: parameters.expand_bias.into_dispatch(),
        contract_weight: parameters.contract_weight.into_dispatch(),
        contract_bias: parameters.contract_bias.into_dispatch(),
    };
    Tensor::from_dispatch(Dispatch::linear_attention_block(x.into_dispatch(), tensors, *options))
}

fn vectors(parameters: &AttentionBlockParameters) -> [(&'static str, &Tensor<1>); 8] {
    [
        ("attention gamma", &parameters.attention_gamma),
        ("attention beta", &parameters.attention_beta),
        ("projection bias", &parameters.projection_bias),
        ("perceptron gamma", &parameters.perceptron_gamma),
        ("perceptron beta", &parameters.perceptron_beta),
        ("contract bias", &parameters.contract_bias),
        ("query, key and value bias", &parameters.query_key_value_bias),
        ("expand bias", &parameters.expand_bias),
    ]
}

fn matrices(parameters: &AttentionBlockParameters) -> [(&'static str, &Tensor<2>); 4] {
    [
        ("query, key and value weight", &parameters.query_key_value_weight),
        ("projection weight", &parameters.projection_weight),
        ("expand weight", &parameters.expand_weight),
        ("contract weight", &parameters.contract_weight),
    ]
}

fn takes(x: &Tensor<3>, parameters: &AttentionBlockParameters) -> bool {
    fused::takes(x)
        && vectors(parameters).into_iter().all(|(_, vector)| fused::takes(vector))
        && matrices(parameters).into_iter().all(|(_, matrix)| fused::takes(matrix))
}

fn check_inputs(x: &Tensor<3>, parameters: &AttentionBlockParameters, options: &AttentionBlockOptions) {
    const OPERATION: &str = "linear_attention_block";
    let dims = x.dims();
    let features = dims[2];
    assert!(dims.iter().all(|&size| size > 0), "{OPERATION}: the input {dims:?} is empty");
    assert!(
        options.heads > 0 && features.is_multiple_of(options.heads),
        "{OPERATION}: the {features} features are not a multiple of {} heads",
        options.heads
    );
    let hidden = parameters.expand_bias.dims()[0];
    let lengths = [features, features, features, features, features, features, 3 * features, hidden];
    for ((name, vector), length) in vectors(parameters).into_iter().zip(lengths) {
        let [found] = vector.dims();
        assert!(found == length, "{OPERATION}: the {name} has {found} elements, expected {length}");
    }
    let shapes = [[features, 3 * features], [features, features], [features, hidden], [hidden, features]];
    for ((name, matrix), shape) in matrices(parameters).into_iter().zip(shapes) {
        let found = matrix.dims();
        assert!(found == shape, "{OPERATION}: the {name} has shape {found:?}, expected {shape:?}");
    }
}
