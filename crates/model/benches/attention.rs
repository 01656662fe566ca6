//! What linear attention costs and saves beside softmax attention, by the number of tokens: time, and the most memory
//! held at once (the column "max alloc").
//!
//! `cargo bench --package tinylsa-model --bench attention`
//!
//! The network is two blocks of width 64 with four heads on a grid of 7×7, 14×14 or 28×28 tokens, behind one
//! convolution of one input channel, whose share is small. A batch has 16 images.

use burn::tensor::{Device, Tensor};
use divan::{AllocProfiler, Bencher, black_box};
use tinylsa_model::{AttentionConfig, AttentionKind, ImageShape, StageConfig, TinyCnnLsa, TinyCnnLsaConfig};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const BATCH: usize = 16;
/// Height and width of the grid: 49, 196 and 784 tokens.
const GRIDS: [usize; 3] = [7, 14, 28];

fn main() {
    divan::main();
}

fn network(grid: usize, kind: AttentionKind, device: &Device) -> TinyCnnLsa {
    let config = TinyCnnLsaConfig {
        input: ImageShape::grey(grid, grid),
        stages: vec![StageConfig { channels: 64, stride: 1, residual_blocks: 0, pool: false }],
        attention: AttentionConfig { blocks: 2, heads: 4, mlp_width: 128, kind, ..AttentionConfig::default() },
        ..TinyCnnLsaConfig::default()
    };
    config.init(device).expect("the sizes fit together")
}

fn forward(bencher: Bencher<'_, '_>, grid: usize, kind: AttentionKind) {
    let device = Device::flex();
    let model = network(grid, kind, &device);
    let images = Tensor::<4>::ones([BATCH, 1, grid, grid], &device);
    bencher.bench_local(|| black_box(model.forward(images.clone()).into_data()));
}

fn forward_and_backward(bencher: Bencher<'_, '_>, grid: usize, kind: AttentionKind) {
    let device = Device::flex().autodiff();
    let model = network(grid, kind, &device);
    let images = Tensor::<4>::ones([BATCH, 1, grid, grid], &device);
    bencher.bench_local(|| black_box(model.forward_training(images.clone()).logits.sum().backward()));
}

#[divan::bench(args = GRIDS, sample_count = 20)]
fn linear_forward(bencher: Bencher<'_, '_>, grid: usize) {
    forward(bencher, grid, AttentionKind::Linear);
}

#[divan::bench(args = GRIDS, sample_count = 20)]
fn softmax_forward(bencher: Bencher<'_, '_>, grid: usize) {
    forward(bencher, grid, AttentionKind::Softmax);
}

#[divan::bench(args = GRIDS, sample_count = 10)]
fn linear_training(bencher: Bencher<'_, '_>, grid: usize) {
    forward_and_backward(bencher, grid, AttentionKind::Linear);
}

#[divan::bench(args = GRIDS, sample_count = 10)]
fn softmax_training(bencher: Bencher<'_, '_>, grid: usize) {
    forward_and_backward(bencher, grid, AttentionKind::Softmax);
}
