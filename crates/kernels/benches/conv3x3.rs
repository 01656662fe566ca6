//! Convolutions at the sizes of small image classifiers, batch 128.
//!
//! divan reports items per second; an item is a floating-point operation, so `200 Gitem/s` is 200 GFLOP/s.

use burn::tensor::{Device, Distribution, Tensor};
use divan::{Bencher, counter::ItemsCount};
use tinylsa_kernels::{conv3x3, conv3x3_reference};

/// Height and width, input channels, output channels.
const LAYERS: [(usize, usize, usize); 8] =
    [(28, 1, 16), (28, 16, 16), (28, 32, 32), (28, 32, 64), (14, 64, 64), (14, 64, 128), (7, 96, 96), (7, 128, 128)];
const BATCH: usize = 128;

fn main() {
    divan::main();
}

fn tensors((size, inputs, outputs): (usize, usize, usize)) -> (Tensor<4>, Tensor<4>) {
    let device = Device::flex().autodiff();
    let normal = Distribution::Normal(0.0, 1.0);
    (
        Tensor::random([BATCH, size, size, inputs], normal, &device),
        Tensor::random([outputs, inputs, 3, 3], normal, &device),
    )
}

fn operations((size, inputs, outputs): (usize, usize, usize)) -> ItemsCount {
    ItemsCount::new(2 * 9 * BATCH * size * size * inputs * outputs)
}

#[divan::bench(args = LAYERS, max_time = 1)]
fn forward(bencher: Bencher, layer: (usize, usize, usize)) {
    let (x, weight) = tensors(layer);
    let (x, weight) = (x.inner(), weight.inner());
    bencher.counter(operations(layer)).bench(|| conv3x3(x.clone(), weight.clone(), 1));
}

#[divan::bench(args = LAYERS, max_time = 1)]
fn weight_gradient(bencher: Bencher, layer: (usize, usize, usize)) {
    let (x, weight) = tensors(layer);
    let weight = weight.require_grad();
    bencher
        .counter(operations(layer))
        .with_inputs(|| conv3x3(x.clone(), weight.clone(), 1).sum())
        .bench_values(|loss| loss.backward());
}

#[divan::bench(args = LAYERS, max_time = 1)]
fn input_gradient(bencher: Bencher, layer: (usize, usize, usize)) {
    let (x, weight) = tensors(layer);
    let x = x.require_grad();
    bencher
        .counter(operations(layer))
        .with_inputs(|| conv3x3(x.clone(), weight.clone(), 1).sum())
        .bench_values(|loss| loss.backward());
}

#[divan::bench(args = LAYERS, max_time = 1, sample_count = 3)]
fn reference_forward(bencher: Bencher, layer: (usize, usize, usize)) {
    let (x, weight) = tensors(layer);
    let (x, weight) = (x.inner(), weight.inner());
    bencher.counter(operations(layer)).bench(|| conv3x3_reference(x.clone(), weight.clone(), 1));
}
