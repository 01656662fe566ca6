//! The fused depthwise convolution against its reference.

use crate::common::{assert_close, bits, cases, random, values, weighted_sum};
use burn::tensor::Tensor;
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;
use tinylsa_kernels::{depthwise3x3, depthwise3x3_reference};

type Operation = fn(Tensor<4>, Tensor<3>, Tensor<1>) -> Tensor<4>;

/// Output and the three gradients, flat.
fn run(operation: Operation, x: &Tensor<4>, weight: &Tensor<3>, bias: &Tensor<1>) -> [Tensor<1>; 4] {
    let (x, weight, bias) = (x.clone().require_grad(), weight.clone().require_grad(), bias.clone().require_grad());
    let output = operation(x.clone(), weight.clone(), bias.clone());
    let gradients = weighted_sum(output.clone()).backward();
    [
        output.inner().flatten(0, 3),
        x.grad(&gradients).expect("x requires a gradient").flatten(0, 3),
        weight.grad(&gradients).expect("the weight requires a gradient").flatten(0, 2),
        bias.grad(&gradients).expect("the bias requires a gradient"),
    ]
}

fn check(x: &Tensor<4>, weight: &Tensor<3>, bias: &Tensor<1>) {
    let found = run(depthwise3x3, x, weight, bias);
    let expected = run(depthwise3x3_reference, x, weight, bias);
    let parts = ["output", "gradient of x", "gradient of the weight", "gradient of the bias"];
    for (what, (found, expected)) in parts.into_iter().zip(found.iter().zip(&expected)) {
        assert_close(&format!("{what} for {:?}", x.dims()), found, expected, 2e-5);
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn equals_the_reference(
        batch in 1_usize..5, height in 1_usize..12, width in 1_usize..12, channels in 1_usize..70, seed: u64,
    ) {
        let x = random(seed, [batch, height, width, channels]);
        check(&x, &random(seed ^ 1, [3, 3, channels]), &random(seed ^ 2, [channels]));
    }
}

#[test]
fn takes_inputs_that_are_not_contiguous() {
    let x = random(5, [2, 17, 9, 11]).permute([0, 3, 2, 1]);
    check(&x, &random(6, [17, 3, 3]).permute([1, 2, 0]), &random(7, [17]));
}

#[test]
fn a_kernel_with_a_single_one_shifts_the_image() {
    let x = random(1, [1, 3, 4, 2]);
    // what lies to the right and below
    let mut weight = vec![0.0; 18];
    weight[16..].fill(1.0);
    let weight = Tensor::<1>::from_floats(weight.as_slice(), &x.device()).reshape([3, 3, 2]);
    let found = values(&depthwise3x3(x.clone(), weight, Tensor::zeros([2], &x.device())));
    let x = values(&x);
    for (position, found) in found.chunks_exact(2).enumerate() {
        let (row, column) = (position / 4, position % 4);
        let expected = if row < 2 && column < 3 { &x[(position + 5) * 2..][..2] } else { &[0.0, 0.0] };
        assert_eq!(found, expected);
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let (x, weight, bias) = (random(1, [37, 7, 7, 96]), random(2, [3, 3, 96]), random(3, [96]));
    let on_threads = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(depthwise3x3, &x, &weight, &bias).map(|part| bits(&part)))
    };
    let one = on_threads(1);
    assert!(one == on_threads(2) && one == on_threads(3));
}
