//! The residual block against the operations that it is made of, and against its reference.

use crate::common::{assert_close, bits, cases, random, weighted_sum};
use burn::tensor::Tensor;
use proptest::prelude::*;
use tinylsa_kernels::{
    Activation, BatchNormOutput, ConvNormParameters, NormOptions, ResidualBlockOutput, batch_norm_train, conv3x3,
    residual_block_train, residual_block_train_reference,
};

type Block = fn(Tensor<4>, [ConvNormParameters; 2], &NormOptions) -> ResidualBlockOutput;

/// The same by one operation for each convolution and normalisation.
fn by_parts(x: Tensor<4>, [first, second]: [ConvNormParameters; 2], options: &NormOptions) -> ResidualBlockOutput {
    let unpooled = NormOptions { pool: false, ..*options };
    let hidden = batch_norm_train(conv3x3(x.clone(), first.weight, 1), first.gamma, first.beta, None, &unpooled);
    let convolved = conv3x3(hidden.output, second.weight, 1);
    let BatchNormOutput { output, mean, variance } =
        batch_norm_train(convolved, second.gamma, second.beta, Some(x), options);
    ResidualBlockOutput { output, statistics: [[hidden.mean, hidden.variance], [mean, variance]] }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    dims: [usize; 4],
    pool: bool,
    seed: u64,
}

impl Case {
    /// Output and statistics, then the gradients of the input and of all parameters, each flattened.
    fn run(&self, block: Block) -> Vec<Tensor<1>> {
        let Self { dims, pool, seed } = *self;
        let channels = dims[3];
        let options = NormOptions { activation: Activation::Relu, pool, ..NormOptions::default() };
        let x = random::<4>(seed, dims).require_grad();
        let parts = [1, 2].map(|part| ConvNormParameters {
            weight: random::<4>(seed ^ part, [channels, channels, 3, 3]).require_grad(),
            gamma: random::<1>(seed ^ (part << 8), [channels]).require_grad(),
            beta: random::<1>(seed ^ (part << 16), [channels]).require_grad(),
        });
        let ResidualBlockOutput { output, statistics } = block(x.clone(), parts.clone(), &options);
        let gradients = weighted_sum(output.clone()).backward();
        let mut all = vec![output.inner().flatten(0, 3)];
        all.extend(statistics.into_iter().flatten().map(Tensor::inner));
        all.push(x.grad(&gradients).expect("x is tracked").flatten(0, 3));
        for ConvNormParameters { weight, gamma, beta } in parts {
            all.push(weight.grad(&gradients).expect("the weight is tracked").flatten(0, 3));
            all.extend([gamma, beta].map(|vector| vector.grad(&gradients).expect("the vector is tracked")));
        }
        all
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn has_the_bits_of_its_parts(
        batch in 1_usize..5, height in 2_usize..12, width in 2_usize..12, channels in 1_usize..40, pool: bool, seed: u64,
    ) {
        let case = Case { dims: [batch, height, width, channels], pool, seed };
        let all = |block: Block| case.run(block).iter().map(bits).collect::<Vec<_>>();
        prop_assert!(all(residual_block_train) == all(by_parts), "{case:?}");
    }
}

#[test]
fn equals_its_reference() {
    // few enough units for none to lie within rounding of the kink of its rectifier
    for (dims, pool) in [([2, 4, 5, 3], false), ([1, 6, 6, 16], false), ([2, 4, 4, 5], true)] {
        let case = Case { dims, pool, seed: 11 };
        let pairs = case.run(residual_block_train).into_iter().zip(case.run(residual_block_train_reference));
        for (index, (found, expected)) in pairs.enumerate() {
            assert_close(&format!("result {index} of {case:?}"), &found, &expected, 5e-4);
        }
    }
}

#[test]
fn passes_gradients_to_what_is_tracked_alone() {
    let part = |seed| ConvNormParameters {
        weight: random(seed, [16, 16, 3, 3]),
        gamma: random(seed ^ 1, [16]),
        beta: random(seed ^ 2, [16]),
    };
    let tracked = random::<1>(9, [16]).require_grad();
    let options = NormOptions { activation: Activation::Relu, ..NormOptions::default() };
    let parts = || [ConvNormParameters { gamma: tracked.clone(), ..part(3) }, part(4)];
    let gradient = |block: Block| {
        let output = block(random(5, [2, 7, 7, 16]), parts(), &options).output;
        bits(&tracked.grad(&weighted_sum(output).backward()).expect("gamma is tracked"))
    };
    assert_eq!(gradient(residual_block_train), gradient(by_parts));
}

#[test]
#[should_panic(expected = "residual_block_train: the weight has shape [4, 3, 3, 3], expected [4, 4, 3, 3]")]
fn a_weight_of_another_shape_is_a_mistake() {
    let part = || ConvNormParameters { weight: random(1, [4, 3, 3, 3]), gamma: random(2, [4]), beta: random(3, [4]) };
    residual_block_train(random(4, [1, 4, 4, 4]), [part(), part()], &NormOptions::default());
}
