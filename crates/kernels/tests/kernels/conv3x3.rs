//! The fused convolution against its reference.

use crate::common::{assert_close, bits, cases, random, values, weighted_sum};
use burn::tensor::{Device, Tensor};
use proptest::prelude::*;
use tinylsa_kernels::{conv3x3, conv3x3_reference};

type Operation = fn(Tensor<4>, Tensor<4>, usize) -> Tensor<4>;

/// Output and both gradients.
fn run(operation: Operation, x: &Tensor<4>, weight: &Tensor<4>, stride: usize) -> [Tensor<4>; 3] {
    let (x, weight) = (x.clone().require_grad(), weight.clone().require_grad());
    let output = operation(x.clone(), weight.clone(), stride);
    let gradients = weighted_sum(output.clone()).backward();
    let of_x = x.grad(&gradients).expect("x requires a gradient");
    let of_weight = weight.grad(&gradients).expect("the weight requires a gradient");
    [output.inner(), of_x, of_weight]
}

fn check(x: &Tensor<4>, weight: &Tensor<4>, stride: usize) {
    let found = run(conv3x3, x, weight, stride);
    let expected = run(conv3x3_reference, x, weight, stride);
    for (index, what) in ["output", "gradient of x", "gradient of the weight"].into_iter().enumerate() {
        let what = format!("{what} for {:?} and {:?}, stride {stride}", x.dims(), weight.dims());
        assert_close(&what, &found[index], &expected[index], 2e-5);
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn equals_the_reference(
        batch in 1_usize..5, height in 1_usize..20, width in 1_usize..33,
        inputs in 1_usize..60, outputs in 1_usize..70, stride in 1_usize..3, seed: u64,
    ) {
        check(&random(seed, [batch, height, width, inputs]), &random(seed ^ 1, [outputs, inputs, 3, 3]), stride);
    }

    #[test]
    fn equals_the_reference_for_images_of_few_channels(
        batch in 1_usize..5, height in 1_usize..20, width in 1_usize..33,
        inputs in 1_usize..6, outputs in 1_usize..70, stride in 1_usize..3, seed: u64,
    ) {
        check(&random(seed, [batch, height, width, inputs]), &random(seed ^ 1, [outputs, inputs, 3, 3]), stride);
    }
}

#[test]
fn equals_the_reference_for_the_sizes_of_networks() {
    for (size, inputs, outputs) in [(28, 1, 16), (28, 16, 16), (28, 16, 32), (14, 64, 64), (7, 64, 96), (7, 128, 128)] {
        for stride in [1, 2] {
            check(&random(3, [9, size, size, inputs]), &random(4, [outputs, inputs, 3, 3]), stride);
        }
    }
}

#[test]
fn equals_the_reference_for_the_sizes_of_large_networks() {
    // many channels on small maps: products of more tiles at a time, and kernels of which only the centre counts
    for (batch, size, inputs, outputs) in [(40, 7, 192, 200), (21, 3, 256, 264), (5, 1, 300, 270), (3, 1, 20, 7)] {
        check(&random(12, [batch, size, size, inputs]), &random(13, [outputs, inputs, 3, 3]), 1);
    }
    check(&random(14, [3, 1, 1, 24]), &random(15, [17, 24, 3, 3]), 2);
}

#[test]
fn takes_inputs_that_are_not_contiguous() {
    let x = random(5, [2, 17, 9, 11]).permute([0, 3, 2, 1]);
    let weight = random(6, [3, 3, 8, 17]).permute([2, 3, 0, 1]);
    check(&x, &weight, 1);
}

#[test]
fn a_kernel_with_a_single_one_shifts_the_image() {
    let device = Device::flex();
    let x = random(7, [1, 5, 6, 1]).inner();
    let weight = Tensor::<4>::from_data([[[[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]]], &device);
    let (x, shifted) = (values(&x), values(&conv3x3(x, weight, 1)));
    for row in 0..5 {
        for column in 0..6 {
            let expected = if column < 5 { x[row * 6 + column + 1] } else { 0.0 };
            assert_eq!(shifted[row * 6 + column].to_bits(), expected.to_bits());
        }
    }
}

#[test]
fn has_the_same_bits_at_any_number_of_threads() {
    for (size, inputs, outputs) in [(14, 1, 40), (14, 3, 40), (14, 24, 40), (3, 256, 260), (1, 270, 250)] {
        let (x, weight) = (random(8, [37, size, size, inputs]), random(9, [outputs, inputs, 3, 3]));
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
            pool.install(|| run(conv3x3, &x, &weight, 1).map(|tensor| bits(&tensor)))
        };
        let one = with(1);
        assert!(one == with(2) && one == with(3), "{size}² pixels of {inputs} channels");
    }
}

#[test]
fn finite_differences_agree() {
    let (x, weight) = (random(10, [2, 4, 5, 2]), random(11, [3, 2, 3, 3]));
    let [_, of_x, _] = run(conv3x3, &x, &weight, 2);
    let of_x = values(&of_x);
    let loss = |x: &[f32]| {
        let x = Tensor::<4>::from_data(burn::tensor::TensorData::new(x.to_vec(), [2, 4, 5, 2]), &weight.device());
        f64::from(weighted_sum(conv3x3(x, weight.clone(), 2)).into_scalar::<f32>())
    };
    let start = values(&x);
    for (index, &expected) in of_x.iter().enumerate() {
        let (mut above, mut below) = (start.clone(), start.clone());
        above[index] += 0.5; // the operation is linear, so a wide step loses nothing and rounds less
        below[index] -= 0.5;
        let slope = loss(&above) - loss(&below);
        assert!((slope - f64::from(expected)).abs() < 1e-4, "element {index}: {slope} and {expected}");
    }
}
