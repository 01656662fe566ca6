use burn::tensor::Tensor;

/// The parameters of a [`linear_attention_block`](crate::linear_attention_block()) for tokens of `features`.
#[derive(Clone, Debug)]
pub struct AttentionBlockParameters {
    /// Scale of the normalisation before the attention, `[features]`.
    pub attention_gamma: Tensor<1>,
    /// Its shift, `[features]`.
    pub attention_beta: Tensor<1>,
    /// To queries, keys and values, `[features, 2 * keys + features]`, the columns as
    /// [`linear_attention`](crate::linear_attention()) takes them.
    pub query_key_value_weight: Tensor<2>,
    /// `[2 * keys + features]`.
    pub query_key_value_bias: Tensor<1>,
    /// A convolution of the values that is added to what the attention gives.
    pub local: Option<LocalParameters>,
    /// What the sum is multiplied by.
    pub gate: Option<GateParameters>,
    /// Behind it, `[features, features]`.
    pub projection_weight: Tensor<2>,
    /// `[features]`.
    pub projection_bias: Tensor<1>,
    /// What follows the attention.
    pub perceptron: Option<PerceptronParameters>,
}

/// A depthwise 3×3 convolution.
#[derive(Clone, Debug)]
pub struct LocalParameters {
    /// `[3, 3, features]`.
    pub weight: Tensor<3>,
    /// `[features]`.
    pub bias: Tensor<1>,
}

/// A linear map of the normalised tokens, of which the sigmoid linear unit is the gate.
#[derive(Clone, Debug)]
pub struct GateParameters {
    /// `[features, features]`.
    pub weight: Tensor<2>,
    /// `[features]`.
    pub bias: Tensor<1>,
}

/// A perceptron of `hidden` units.
#[derive(Clone, Debug)]
pub struct PerceptronParameters {
    /// Scale of the normalisation before it, `[features]`.
    pub gamma: Tensor<1>,
    /// Its shift, `[features]`.
    pub beta: Tensor<1>,
    /// To the hidden units, `[features, hidden]`.
    pub expand_weight: Tensor<2>,
    /// `[hidden]`.
    pub expand_bias: Tensor<1>,
    /// From the hidden units, `[hidden, features]`.
    pub contract_weight: Tensor<2>,
    /// `[features]`.
    pub contract_bias: Tensor<1>,
}
