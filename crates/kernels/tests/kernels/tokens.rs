//! The fused operations on tokens and logits against their references.

use crate::common::{assert_close, bits, cases, feature_map, random, values, weighted_sum};
use burn::tensor::Tensor;
use proptest::prelude::*;
use tinylsa_kernels::{
    Activation, FeatureMap, LinearAttentionOptions, add_positions, add_positions_reference, cross_entropy,
    cross_entropy_reference, layer_norm, layer_norm_reference, linear, linear_attention, linear_attention_reference,
    linear_reference, mean_tokens, mean_tokens_reference, softmax_pool, softmax_pool_reference,
};

/// Output and gradients of a function of several tensors, which are flattened on the way in and out.
fn run(inputs: &[Tensor<3>], operation: impl Fn(&[Tensor<3>]) -> Tensor<1>) -> Vec<Tensor<1>> {
    let tracked: Vec<_> = inputs.iter().map(|input| input.clone().require_grad()).collect();
    let output = operation(&tracked);
    let gradients = weighted_sum(output.clone()).backward();
    let of_inputs = tracked.iter().map(|x| x.grad(&gradients).expect("every input is tracked").flatten(0, 2));
    std::iter::once(output.inner()).chain(of_inputs).collect()
}

fn check(
    what: &str,
    inputs: &[Tensor<3>],
    operation: impl Fn(&[Tensor<3>]) -> Tensor<1>,
    reference: impl Fn(&[Tensor<3>]) -> Tensor<1>,
) {
    let (found, expected) = (run(inputs, operation), run(inputs, reference));
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_close(&format!("result {index} of {what}"), found, expected, 1e-4);
    }
}

fn vector(x: &Tensor<3>) -> Tensor<1> {
    x.clone().flatten(0, 2)
}

fn matrix(x: &Tensor<3>) -> Tensor<2> {
    x.clone().squeeze_dim(0)
}

fn check_linear(batch: usize, tokens: usize, features: [usize; 2], activation: Activation, seed: u64) {
    let [inputs, outputs] = features;
    let all = [
        random(seed, [batch, tokens, inputs]),
        random(seed ^ 1, [1, inputs, outputs]),
        random(seed ^ 2, [1, 1, outputs]),
    ];
    check(
        &format!("linear {activation:?} {batch}×{tokens} {features:?}"),
        &all,
        |x| linear(x[0].clone(), matrix(&x[1]), Some(vector(&x[2])), activation).flatten(0, 2),
        |x| linear_reference(x[0].clone(), matrix(&x[1]), Some(vector(&x[2])), activation).flatten(0, 2),
    );
    check(
        "linear without bias",
        &all[..2],
        |x| linear(x[0].clone(), matrix(&x[1]), None, activation).flatten(0, 2),
        |x| linear_reference(x[0].clone(), matrix(&x[1]), None, activation).flatten(0, 2),
    );
}

fn check_attention(batch: usize, tokens: usize, width: usize, options: LinearAttentionOptions, seed: u64) {
    let columns = options.heads * (2 * options.key_width.unwrap_or(width) + width);
    let qkv = random(seed, [batch, tokens, columns]).mul_scalar(3);
    check(
        &format!("attention of {batch}×{tokens} tokens, {width} values a head, {options:?}"),
        &[qkv],
        |x| linear_attention(x[0].clone(), options).flatten(0, 2),
        |x| linear_attention_reference(x[0].clone(), options).flatten(0, 2),
    );
}

fn activation() -> impl Strategy<Value = Activation> {
    prop_oneof![Just(Activation::Identity), Just(Activation::Relu), Just(Activation::Gelu)]
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn linear_equals_its_reference(
        batch in 1_usize..4, tokens in 1_usize..70, inputs in 1_usize..70, outputs in 1_usize..70,
        activation in activation(), seed: u64,
    ) {
        check_linear(batch, tokens, [inputs, outputs], activation, seed);
    }

    #[test]
    fn attention_equals_its_reference(
        batch in 1_usize..4, tokens in 1_usize..60, heads in 1_usize..5, width in 1_usize..40,
        key_width in prop::option::of(1_usize..40), feature_map in feature_map(), seed: u64,
    ) {
        check_attention(batch, tokens, width, LinearAttentionOptions { heads, key_width, feature_map }, seed);
    }

    #[test]
    fn layer_norm_equals_its_reference(batch in 1_usize..4, tokens in 1_usize..70, width in 2_usize..70, seed: u64) {
        let x = random(seed, [batch, tokens, width]).mul_scalar(2).add_scalar(1);
        check(
            "layer_norm",
            &[x, random(seed ^ 1, [1, 1, width]), random(seed ^ 2, [1, 1, width])],
            |x| layer_norm(x[0].clone(), vector(&x[1]), vector(&x[2]), 1e-3).flatten(0, 2),
            |x| layer_norm_reference(x[0].clone(), vector(&x[1]), vector(&x[2]), 1e-3).flatten(0, 2),
        );
    }

    #[test]
    fn add_positions_equals_its_reference(batch in 1_usize..9, tokens in 1_usize..60, width in 1_usize..70, seed: u64) {
        check(
            "add_positions",
            &[random(seed, [batch, tokens, width]), random(seed ^ 1, [1, tokens, width])],
            |x| add_positions(x[0].clone(), matrix(&x[1])).flatten(0, 2),
            |x| add_positions_reference(x[0].clone(), matrix(&x[1])).flatten(0, 2),
        );
    }

    #[test]
    fn mean_tokens_equals_its_reference(batch in 1_usize..4, tokens in 1_usize..60, width in 1_usize..70, seed: u64) {
        check(
            "mean_tokens",
            &[random(seed, [batch, tokens, width])],
            |x| mean_tokens(x[0].clone()).flatten(0, 1),
            |x| mean_tokens_reference(x[0].clone()).flatten(0, 1),
        );
    }

    #[test]
    fn softmax_pool_equals_its_reference(
        batch in 1_usize..4, tokens in 1_usize..60, columns in 1_usize..70, size in 0_u8..30, seed: u64,
    ) {
        let scores = random(seed, [batch, tokens, columns]).mul_scalar(f32::from(size));
        check(
            "softmax_pool",
            &[scores, random(seed ^ 1, [batch, tokens, columns])],
            |x| softmax_pool(x[0].clone(), x[1].clone()).flatten(0, 1),
            |x| softmax_pool_reference(x[0].clone(), x[1].clone()).flatten(0, 1),
        );
    }

    #[test]
    fn cross_entropy_equals_its_reference(batch in 1_usize..20, classes in 1_usize..12, seed: u64) {
        let targets = random::<2>(seed ^ 1, [batch, classes]).abs();
        check(
            "cross_entropy",
            &[random(seed, [1, batch, classes]).mul_scalar(20)],
            |x| cross_entropy(matrix(&x[0]), targets.clone()),
            |x| cross_entropy_reference(matrix(&x[0]), targets.clone()),
        );
    }
}

#[test]
fn linear_equals_its_reference_for_the_sizes_of_large_networks() {
    // more sums than a task keeps in the cache, with blocks that are not whole
    for features in [[520, 270], [257, 256], [40, 1700]] {
        check_linear(1, 230, features, Activation::Identity, 3);
    }
}

#[test]
fn linear_has_the_same_bits_at_any_number_of_threads_in_large_networks() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        pool.install(|| {
            let inputs = [random(1, [1, 301, 520]), random(2, [1, 520, 270]), random(3, [1, 1, 270])];
            let results = run(&inputs, |x| {
                linear(x[0].clone(), matrix(&x[1]), Some(vector(&x[2])), Activation::Relu).flatten(0, 2)
            });
            results.iter().map(bits).collect::<Vec<_>>()
        })
    };
    let one = with(1);
    assert!(one == with(2) && one == with(3));
}

#[test]
fn equal_the_references_for_the_sizes_of_networks() {
    for (tokens, width, heads) in [(49, 96, 6), (49, 128, 4), (196, 48, 3)] {
        check_linear(3, tokens, [width, 3 * width], Activation::Gelu, 1);
        for map in
            [FeatureMap::EluPlusOne, FeatureMap::Relu, FeatureMap::Softplus, FeatureMap::Exp, FeatureMap::SharpExp]
        {
            check_attention(3, tokens, width / heads, LinearAttentionOptions::new(heads, map), 2);
        }
    }
}

#[test]
fn attention_of_equal_values_returns_them() {
    let query_and_key = random(1, [2, 9, 24]).mul_scalar(5);
    let value = random(2, [2, 1, 12]).repeat_dim(1, 9);
    for map in [FeatureMap::EluPlusOne, FeatureMap::Relu, FeatureMap::Softplus, FeatureMap::Exp, FeatureMap::SharpExp] {
        let output = linear_attention(
            Tensor::cat(vec![query_and_key.clone(), value.clone()], 2),
            LinearAttentionOptions::new(3, map),
        );
        assert_close("weights add to one", &output, &value, 1e-5);
    }
}

#[test]
fn tokens_may_be_a_view() {
    let x = random(3, [5, 40, 7]).permute([2, 0, 1]).slice([0..7, 1..4, 3..27]);
    let weight = random(4, [30, 24]).transpose();
    let found = linear(x.clone(), weight.clone(), None, Activation::Identity);
    assert_close("linear", &found, &linear_reference(x.clone(), weight, None, Activation::Identity), 1e-5);
    let found = linear_attention(x.clone(), LinearAttentionOptions::new(2, FeatureMap::Softplus));
    assert_close(
        "attention",
        &found,
        &linear_attention_reference(x.clone(), LinearAttentionOptions::new(2, FeatureMap::Softplus)),
        1e-4,
    );
    assert_close("mean", &mean_tokens(x.clone()), &mean_tokens_reference(x.clone()), 1e-5);
    let pooled = softmax_pool(x.clone(), x.clone());
    assert_close("pooling by softmax", &pooled, &softmax_pool_reference(x.clone(), x), 1e-5);
}

#[test]
fn have_the_same_bits_at_any_number_of_threads() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        pool.install(|| {
            let inputs = [
                random(1, [33, 49, 48]),
                random(2, [1, 48, 144]),
                random(3, [1, 1, 144]),
                random(4, [1, 1, 48]),
                random(5, [1, 1, 48]),
            ];
            let results = run(&inputs, |x| {
                let normalised = layer_norm(x[0].clone(), vector(&x[3]), vector(&x[4]), 1e-5);
                let qkv = linear(normalised, matrix(&x[1]), Some(vector(&x[2])), Activation::Gelu);
                let mixed = linear_attention(qkv, LinearAttentionOptions::new(3, FeatureMap::EluPlusOne));
                softmax_pool(x[0].clone(), mixed.clone()).add(mean_tokens(mixed)).flatten(0, 1)
            });
            results.iter().map(bits).collect::<Vec<_>>()
        })
    };
    let one = with(1);
    assert!(one == with(2) && one == with(3));
}

#[test]
fn equal_scores_pool_to_the_mean_and_a_large_one_takes_all() {
    let values = random(1, [2, 49, 10]);
    let even = softmax_pool(values.zeros_like().add_scalar(7), values.clone());
    assert_close("equal scores", &even, &mean_tokens(values.clone()), 1e-6);
    let chosen = values.zeros_like().slice_fill([0..2, 31..32], 200);
    let found = softmax_pool(chosen, values.clone());
    assert_close("one large score", &found, &values.slice([0..2, 31..32]).squeeze_dim(1), 1e-6);
}

#[test]
#[should_panic(expected = "softmax_pool: the values have shape [2, 3, 5], expected [2, 3, 4]")]
fn pooled_values_of_another_shape_are_a_mistake() {
    softmax_pool(random(1, [2, 3, 4]), random(2, [2, 3, 5]));
}

#[test]
fn the_loss_of_a_certain_an_even_and_a_smoothed_prediction() {
    let device = random::<1>(0, [1]).device();
    let logits = Tensor::<2>::from_data([[0.0, 100.0], [0.0, 0.0], [0.0, 3.0_f32.ln()]], &device);
    let targets = Tensor::<2>::from_data([[0.0, 1.0], [0.0, 1.0], [0.5, 0.5]], &device);
    let loss = values(&cross_entropy(logits, targets))[0];
    let expected = (2.0_f32.ln() + 0.5 * 4.0_f32.ln() + 0.5 * (4.0_f32 / 3.0).ln()) / 3.0;
    assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
}

#[test]
#[should_panic(expected = "cross_entropy: targets [1, 3] do not fit the logits [1, 2]")]
fn targets_of_another_shape_are_a_mistake() {
    cross_entropy(random(1, [1, 2]), random(2, [1, 3]));
}
