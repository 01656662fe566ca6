//! The fused operations as a trait of backends, and the way from a tensor of any device to them and back.

mod flex;
mod tensors;

pub use tensors::use_references;
pub(crate) use tensors::{copied, from_flex, into_flex, is_plain, shaped, takes, tensor, values, vector};

use crate::{
    Activation, AttentionBlockOptions, LinearAttentionOptions, NormOptions, attention_block::options::BlockParts,
};
use burn::{
    backend::{Autodiff, Backend, Dispatch, ExtensionType, Flex, backend_extension, tensor::FloatTensor},
    tensor::Tensor,
};

/// A tensor of the Flex backend under automatic differentiation.
pub(crate) type Tracked = FloatTensor<Autodiff<Flex>>;

/// A tensor that an operation can do without.
#[derive(ExtensionType)]
pub(crate) enum Maybe<B: Backend> {
    /// It is there.
    Given(FloatTensor<B>),
    /// It is not.
    Absent,
}

/// The parameters of a transformer block; [`AttentionBlockParameters`](crate::AttentionBlockParameters) describes them. In
/// place of one that is not there lies a tensor of one element, and [`BlockParts`] says
/// which are.
#[derive(ExtensionType)]
pub(crate) struct BlockTensors<B: Backend> {
    pub attention_gamma: FloatTensor<B>,
    pub attention_beta: FloatTensor<B>,
    pub query_key_value_weight: FloatTensor<B>,
    pub query_key_value_bias: FloatTensor<B>,
    pub local_weight: FloatTensor<B>,
    pub local_bias: FloatTensor<B>,
    pub gate_weight: FloatTensor<B>,
    pub gate_bias: FloatTensor<B>,
    pub projection_weight: FloatTensor<B>,
    pub projection_bias: FloatTensor<B>,
    pub perceptron_gamma: FloatTensor<B>,
    pub perceptron_beta: FloatTensor<B>,
    pub expand_weight: FloatTensor<B>,
    pub expand_bias: FloatTensor<B>,
    pub contract_weight: FloatTensor<B>,
    pub contract_bias: FloatTensor<B>,
}

impl<B: Backend> Maybe<B> {
    pub(crate) fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Given(tensor) => Some(tensor),
            Self::Absent => None,
        }
    }
}

impl Maybe<Dispatch> {
    pub(crate) fn new<const D: usize>(tensor: Option<Tensor<D>>) -> Self {
        tensor.map_or(Self::Absent, |tensor| Self::Given(tensor.into_dispatch()))
    }
}

/// The fused operations on the primitives of a backend; the public functions describe them.
#[backend_extension(Autodiff, Flex)]
pub(crate) trait FusedOps: Backend {
    fn conv3x3(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize) -> FloatTensor<Self>;

    fn depthwise3x3(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;

    fn batch_norm_train(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        #[extension_type] residual: Maybe<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    #[allow(clippy::too_many_arguments, clippy::type_complexity)]
    fn residual_block_train(
        x: FloatTensor<Self>,
        first_weight: FloatTensor<Self>,
        first_gamma: FloatTensor<Self>,
        first_beta: FloatTensor<Self>,
        second_weight: FloatTensor<Self>,
        second_gamma: FloatTensor<Self>,
        second_beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    fn batch_norm_eval(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        #[extension_type] residual: Maybe<Self>,
        options: NormOptions,
    ) -> FloatTensor<Self>;

    #[allow(clippy::too_many_arguments)]
    fn conv_norm_eval(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        #[extension_type] residual: Maybe<Self>,
        stride: usize,
        options: NormOptions,
    ) -> FloatTensor<Self>;

    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;

    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;

    fn linear_attention(qkv: FloatTensor<Self>, options: LinearAttentionOptions) -> FloatTensor<Self>;

    fn linear_attention_block(
        x: FloatTensor<Self>,
        #[extension_type] tensors: BlockTensors<Self>,
        options: AttentionBlockOptions,
        parts: BlockParts,
    ) -> FloatTensor<Self>;

    fn add_positions(x: FloatTensor<Self>, positions: FloatTensor<Self>) -> FloatTensor<Self>;

    fn mean_tokens(x: FloatTensor<Self>) -> FloatTensor<Self>;

    fn softmax_pool(scores: FloatTensor<Self>, values: FloatTensor<Self>) -> FloatTensor<Self>;

    fn cross_entropy(logits: FloatTensor<Self>, targets: FloatTensor<Self>) -> FloatTensor<Self>;
}
