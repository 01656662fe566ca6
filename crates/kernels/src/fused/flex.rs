//! The fused operations of burn's Flex backend, with and without automatic differentiation.

use super::{BlockTensors, FusedOps, Maybe, Tracked};
use crate::{
    Activation, AttentionBlockOptions, LinearAttentionOptions, NormOptions,
    attention_block::{
        flex::{self as attention_block, Shape},
        options::BlockParts,
    },
    batch_norm::flex::{self as batch_norm, Trained},
    conv_norm::flex as conv_norm,
    conv3x3::{Reuse, flex as conv3x3},
    cross_entropy::flex as cross_entropy,
    depthwise3x3::flex as depthwise3x3,
    layer_norm::flex as layer_norm,
    linear::flex as linear,
    linear_attention::flex as linear_attention,
    positions::flex as positions,
    residual_block::flex::{self as residual_block, Outputs},
    softmax_pool::flex as softmax_pool,
    token_mean::flex as token_mean,
};
use burn::backend::{
    Autodiff, Flex, autodiff::checkpoint::strategy::CheckpointStrategy, flex::FlexTensor, tensor::FloatTensor,
};

impl FusedOps for Flex {
    fn conv3x3(x: FlexTensor, weight: FlexTensor, stride: usize) -> FlexTensor {
        conv3x3::forward(&x, &weight, stride, Reuse::Again)
    }

    fn depthwise3x3(x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
        depthwise3x3::forward(&x, &weight, &bias)
    }

    fn batch_norm_train(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        residual: Maybe<Self>,
        options: NormOptions,
    ) -> Trained<FlexTensor> {
        batch_norm::train(&batch_norm::Inputs::new(&x, &gamma, &beta, residual.into_option().as_ref()), &options)
    }

    fn residual_block_train(
        x: FlexTensor,
        first_weight: FlexTensor,
        first_gamma: FlexTensor,
        first_beta: FlexTensor,
        second_weight: FlexTensor,
        second_gamma: FlexTensor,
        second_beta: FlexTensor,
        options: NormOptions,
    ) -> Outputs<FlexTensor> {
        let parts = [[first_weight, first_gamma, first_beta], [second_weight, second_gamma, second_beta]];
        residual_block::forward(&x, parts, &options)
    }

    fn batch_norm_eval(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        residual: Maybe<Self>,
        options: NormOptions,
    ) -> FlexTensor {
        let inputs = batch_norm::Inputs::new(&x, &gamma, &beta, residual.into_option().as_ref());
        batch_norm::evaluate(&inputs, &mean, &variance, &options)
    }

    fn conv_norm_eval(
        x: FlexTensor,
        weight: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        residual: Maybe<Self>,
        stride: usize,
        options: NormOptions,
    ) -> FlexTensor {
        let constants = [weight, gamma, beta, mean, variance];
        conv_norm::forward(&x, constants, residual.into_option().as_ref(), stride, &options)
    }

    fn linear(x: FlexTensor, weight: FlexTensor, bias: Maybe<Self>, activation: Activation) -> FlexTensor {
        linear::forward(&x, &weight, bias.into_option().as_ref(), activation)
    }

    fn layer_norm(x: FlexTensor, gamma: FlexTensor, beta: FlexTensor, epsilon: f64) -> FlexTensor {
        layer_norm::forward(&x, &gamma, &beta, epsilon)
    }

    fn linear_attention(qkv: FlexTensor, options: LinearAttentionOptions) -> FlexTensor {
        linear_attention::forward(&qkv, options)
    }

    fn linear_attention_block(
        x: FlexTensor,
        tensors: BlockTensors<Self>,
        options: AttentionBlockOptions,
        parts: BlockParts,
    ) -> FlexTensor {
        attention_block::forward(&x, &tensors, Shape { options, parts })
    }

    fn add_positions(x: FlexTensor, positions: FlexTensor) -> FlexTensor {
        positions::forward(&x, &positions)
    }

    fn mean_tokens(x: FlexTensor) -> FlexTensor {
        token_mean::forward(&x)
    }

    fn softmax_pool(scores: FlexTensor, values: FlexTensor) -> FlexTensor {
        softmax_pool::forward(&scores, &values)
    }

    fn cross_entropy(logits: FlexTensor, targets: FlexTensor) -> FlexTensor {
        cross_entropy::forward(&logits, &targets)
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn conv3x3(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize) -> FloatTensor<Self> {
        conv3x3::tracked::<C>(x, weight, stride)
    }

    fn depthwise3x3(x: Tracked, weight: Tracked, bias: Tracked) -> Tracked {
        depthwise3x3::tracked::<C>(x, weight, bias)
    }

    fn batch_norm_train(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: Maybe<Self>,
        options: NormOptions,
    ) -> Trained<FloatTensor<Self>> {
        batch_norm::train_tracked::<C>(x, gamma, beta, residual.into_option(), &options)
    }

    fn residual_block_train(
        x: Tracked,
        first_weight: Tracked,
        first_gamma: Tracked,
        first_beta: Tracked,
        second_weight: Tracked,
        second_gamma: Tracked,
        second_beta: Tracked,
        options: NormOptions,
    ) -> Outputs<Tracked> {
        let parts = [[first_weight, first_gamma, first_beta], [second_weight, second_gamma, second_beta]];
        residual_block::tracked::<C>(x, parts, &options)
    }

    fn batch_norm_eval(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        residual: Maybe<Self>,
        options: NormOptions,
    ) -> FloatTensor<Self> {
        batch_norm::evaluate_tracked::<C>(x, [gamma, beta, mean, variance], residual.into_option(), &options)
    }

    fn conv_norm_eval(
        x: Tracked,
        weight: Tracked,
        gamma: Tracked,
        beta: Tracked,
        mean: Tracked,
        variance: Tracked,
        residual: Maybe<Self>,
        stride: usize,
        options: NormOptions,
    ) -> Tracked {
        let constants = [weight, gamma, beta, mean, variance];
        conv_norm::tracked::<C>(x, constants, residual.into_option(), stride, &options)
    }

    fn linear(x: Tracked, weight: Tracked, bias: Maybe<Self>, activation: Activation) -> Tracked {
        linear::tracked::<C>(x, weight, bias.into_option(), activation)
    }

    fn layer_norm(x: Tracked, gamma: Tracked, beta: Tracked, epsilon: f64) -> Tracked {
        layer_norm::tracked::<C>(x, gamma, beta, epsilon)
    }

    fn linear_attention(qkv: Tracked, options: LinearAttentionOptions) -> Tracked {
        linear_attention::tracked::<C>(qkv, options)
    }

    fn linear_attention_block(
        x: Tracked,
        tensors: BlockTensors<Self>,
        options: AttentionBlockOptions,
        parts: BlockParts,
    ) -> Tracked {
        attention_block::tracked::<C>(x, tensors, Shape { options, parts })
    }

    fn add_positions(x: Tracked, positions: Tracked) -> Tracked {
        positions::tracked::<C>(x, positions)
    }

    fn mean_tokens(x: Tracked) -> Tracked {
        token_mean::tracked::<C>(x)
    }

    fn softmax_pool(scores: Tracked, values: Tracked) -> Tracked {
        softmax_pool::tracked::<C>(scores, values)
    }

    fn cross_entropy(logits: Tracked, targets: Tracked) -> Tracked {
        cross_entropy::tracked::<C>(logits, targets)
    }
}
