//! Convolution and normalisation in evaluation against the two operations by themselves, and against their reference.

use crate::common::{assert_close, bits, cases, random, values, weighted_sum};
use burn::tensor::Tensor;
use proptest::prelude::*;
use tinylsa_kernels::{
    Activation, ConvNormParameters, NormOptions, batch_norm_eval, conv_norm_eval, conv_norm_eval_reference, conv3x3,
};

type Operation = fn(Tensor<4>, ConvNormParameters, [Tensor<1>; 2], Option<Tensor<4>>, usize, &NormOptions) -> Tensor<4>;

/// The same by one operation for each.
fn by_parts(
    x: Tensor<4>,
    ConvNormParameters { weight, gamma, beta }: ConvNormParameters,
    [mean, variance]: [Tensor<1>; 2],
    residual: Option<Tensor<4>>,
    stride: usize,
    options: &NormOptions,
) -> Tensor<4> {
    batch_norm_eval(conv3x3(x, weight, stride), gamma, beta, mean, variance, residual, options)
}

#[derive(Clone, Copy, Debug)]
struct Case {
    dims: [usize; 4],
    outputs: usize,
    stride: usize,
    activation: Activation,
    with_residual: bool,
    pool: bool,
    /// Whether the weight is trained, too.
    tracked: bool,
    seed: u64,
}

impl Case {
    /// The output, then the gradients of the input, of the residual and of the weight, where there are any.
    fn run(&self, operation: Operation) -> Vec<Tensor<4>> {
        let Self { dims: [batch, height, width, inputs], outputs, stride, activation, pool, seed, .. } = *self;
        let constant = |index: u64| random::<1>(seed ^ index, [outputs]).inner();
        let x = random::<4>(seed, self.dims).require_grad();
        let weight = random::<4>(seed ^ 1, [outputs, inputs, 3, 3]);
        let weight = if self.tracked { weight.require_grad() } else { weight.inner() };
        let parameters = ConvNormParameters { weight: weight.clone(), gamma: constant(2), beta: constant(3) };
        let statistics = [constant(4), constant(5).powf_scalar(2.0).add_scalar(0.1)];
        let dims = [batch, height.div_ceil(stride), width.div_ceil(stride), outputs];
        let residual = self.with_residual.then(|| random::<4>(seed ^ 6, dims).require_grad());
        let options = NormOptions { activation, pool, ..NormOptions::default() };
        let output = operation(x.clone(), parameters, statistics, residual.clone(), stride, &options);
        let gradients = weighted_sum(output.clone()).backward();
        let mut all = vec![output.inner(), x.grad(&gradients).expect("x is tracked")];
        all.extend(residual.map(|residual| residual.grad(&gradients).expect("the residual is tracked")));
        if self.tracked {
            all.push(weight.grad(&gradients).expect("the weight is tracked"));
        }
        all
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn has_the_values_of_its_parts(
        batch in 1_usize..5, height in 2_usize..17, width in 2_usize..17, inputs in 1_usize..40, outputs in 1_usize..40,
        stride in 1_usize..3, relu: bool, with_residual: bool, pool: bool, tracked: bool, seed: u64,
    ) {
        let activation = if relu { Activation::Relu } else { Activation::Identity };
        let pool = pool && height.div_ceil(stride) > 1 && width.div_ceil(stride) > 1;
        let dims = [batch, height, width, inputs];
        let case = Case { dims, outputs, stride, activation, with_residual, pool, tracked, seed };
        let (found, parts) = (case.run(conv_norm_eval), case.run(by_parts));
        assert_eq!(found.len(), parts.len());
        for (found, parts) in found.iter().zip(&parts) {
            // as numbers: a gradient that does not pass may be a zero of either sign
            assert_eq!(values(found), values(parts), "{case:?}");
        }
    }
}

#[test]
fn equals_the_reference() {
    for (index, activation) in [Activation::Identity, Activation::Relu, Activation::Gelu].into_iter().enumerate() {
        for stride in [1, 2] {
            let case = Case {
                dims: [3, 14, 14, 24],
                outputs: 40,
                stride,
                activation,
                with_residual: index != 1,
                pool: false,
                tracked: false,
                seed: 7,
            };
            for (found, expected) in case.run(conv_norm_eval).iter().zip(&case.run(conv_norm_eval_reference)) {
                assert_close(&format!("{case:?}"), found, expected, 5e-5);
            }
        }
    }
}

#[test]
fn has_the_same_bits_at_any_number_of_threads_and_in_any_batch() {
    let case = |batch| Case {
        dims: [batch, 14, 14, 24],
        outputs: 24,
        stride: 1,
        activation: Activation::Relu,
        with_residual: false,
        pool: false,
        tracked: false,
        seed: 3,
    };
    let with = |threads, batch| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        pool.install(|| case(batch).run(conv_norm_eval).iter().map(bits).collect::<Vec<_>>())
    };
    let one = with(1, 9);
    assert!(one == with(2, 9) && one == with(3, 9));
    let of_two = with(2, 2);
    assert_eq!(of_two[0], one[0][..of_two[0].len()], "random images begin alike in batches of any size");
}
