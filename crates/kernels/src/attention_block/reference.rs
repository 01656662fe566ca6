use super::{
    AttentionBlockOptions,
    parameters::{AttentionBlockParameters, GateParameters, LocalParameters, PerceptronParameters},
};
use crate::{
    Activation, LinearAttentionOptions, depthwise3x3_reference, layer_norm_reference, linear_attention_reference,
    linear_reference,
};
use burn::tensor::{Tensor, activation::silu};

/// [`linear_attention_block`](super::linear_attention_block()) in stock burn operations.
///
/// # Panics
///
/// If the shapes do not fit.
pub fn linear_attention_block_reference(
    x: Tensor<3>,
    parameters: AttentionBlockParameters,
    options: &AttentionBlockOptions,
) -> Tensor<3> {
    let AttentionBlockOptions { heads, key_width, feature_map, epsilon, grid: [rows, columns] } = *options;
    let of = |x, weight, bias, activation| linear_reference::<3>(x, weight, Some(bias), activation);
    let p = parameters;
    let [batch, tokens, features] = x.dims();
    let normalised = layer_norm_reference(x.clone(), p.attention_gamma, p.attention_beta, epsilon);
    let qkv = of(normalised.clone(), p.query_key_value_weight, p.query_key_value_bias, Activation::Identity);
    let attention = LinearAttentionOptions { heads, key_width, feature_map };
    let mut mixed = linear_attention_reference(qkv.clone(), attention);
    if let Some(LocalParameters { weight, bias }) = p.local {
        let values = qkv.narrow(2, 2 * options.keys(features), features);
        let grid = values.reshape([batch, rows, columns, features]);
        mixed = mixed + depthwise3x3_reference(grid, weight, bias).reshape([batch, tokens, features]);
    }
    if let Some(GateParameters { weight, bias }) = p.gate {
        mixed = mixed * silu(of(normalised, weight, bias, Activation::Identity));
    }
    let middle = x + of(mixed, p.projection_weight, p.projection_bias, Activation::Identity);
    let Some(PerceptronParameters { gamma, beta, expand_weight, expand_bias, contract_weight, contract_bias }) =
        p.perceptron
    else {
        return middle;
    };
    let normalised = layer_norm_reference(middle.clone(), gamma, beta, epsilon);
    let hidden = of(normalised, expand_weight, expand_bias, Activation::Gelu);
    middle + of(hidden, contract_weight, contract_bias, Activation::Identity)
}
