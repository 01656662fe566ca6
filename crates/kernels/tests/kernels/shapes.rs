//! Shapes of every operation's result, and the panics that wrong shapes cause.

use burn::tensor::{Device, Distribution, Tensor};
use tinylsa_kernels::{
    Activation, FeatureMap, LinearAttentionOptions, NormOptions, batch_norm_eval, batch_norm_train, conv3x3,
    cross_entropy, layer_norm, linear, linear_attention, mean_tokens, softmax_pool,
};

fn random<const D: usize>(dims: [usize; D]) -> Tensor<D> {
    Tensor::random(dims, Distribution::Normal(0.0, 1.0), &Device::flex().autodiff())
}

#[test]
fn a_convolution_halves_rounding_up_with_stride_2() {
    let weight = random([7, 5, 3, 3]);
    assert_eq!(conv3x3(random([2, 6, 9, 5]), weight.clone(), 1).dims(), [2, 6, 9, 7]);
    assert_eq!(conv3x3(random([2, 6, 9, 5]), weight, 2).dims(), [2, 3, 5, 7]);
}

#[test]
fn a_normalisation_keeps_the_shape_and_pooling_halves_rounding_down() {
    let (gamma, beta) = (random([5]), random([5]));
    let options = NormOptions { activation: Activation::Relu, ..NormOptions::default() };
    let result = batch_norm_train(random([2, 6, 9, 5]), gamma.clone(), beta.clone(), None, &options);
    assert_eq!(result.output.dims(), [2, 6, 9, 5]);
    assert_eq!((result.mean.dims(), result.variance.dims()), ([5], [5]));
    let options = NormOptions { pool: true, ..options };
    let (mean, variance) = (random([5]), random([5]).abs());
    let pooled = batch_norm_eval(random([2, 6, 9, 5]), gamma, beta, mean, variance, None, &options);
    assert_eq!(pooled.dims(), [2, 3, 4, 5]);
}

#[test]
fn token_operations_have_the_documented_shapes() {
    let x = random([2, 7, 12]);
    assert_eq!(layer_norm(x.clone(), random([12]), random([12]), 1e-5).dims(), [2, 7, 12]);
    assert_eq!(linear(x.clone(), random([12, 9]), Some(random([9])), Activation::Gelu).dims(), [2, 7, 9]);
    assert_eq!(linear_attention(x.clone(), LinearAttentionOptions::new(2, FeatureMap::EluPlusOne)).dims(), [2, 7, 4]);
    assert_eq!(softmax_pool(x.clone(), x.clone()).dims(), [2, 12]);
    assert_eq!(mean_tokens(x).dims(), [2, 12]);
    assert_eq!(cross_entropy(random([3, 4]), random([3, 4])).dims(), [1]);
}

#[test]
#[should_panic(expected = "conv3x3: the weight [7, 4, 3, 3] does not fit the input [1, 6, 6, 5]")]
fn a_convolution_names_both_shapes() {
    conv3x3(random([1, 6, 6, 5]), random([7, 4, 3, 3]), 1);
}

#[test]
#[should_panic(expected = "batch_norm_train: gamma has 4 elements, but the input [1, 6, 6, 5] has 5 channels")]
fn a_normalisation_names_the_vector() {
    batch_norm_train(random([1, 6, 6, 5]), random([4]), random([5]), None, &NormOptions::default());
}

#[test]
#[should_panic(expected = "linear: the weight [5, 3] does not fit the input [2, 4]")]
fn a_linear_map_names_both_shapes() {
    linear(random([2, 4]), random([5, 3]), None, Activation::Identity);
}

#[test]
#[should_panic(expected = "linear_attention: the last dimension of the input [1, 4, 10] is not a multiple of 3 × 2")]
fn attention_names_the_heads() {
    linear_attention(random([1, 4, 10]), LinearAttentionOptions::new(2, FeatureMap::Relu));
}
