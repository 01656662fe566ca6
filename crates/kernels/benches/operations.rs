//! The operations besides the convolution, forward and backward, fused and in stock burn operations, at the sizes of
//! a small image classifier and batch 128.

use burn::tensor::{Device, Distribution, Tensor};
use divan::Bencher;
use tinylsa_kernels::{
    Activation, FeatureMap, LinearAttentionOptions, NormOptions, batch_norm_train, batch_norm_train_reference,
    depthwise3x3, depthwise3x3_reference, layer_norm, layer_norm_reference, linear, linear_attention,
    linear_attention_reference, linear_reference,
};

const BATCH: usize = 128;

fn main() {
    divan::main();
}

fn random<const D: usize>(dims: [usize; D]) -> Tensor<D> {
    Tensor::random(dims, Distribution::Normal(0.0, 1.0), &Device::flex().autodiff()).require_grad()
}

/// Forward and backward of an operation on a tensor.
fn step<const D: usize, const E: usize>(bencher: Bencher, x: &Tensor<D>, operation: impl Fn(Tensor<D>) -> Tensor<E>) {
    bencher.bench_local(|| operation(x.clone()).sum().backward());
}

#[divan::bench(max_time = 1, args = [false, true])]
fn batch_norm_relu_pool_of_32_channels(bencher: Bencher, reference: bool) {
    let (gamma, beta) = (random([32]), random([32]));
    let options = NormOptions { activation: Activation::Relu, pool: true, ..NormOptions::default() };
    let operation = if reference { batch_norm_train_reference } else { batch_norm_train };
    step(bencher, &random([BATCH, 28, 28, 32]), |x| operation(x, gamma.clone(), beta.clone(), None, &options).output);
}

#[divan::bench(max_time = 1, args = [false, true])]
fn linear_gelu_of_49_tokens_96_to_288(bencher: Bencher, reference: bool) {
    let (weight, bias) = (random([96, 288]), random([288]));
    let operation = if reference { linear_reference } else { linear };
    step(bencher, &random([BATCH, 49, 96]), |x| operation(x, weight.clone(), Some(bias.clone()), Activation::Gelu));
}

#[divan::bench(max_time = 1, args = [false, true])]
fn linear_attention_of_49_tokens_6_heads_of_16(bencher: Bencher, reference: bool) {
    let operation = if reference { linear_attention_reference } else { linear_attention };
    step(bencher, &random([BATCH, 49, 288]), |qkv| {
        operation(qkv, LinearAttentionOptions::new(6, FeatureMap::EluPlusOne))
    });
}

#[divan::bench(max_time = 1, args = [false, true])]
fn depthwise3x3_of_7_by_7_tokens_of_96(bencher: Bencher, reference: bool) {
    let (weight, bias) = (random([3, 3, 96]), random([96]));
    let operation = if reference { depthwise3x3_reference } else { depthwise3x3 };
    step(bencher, &random([BATCH, 7, 7, 96]), |x| operation(x, weight.clone(), bias.clone()));
}

#[divan::bench(max_time = 1, args = [false, true])]
fn layer_norm_of_49_tokens_of_96(bencher: Bencher, reference: bool) {
    let (gamma, beta) = (random([96]), random([96]));
    let operation = if reference { layer_norm_reference } else { layer_norm };
    step(bencher, &random([BATCH, 49, 96]), |x: Tensor<3>| operation(x, gamma.clone(), beta.clone(), 1e-5));
}
