use super::{AttentionBlockOptions, AttentionBlockParameters};
use crate::{Activation, LinearAttentionOptions, layer_norm_reference, linear_attention_reference, linear_reference};
use burn::tensor::Tensor;

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
    let AttentionBlockOptions { heads, feature_map, epsilon } = *options;
    let of = |x, weight, bias, activation| linear_reference::<3>(x, weight, Some(bias), activation);
    let p = parameters;
    let normalised = layer_norm_reference(x.clone(), p.attention_gamma, p.attention_beta, epsilon);
    let qkv = of(normalised, p.query_key_value_weight, p.query_key_value_bias, Activation::Identity);
    let context = linear_attention_reference(qkv, LinearAttentionOptions::new(heads, feature_map));
    let middle = x + of(context, p.projection_weight, p.projection_bias, Activation::Identity);
    let normalised = layer_norm_reference(middle.clone(), p.perceptron_gamma, p.perceptron_beta, epsilon);
    let hidden = of(normalised, p.expand_weight, p.expand_bias, Activation::Gelu);
    middle + of(hidden, p.contract_weight, p.contract_bias, Activation::Identity)
}
