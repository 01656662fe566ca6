//! What the tests of the operations share: random tensors and the comparison of an operation with its reference.
#![allow(dead_code, unreachable_pub)] // every test binary uses a part of it

use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tinylsa_kernels::FeatureMap;

/// A number of cases that are the same in every run: a value that rounds to the other side of a rectifier's kink is
/// rare, but not impossible.
pub fn cases(count: u32) -> Config {
    Config { cases: count, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Config::default() }
}

/// Every feature map.
pub fn feature_map() -> impl Strategy<Value = FeatureMap> {
    prop_oneof![
        Just(FeatureMap::EluPlusOne),
        Just(FeatureMap::Relu),
        Just(FeatureMap::Softplus),
        Just(FeatureMap::Exp),
        Just(FeatureMap::SharpExp)
    ]
}

/// Values within −1 and 1, named by a seed.
pub fn random<const D: usize>(seed: u64, dims: [usize; D]) -> Tensor<D> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| generator.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, dims), &Device::flex().autodiff())
}

/// A loss that weighs every element differently, so that every element of a gradient is seen.
pub fn weighted_sum<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let weights = random(999, x.dims());
    (x * weights).sum()
}

/// Panics unless two tensors differ by at most `tolerance` relative to the largest element.
pub fn assert_close<const D: usize>(what: &str, found: &Tensor<D>, expected: &Tensor<D>, tolerance: f32) {
    assert_eq!(found.dims(), expected.dims(), "{what}: shapes");
    let (found, expected) = (values(found), values(expected));
    let largest = expected.iter().fold(1e-3_f32, |largest, value| largest.max(value.abs()));
    for (index, (a, b)) in found.iter().zip(&expected).enumerate() {
        let difference = (a - b).abs();
        assert!(difference <= tolerance * largest, "{what}: element {index} is {a}, expected {b}, largest {largest}");
    }
}

/// The elements in row-major order.
pub fn values<const D: usize>(x: &Tensor<D>) -> Vec<f32> {
    x.to_data().iter::<f32>().collect()
}

/// The bits of the elements in row-major order.
pub fn bits<const D: usize>(x: &Tensor<D>) -> Vec<u32> {
    values(x).into_iter().map(f32::to_bits).collect()
}
