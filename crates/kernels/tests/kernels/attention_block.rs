//! The fused transformer block against its reference.

use crate::common::{assert_close, bits, cases, feature_map, random, weighted_sum};
use burn::tensor::Tensor;
use proptest::prelude::*;
use tinylsa_kernels::{
    AttentionBlockOptions, AttentionBlockParameters, FeatureMap, GateParameters, LocalParameters, PerceptronParameters,
    linear_attention_block, linear_attention_block_reference,
};

type Operation = fn(Tensor<3>, AttentionBlockParameters, &AttentionBlockOptions) -> Tensor<3>;

/// Sizes of a block and of its input.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    grid: [usize; 2],
    heads: usize,
    key_width: Option<usize>,
    /// Features of a head.
    width: usize,
    /// 0 without a perceptron.
    hidden: usize,
    local: bool,
    gate: bool,
}

impl Sizes {
    /// A block of attention and perceptron alone.
    fn plain(batch: usize, tokens: usize, heads: usize, width: usize, hidden: usize) -> Self {
        Self { batch, grid: [tokens, 1], heads, key_width: None, width, hidden, local: false, gate: false }
    }

    fn features(&self) -> usize {
        self.heads * self.width
    }

    fn input(&self) -> [usize; 3] {
        [self.batch, self.grid[0] * self.grid[1], self.features()]
    }

    fn options(&self, feature_map: FeatureMap, epsilon: f64) -> AttentionBlockOptions {
        AttentionBlockOptions { heads: self.heads, key_width: self.key_width, feature_map, epsilon, grid: self.grid }
    }
}

fn parameters(sizes: &Sizes, seed: u64) -> AttentionBlockParameters {
    let features = sizes.features();
    let projected = 2 * sizes.heads * sizes.key_width.unwrap_or(sizes.width) + features;
    let vector = |name: u64, length| random::<1>(seed ^ name, [length]).require_grad();
    let matrix = |name: u64, shape: [usize; 2]| {
        random::<2>(seed ^ name, shape).mul_scalar((shape[0] as f64).sqrt().recip()).inner().detach()
    };
    let matrix = |name: u64, shape| Tensor::from_inner(matrix(name, shape)).require_grad();
    AttentionBlockParameters {
        attention_gamma: vector(1, features),
        attention_beta: vector(2, features),
        query_key_value_weight: matrix(3, [features, projected]),
        query_key_value_bias: vector(4, projected),
        local: sizes.local.then(|| LocalParameters {
            weight: random::<3>(seed.wrapping_add(13), [3, 3, features]).require_grad(),
            bias: vector(14, features),
        }),
        gate: sizes
            .gate
            .then(|| GateParameters { weight: matrix(15, [features, features]), bias: vector(16, features) }),
        projection_weight: matrix(5, [features, features]),
        projection_bias: vector(6, features),
        perceptron: (sizes.hidden > 0).then(|| PerceptronParameters {
            gamma: vector(7, features),
            beta: vector(8, features),
            expand_weight: matrix(9, [features, sizes.hidden]),
            expand_bias: vector(10, sizes.hidden),
            contract_weight: matrix(11, [sizes.hidden, features]),
            contract_bias: vector(12, features),
        }),
    }
}

/// The same parameters without a gradient.
fn plain(p: AttentionBlockParameters) -> AttentionBlockParameters {
    AttentionBlockParameters {
        attention_gamma: p.attention_gamma.inner(),
        attention_beta: p.attention_beta.inner(),
        query_key_value_weight: p.query_key_value_weight.inner(),
        query_key_value_bias: p.query_key_value_bias.inner(),
        local: p.local.map(|local| LocalParameters { weight: local.weight.inner(), bias: local.bias.inner() }),
        gate: p.gate.map(|gate| GateParameters { weight: gate.weight.inner(), bias: gate.bias.inner() }),
        projection_weight: p.projection_weight.inner(),
        projection_bias: p.projection_bias.inner(),
        perceptron: p.perceptron.map(|p| PerceptronParameters {
            gamma: p.gamma.inner(),
            beta: p.beta.inner(),
            expand_weight: p.expand_weight.inner(),
            expand_bias: p.expand_bias.inner(),
            contract_weight: p.contract_weight.inner(),
            contract_bias: p.contract_bias.inner(),
        }),
    }
}

/// The output and the gradients of the input and of every parameter.
fn run(operation: Operation, sizes: &Sizes, map: FeatureMap, seed: u64) -> Vec<(&'static str, Tensor<1>)> {
    let p = parameters(sizes, seed);
    let x = random::<3>(seed, sizes.input()).require_grad();
    let output = operation(x.clone(), p.clone(), &sizes.options(map, 1e-3));
    let gradients = weighted_sum(output.clone()).backward();
    let mut vectors = vec![
        ("attention gamma", &p.attention_gamma),
        ("attention beta", &p.attention_beta),
        ("query, key and value bias", &p.query_key_value_bias),
        ("projection bias", &p.projection_bias),
    ];
    let mut matrices =
        vec![("query, key and value weight", &p.query_key_value_weight), ("projection weight", &p.projection_weight)];
    let mut results =
        vec![("output", output.inner().flatten(0, 2)), ("input", x.grad(&gradients).unwrap().flatten(0, 2))];
    if let Some(local) = &p.local {
        vectors.push(("local bias", &local.bias));
        results.push(("local weight", local.weight.grad(&gradients).unwrap().flatten(0, 2)));
    }
    if let Some(gate) = &p.gate {
        vectors.push(("gate bias", &gate.bias));
        matrices.push(("gate weight", &gate.weight));
    }
    if let Some(perceptron) = &p.perceptron {
        vectors.extend([
            ("perceptron gamma", &perceptron.gamma),
            ("perceptron beta", &perceptron.beta),
            ("expand bias", &perceptron.expand_bias),
            ("contract bias", &perceptron.contract_bias),
        ]);
        matrices
            .extend([("expand weight", &perceptron.expand_weight), ("contract weight", &perceptron.contract_weight)]);
    }
    results.extend(vectors.into_iter().map(|(name, vector)| (name, vector.grad(&gradients).unwrap())));
    let of_matrix = |(name, matrix): (_, &Tensor<2>)| (name, matrix.grad(&gradients).unwrap().flatten(0, 1));
    results.extend(matrices.into_iter().map(of_matrix));
    results
}

fn check(sizes: &Sizes, map: FeatureMap, seed: u64) {
    let found = run(linear_attention_block, sizes, map, seed);
    let expected = run(linear_attention_block_reference, sizes, map, seed);
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        assert_close(&format!("{name} of {sizes:?} with {map:?}"), found, expected, 1e-4);
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn equals_its_reference(
        batch in 1_usize..11, rows in 1_usize..7, columns in 1_usize..7, heads in 1_usize..4, width in 1_usize..40,
        hidden in 0_usize..70, key_width in prop::option::of(1_usize..40), local: bool, gate: bool,
        map in feature_map(), seed: u64,
    ) {
        check(&Sizes { batch, grid: [rows, columns], heads, key_width, width, hidden, local, gate }, map, seed);
    }
}

#[test]
fn equals_its_reference_for_the_sizes_of_networks() {
    let sharp = Sizes { key_width: Some(12), grid: [7, 7], local: true, gate: true, ..Sizes::plain(9, 49, 4, 24, 0) };
    check(&sharp, FeatureMap::SharpExp, 7);
    check(&Sizes { hidden: 192, ..sharp }, FeatureMap::SharpExp, 8);
    for (tokens, heads, width, hidden) in [(49, 4, 24, 192), (49, 4, 32, 256), (196, 3, 16, 96)] {
        check(&Sizes::plain(9, tokens, heads, width, hidden), FeatureMap::EluPlusOne, 5);
    }
}

#[test]
fn without_gradients_the_output_is_the_same() {
    let alone = Sizes::plain(3, 10, 2, 12, 20);
    let gated = Sizes { key_width: Some(5), grid: [5, 2], hidden: 0, local: true, gate: true, ..alone };
    for sizes in [alone, gated] {
        let options = sizes.options(FeatureMap::Softplus, 1e-5);
        let x = random::<3>(3, [3, 10, 24]);
        let tracked = linear_attention_block(x.clone().require_grad(), parameters(&sizes, 4), &options).inner();
        let plain = plain(parameters(&sizes, 4));
        assert_eq!(bits(&linear_attention_block(x.inner(), plain, &options)), bits(&tracked));
    }
}

/// Explanations track the image alone: the gradient of the input must not depend on who else asked for one.
#[test]
fn the_gradient_of_the_input_alone_has_the_same_bits() {
    let alone = Sizes::plain(9, 10, 2, 5, 7);
    for sizes in [alone, Sizes { grid: [2, 5], local: true, gate: true, hidden: 0, ..alone }] {
        let options = sizes.options(FeatureMap::EluPlusOne, 1e-3);
        let of_input = |parameters: AttentionBlockParameters| {
            let x = random::<3>(3, [9, 10, 10]).require_grad();
            let gradients = weighted_sum(linear_attention_block(x.clone(), parameters, &options)).backward();
            bits(&x.grad(&gradients).unwrap())
        };
        assert_eq!(of_input(plain(parameters(&sizes, 3))), of_input(parameters(&sizes, 3)));
    }
}

#[test]
fn has_the_same_bits_at_any_number_of_threads() {
    let sizes = Sizes { grid: [7, 7], local: true, gate: true, ..Sizes::plain(21, 49, 3, 16, 64) };
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
    let sizes = Sizes::plain(1, 2, 2, 12, 20);
    let mut p = parameters(&sizes, 1);
    let perceptron = p.perceptron.as_mut().unwrap();
    perceptron.expand_bias = random(1, [21]);
    perceptron.contract_weight = random(2, [21, 24]);
    linear_attention_block(random(3, [1, 2, 24]), p, &sizes.options(FeatureMap::Relu, 1e-5));
}
