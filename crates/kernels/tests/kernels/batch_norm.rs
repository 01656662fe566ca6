//! The fused batch normalisation against its reference.

use crate::common::{assert_close, bits, cases, random, values, weighted_sum};
use burn::tensor::Tensor;
use proptest::prelude::*;
use tinylsa_kernels::{
    Activation, BatchNormOutput, NormOptions, batch_norm_eval, batch_norm_eval_reference, batch_norm_train,
    batch_norm_train_reference,
};

type Train = fn(Tensor<4>, Tensor<1>, Tensor<1>, Option<Tensor<4>>, &NormOptions) -> BatchNormOutput;
type Evaluate = fn(Tensor<4>, Tensor<1>, Tensor<1>, Tensor<1>, Tensor<1>, Option<Tensor<4>>, &NormOptions) -> Tensor<4>;

#[derive(Clone, Debug)]
struct Case {
    dims: [usize; 4],
    residual: bool,
    options: NormOptions,
    seed: u64,
}

impl Case {
    /// Values on a grid: those of a pooling window are equal or clearly different, whatever is rounded afterwards.
    fn x(&self) -> Tensor<4> {
        random(self.seed, self.dims).mul_scalar(48).round().div_scalar(16).add_scalar(5)
    }

    /// Away from 0, where the grid would melt into `beta`.
    fn gamma(&self) -> Tensor<1> {
        random(self.seed ^ 3, [self.dims[3]]).abs().add_scalar(0.3).detach().require_grad()
    }

    fn residual(&self) -> Option<Tensor<4>> {
        self.residual.then(|| random(self.seed ^ 2, self.dims).require_grad())
    }

    fn vector(&self, offset: u64) -> Tensor<1> {
        random(self.seed ^ offset, [self.dims[3]]).require_grad()
    }

    /// Output and statistics, then the gradients of x, gamma, beta and the residual, each flattened.
    fn train(&self, operation: Train) -> Vec<Tensor<1>> {
        let (x, gamma, beta, residual) =
            (self.x().detach().require_grad(), self.gamma(), self.vector(4), self.residual());
        let result = operation(x.clone(), gamma.clone(), beta.clone(), residual.clone(), &self.options);
        let gradients = weighted_sum(result.output.clone()).backward();
        let mut all = vec![result.output.inner().flatten(0, 3), result.mean.inner(), result.variance.inner()];
        all.push(x.grad(&gradients).expect("x is tracked").flatten(0, 3));
        all.extend([gamma, beta].map(|vector| vector.grad(&gradients).expect("the vector is tracked")));
        all.extend(residual.map(|x| x.grad(&gradients).expect("the residual is tracked").flatten(0, 3)));
        all
    }

    /// Output, then the gradients of x, gamma, beta, mean, variance and the residual, each flattened.
    fn evaluate(&self, operation: Evaluate) -> Vec<Tensor<1>> {
        let x = self.x().detach().require_grad();
        let [beta, mean] = [4, 5].map(|offset| self.vector(offset));
        let gamma = self.gamma();
        let variance = random(self.seed ^ 6, [self.dims[3]]).abs().add_scalar(0.5).detach().require_grad();
        let residual = self.residual();
        let vectors = [gamma.clone(), beta.clone(), mean.clone(), variance.clone()];
        let output = operation(x.clone(), gamma, beta, mean, variance, residual.clone(), &self.options);
        let gradients = weighted_sum(output.clone()).backward();
        let mut all = vec![output.inner().flatten(0, 3), x.grad(&gradients).expect("x is tracked").flatten(0, 3)];
        all.extend(vectors.map(|vector| vector.grad(&gradients).expect("the vector is tracked")));
        all.extend(residual.map(|x| x.grad(&gradients).expect("the residual is tracked").flatten(0, 3)));
        all
    }

    fn check(&self) {
        let compare = |found: Vec<Tensor<1>>, expected: Vec<Tensor<1>>| {
            assert_eq!(found.len(), expected.len());
            for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_close(&format!("result {index} of {self:?}"), found, expected, 2e-4);
            }
        };
        compare(self.train(batch_norm_train), self.train(batch_norm_train_reference));
        compare(self.evaluate(batch_norm_eval), self.evaluate(batch_norm_eval_reference));
    }
}

fn options(relu: bool, pool: bool) -> NormOptions {
    let activation = if relu { Activation::Relu } else { Activation::Identity };
    NormOptions { activation, pool, ..NormOptions::default() }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn equals_the_reference(
        batch in 1_usize..5, height in 2_usize..10, width in 2_usize..10, channels in 1_usize..50,
        residual: bool, relu: bool, pool: bool, seed: u64,
    ) {
        Case { dims: [batch, height, width, channels], residual, options: options(relu, pool), seed }.check();
    }
}

#[test]
fn equal_values_share_the_gradient_of_the_pooling() {
    for relu in [false, true] {
        let x = Tensor::<4>::ones([2, 4, 4, 3], &random::<1>(0, [1]).device());
        let run = |operation: Evaluate| {
            let x = x.clone().require_grad();
            let vector = |value: f32| random::<1>(0, [3]).zeros_like().add_scalar(value);
            let output =
                operation(x.clone(), vector(1.0), vector(0.5), vector(0.0), vector(1.0), None, &options(relu, true));
            values(&x.grad(&weighted_sum(output).backward()).expect("x is tracked"))
        };
        let (found, expected) = (run(batch_norm_eval), run(batch_norm_eval_reference));
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-5, "{found:?} and {expected:?}");
        }
        for rows in found.chunks_exact(2 * 4 * 3) {
            for (index, gradient) in rows.iter().enumerate() {
                let first_of_window = rows[index % 12 / 6 * 6 + index % 3];
                assert_eq!(gradient.to_bits(), first_of_window.to_bits(), "{found:?}");
            }
        }
    }
}

#[test]
fn the_output_has_mean_beta_and_deviation_gamma() {
    let x = random(1, [8, 9, 9, 4]).mul_scalar(0.1).add_scalar(100);
    let (gamma, beta) = (random(2, [4]).abs().add_scalar(1), random(3, [4]));
    let result =
        batch_norm_train(x, gamma.clone(), beta.clone(), None, &NormOptions { epsilon: 0.0, ..options(false, false) });
    let rows = result.output.reshape([8 * 81, 4]);
    assert_close("mean", &rows.clone().mean_dim(0).reshape([4]), &beta, 1e-3);
    let centred = rows.clone() - rows.mean_dim(0);
    let deviation = (centred.clone() * centred).mean_dim(0).sqrt().reshape([4]);
    assert_close("deviation", &deviation, &gamma, 1e-3);
}

#[test]
fn has_the_same_bits_at_any_number_of_threads() {
    let case = Case { dims: [37, 14, 14, 24], residual: true, options: options(true, true), seed: 5 };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        pool.install(|| case.train(batch_norm_train).iter().map(bits).collect::<Vec<_>>())
    };
    let one = with(1);
    assert!(one == with(2) && one == with(3));
}

#[test]
fn a_constant_channel_stays_finite() {
    let x = Tensor::<4>::full([2, 3, 3, 2], 7.0, &random::<1>(0, [1]).device()).require_grad();
    let result = batch_norm_train(x.clone(), random(1, [2]), random(2, [2]), None, &options(false, false));
    let gradient = x.grad(&weighted_sum(result.output.clone()).backward()).expect("x is tracked");
    assert!(values(&result.output).iter().chain(&values(&gradient)).all(|value| value.is_finite()));
    assert_eq!(values(&result.variance), [0.0, 0.0]);
}
