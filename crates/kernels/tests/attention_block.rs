//! The fused transformer block against its reference.

mod common;

use burn::tensor::Tensor;
use common::{assert_close, bits, cases, random, weighted_sum};
use proptest::prelude::*;
use tinylsa_kernels::{
    AttentionBlockOptions, AttentionBlockParameters, FeatureMap, linear_attention_block,
    linear_attention_block_reference,
};

type Operation = fn(Tensor<3>, AttentionBlockParameters, &AttentionBlockOptions) -> Tensor<3>;

/// Sizes of a block and of its input.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    tokens: usize,
    heads: usize,
    /// Features of a head.
    width: usize,
    hidden: usize,
}

fn parameters(sizes: &Sizes, seed: u64) -> AttentionBlockParameters {
    let features = sizes.heads * sizes.width;
    let vector = |name: u64, length| random::<1>(seed ^ name, [length]).require_grad();
    let matrix = |name: u64, shape: [usize; 2]| {
        random::<2>(seed ^ name, shape).mul_scalar((shape[0] as f64).sqrt().recip()).inner().detach()
    };
    let matrix = |name: u64, shape| Tensor::from_inner(matrix(name, shape)).require_grad();
    AttentionBlockParameters {
        attention_gamma: vector(1, features),
        attention_beta: vector(2, features),
        query_key_value_weight: matrix(3, [features, 3 * features]),
        query_key_value_bias: vector(4, 3 * features),
        projection_weight: matrix(5, [features, features]),
        projection_bias: vector(6, features),
        perceptron_gamma: vector(7, features),
        perceptron_beta: vector(8, features),
        expand_weight: matrix(9, [features, sizes.hidden]),
        expand_bias: vector(10, sizes.hidden),
        contract_weight: matrix(11, [sizes.hidden, features]),
        contract_bias: vector(12, features),
    }
}

/// The same parameters without a gradient.
fn plain(p: AttentionBlockParameters) -> AttentionBlockParameters {
    AttentionBlockParameters {
        attention_gamma: p.attention_gamma.inner(),
        attention_beta: p.attention_beta.inner(),
        query_key_value_weight: p.query_key_value_weight.inner(),
        query_key_value_bias: p.query_key_value_bias.inner(),
        projection_weight: p.projection_weight.inner(),
        projection_bias: p.projection_bias.inner(),
        perceptron_gamma: p.perceptron_gamma.inner(),
        perceptron_beta: p.perceptron_beta.inner(),
        expand_weight: p.expand_weight.inner(),
        expand_bias: p.expand_bias.inner(),
        contract_weight: p.contract_weight.inner(),
        contract_bias: p.contract_bias.inner(),
    }
}

/// The output and the gradients of the input and of every parameter.
fn run(operation: Operation, sizes: &Sizes, map: FeatureMap, seed: u64) -> Vec<(&'static str, Tensor<1>)> {
    let p = parameters(sizes, seed);
    let x = random::<3>(seed, [sizes.batch, sizes.tokens, sizes.heads * sizes.width]).require_grad();
    let options = AttentionBlockOptions { heads: sizes.heads, feature_map: map, epsilon: 1e-3 };
    let output = operation(x.clone(), p.clone(), &options);
    let gradients = weighted_sum(output.clone()).backward();
    let vectors = [
        ("attention gamma", &p.attention_gamma),
        ("attention beta", &p.attention_beta),
        ("query, key and value bias", &p.query_key_value_bias),
        ("projection bias", &p.projection_bias),
        ("perceptron gamma", &p.perceptron_gamma),
        ("perceptron beta", &p.perceptron_beta),
        ("expand bias", &p.expand_bias),
        ("contract bias", &p.contract_bias),
    ];
    let matrices = [
        ("query, key and value weight", &p.query_key_value_weight),
        ("projection weight", &p.projection_weight),
        ("expand weight", &p.expand_weight),
        ("contract weight", &p.contract_weight),
    ];
    let of_vectors = vectors.into_iter().map(|(name, vector)| (name, vector.grad(&gradients).unwrap()));
    let of_matrices = matrices.into_iter().map(|(name, matrix)| (name, matrix.grad(&gradients).unwrap().flatten(0, 1)));
    [("output", output.inner().flatten(0, 2)), ("input", x.grad(&gradients).unwrap().flatten(0, 2))]
        .into_iter()
        .chain(of_vectors)
        .chain(of_matrices)
        .collect()
}

fn check(sizes: &Sizes, map: FeatureMap, seed: u64) {
    let found = run(linear_attention_block, sizes, map, seed);
    let expected = run(linear_attention_block_reference, sizes, map, seed);
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        assert_close(&format!("{name} of {sizes:?} with {map:?}"), found, expected, 1e-4);
    }
}

fn feature_map() -> impl Strategy<Value = FeatureMap> {
    prop_oneof![
        Just(FeatureMap::EluPlusOne),
        Just(FeatureMap::Relu),
        Just(FeatureMap::Softplus),
        Just(FeatureMap::SharpExp)
    ]
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn equals_its_reference(
        batch in 1_usize..11, tokens in 1_usize..40, heads in 1_usize..4, width in 1_usize..40, hidden in 1_usize..70,
        map in feature_map(), seed: u64,
    ) {
        check(&Sizes { batch, tokens, heads, width, hidden }, map, seed);
    }
}

#[test]
fn equals_its_reference_for_the_sizes_of_networks() {
    for (tokens, heads, width, hidden) in [(49, 4, 24, 192), (49, 4, 32, 256), (196, 3, 16, 96)] {
        check(&Sizes { batch: 9, tokens, heads, width, hidden }, FeatureMap::EluPlusOne, 5);
    }
}

#[test]
fn without_gradients_the_output_is_the_same() {
    let sizes = Sizes { batch: 3, tokens: 10, heads: 2, width: 12, hidden: 20 };
    let options = AttentionBlockOptions { heads: 2, feature_map: FeatureMap::Softplus, epsilon: 1e-5 };
    let x = random::<3>(3, [3, 10, 24]);
    let tracked = linear_attention_block(x.clone().require_grad(), parameters(&sizes, 4), &options).inner();
    let plain = plain(parameters(&sizes, 4));
    assert_eq!(bits(&linear_attention_block(x.inner(), plain, &options)), bits(&tracked));
}

/// Explanations track the image alone: the gradient of the input must not depend on who else asked for one.
#[test]
fn the_gradient_of_the_input_alone_has_the_same_bits() {
    let sizes = Sizes { batch: 9, tokens: 10, heads: 2, width: 5, hidden: 7 };
    let options = AttentionBlockOptions { heads: 2, feature_map: FeatureMap::EluPlusOne, epsilon: 1e-3 };
    let of_input = |parameters: AttentionBlockParameters| {
        let x = random::<3>(3, [9, 10, 10]).require_grad();
        let gradients = weighted_sum(linear_attention_block(x.clone(), parameters, &options)).backward();
        bits(&x.grad(&gradients).unwrap())
    };
    assert_eq!(of_input(plain(parameters(&sizes, 3))), of_input(parameters(&sizes, 3)));
}

#[test]
fn has_the_same_bits_at_any_number_of_threads() {
    let sizes = Sizes { batch: 21, tokens: 49, heads: 3, width: 16, hidden: 64 };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        pool.install(|| {
            let results = run(linear_attention_block, &sizes, FeatureMap::EluPlusOne, 6);
            results.iter().map(|(_, tensor)| bits(tensor)).collect::<Vec<_>>()
        })
    };
    let one = with(1);
    assert!(one == with(2) && one == with(3));
}

#[test]
#[should_panic(expected = "linear_attention_block: the expand weight has shape [24, 20], expected [24, 21]")]
fn a_wrong_shape_is_named() {
    let sizes = Sizes { batch: 1, tokens: 2, heads: 2, width: 12, hidden: 20 };
    let mut p = parameters(&sizes, 1);
    p.expand_bias = random(1, [21]);
    p.contract_weight = random(2, [21, 24]);
    let options = AttentionBlockOptions { heads: 2, feature_map: FeatureMap::Relu, epsilon: 1e-5 };
    linear_attention_block(random(3, [1, 2, 24]), p, &options);
}
