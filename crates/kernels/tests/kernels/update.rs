//! The fused updates of parameters against their references and closed forms.

use crate::common::{assert_close, bits, cases, random, values};
use burn::tensor::Tensor;
use proptest::prelude::*;
use tinylsa_kernels::{
    AdamW, AdamWState, ExponentialAverage, Nesterov, NesterovState, adamw, adamw_reference, exponential_average,
    exponential_average_reference, nesterov, nesterov_reference,
};

const ADAMW: AdamW =
    AdamW { learning_rate: 1e-2, beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, weight_decay: 0.1, step: 3 };
const NESTEROV: Nesterov = Nesterov { learning_rate: 0.1, momentum: 0.9, weight_decay: 5e-4 };

fn tensor(seed: u64, length: usize) -> Tensor<2> {
    random(seed, [1, length]).inner()
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn equal_their_references(length in 1_usize..70_000, seed: u64) {
        let gradient = tensor(seed ^ 3, length);
        let state = || AdamWState {
            parameter: tensor(seed, length),
            mean: tensor(seed ^ 1, length),
            mean_square: tensor(seed ^ 2, length).abs(),
        };
        let found = adamw(state(), gradient.clone(), &ADAMW);
        let expected = adamw_reference(state(), gradient.clone(), &ADAMW);
        assert_close("parameter", &found.parameter, &expected.parameter, 1e-5);
        assert_close("mean", &found.mean, &expected.mean, 1e-5);
        assert_close("mean square", &found.mean_square, &expected.mean_square, 1e-5);

        let state = || NesterovState { parameter: tensor(seed, length), velocity: tensor(seed ^ 1, length) };
        let found = nesterov(state(), gradient.clone(), &NESTEROV);
        let expected = nesterov_reference(state(), gradient.clone(), &NESTEROV);
        assert_close("parameter", &found.parameter, &expected.parameter, 1e-5);
        assert_close("velocity", &found.velocity, &expected.velocity, 1e-5);

        let found = exponential_average(tensor(seed, length), gradient.clone(), 0.99);
        assert_close("average", &found, &exponential_average_reference(tensor(seed, length), gradient, 0.99), 1e-6);
    }
}

#[test]
fn slices_are_updated_like_tensors() {
    let [parameter, mean, gradient] = [1, 2, 3].map(|seed| tensor(seed, 1000));
    let mean_square = tensor(4, 1000).abs();
    let state = AdamWState { parameter: parameter.clone(), mean: mean.clone(), mean_square: mean_square.clone() };
    let expected = adamw(state, gradient.clone(), &ADAMW);
    let [mut p, mut m, mut v, g] = [&parameter, &mean, &mean_square, &gradient].map(values);
    ADAMW.update(&mut p, &mut m, &mut v, &g);
    assert_eq!([p, m, v], [&expected.parameter, &expected.mean, &expected.mean_square].map(values));

    let expected =
        nesterov(NesterovState { parameter: parameter.clone(), velocity: mean.clone() }, gradient.clone(), &NESTEROV);
    let [mut p, mut m] = [&parameter, &mean].map(values);
    NESTEROV.update(&mut p, &mut m, &g);
    assert_eq!([p, m], [&expected.parameter, &expected.velocity].map(values));

    let mut average = values(&parameter);
    ExponentialAverage { decay: 0.9 }.update(&mut average, &g);
    let expected = exponential_average(parameter, gradient, 0.9);
    assert_eq!(average, values(&expected));
}

#[test]
#[should_panic(expected = "an update of 3 numbers with a gradient or value of 2")]
fn slices_of_different_lengths_are_a_mistake() {
    ExponentialAverage { decay: 0.9 }.update(&mut [1.0; 3], &[1.0; 2]);
}

#[test]
fn the_first_step_of_adamw_has_the_size_of_the_learning_rate() {
    let zeros = tensor(1, 40).zeros_like();
    let state = AdamWState { parameter: zeros.clone(), mean: zeros.clone(), mean_square: zeros };
    let options = AdamW { step: 1, weight_decay: 0.0, ..ADAMW };
    let gradient = tensor(2, 40);
    let updated = adamw(state, gradient.clone(), &options);
    for (step, gradient) in values(&updated.parameter).iter().zip(values(&gradient)) {
        assert!((step + 0.01 * gradient.signum()).abs() < 1e-5, "{step} for {gradient}");
    }
}

#[test]
fn what_shares_its_memory_with_the_parameter_keeps_its_value() {
    let parameter = tensor(1, 100);
    let before = bits(&parameter);
    let state = NesterovState { parameter: parameter.clone(), velocity: tensor(2, 100) };
    let updated = nesterov(state, tensor(3, 100), &NESTEROV);
    assert_eq!(bits(&parameter), before);
    assert_ne!(bits(&updated.parameter), before);
}

#[test]
fn a_view_is_updated_like_a_copy() {
    let parameter = random(1, [30, 20]).inner().transpose();
    let (velocity, gradient) = (random(2, [20, 30]).inner(), random(3, [30, 20]).inner().transpose());
    let state = || NesterovState { parameter: parameter.clone(), velocity: velocity.clone() };
    let found = nesterov(state(), gradient.clone(), &NESTEROV);
    assert_close("parameter", &found.parameter, &nesterov_reference(state(), gradient, &NESTEROV).parameter, 1e-6);
}

#[test]
fn have_the_same_bits_at_any_number_of_threads() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        pool.install(|| bits(&exponential_average(tensor(1, 300_001), tensor(2, 300_001), 0.9)))
    };
    assert!(with(1) == with(3));
}
