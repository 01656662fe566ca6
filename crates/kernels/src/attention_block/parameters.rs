use burn::tensor::Tensor;

/// The parameters of a [`linear_attention_block`](crate::linear_attention_block()) for tokens of `features` and a
/// perceptron of `hidden` units.
#[derive(Clone, Debug)]
pub struct AttentionBlockParameters {
    /// Scale of the normalisation before the attention, `[features]`.
    pub attention_gamma: Tensor<1>,
    /// Its shift, `[features]`.
    pub attention_beta: Tensor<1>,
    /// To queries, keys and values, `[features, 3 * features]`, the columns as [`linear_attention`](crate::linear_attention())
    /// takes them.
    pub query_key_value_weight: Tensor<2>,
    /// `[3 * features]`.
    pub query_key_value_bias: Tensor<1>,
    /// Behind the attention, `[features, features]`.
    pub projection_weight: Tensor<2>,
    /// `[features]`.
    pub projection_bias: Tensor<1>,
    /// Scale of the normalisation before the perceptron, `[features]`.
    pub perceptron_gamma: Tensor<1>,
    /// Its shift, `[features]`.
    pub perceptron_beta: Tensor<1>,
    /// To the hidden units, `[features, hidden]`.
    pub expand_weight: Tensor<2>,
    /// `[hidden]`.
    pub expand_bias: Tensor<1>,
    /// From the hidden units, `[hidden, features]`.
    pub contract_weight: Tensor<2>,
    /// `[features]`.
    pub contract_bias: Tensor<1>,
}
