//! One attention block on grids of different sizes: how time and memory grow with the number of tokens.

use anyhow::Result;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use tinylsa_model::{AttentionConfig, AttentionKind, ImageShape, StageConfig, TinyCnnLsa, TinyCnnLsaConfig, values_of};
use tinylsa_system::peak_memory;

use super::block::{BlockLength, block, next_block, tell, version};
use crate::protocol::Ready;
use tinylsa_experiment::machine::set_threads;

/// Which passes are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passes {
    /// Forward alone.
    Forward,
    /// Forward and backward, as in training.
    ForwardAndBackward,
}

/// An attention block that is measured, behind one convolution of one channel, whose share is small.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct TokensJob {
    /// Height and width of the grid of tokens.
    pub(crate) grid: usize,
    /// The width of a token.
    pub(crate) width: usize,
    /// The block, whatever the number of blocks and the kind that it names.
    pub(crate) attention: AttentionConfig,
    pub(crate) kind: AttentionKind,
    pub(crate) passes: Passes,
    pub(crate) batch_size: usize,
    pub(crate) threads: usize,
    pub(crate) block: BlockLength,
}

pub(super) fn serve(job: &TokensJob) -> Result<()> {
    set_threads(job.threads)?;
    let device = match job.passes {
        Passes::Forward => Device::flex(),
        Passes::ForwardAndBackward => Device::flex().autodiff(),
    };
    let model = network(job).init(&device)?;
    let images = Tensor::<4>::ones([job.batch_size, 1, job.grid, job.grid], &device);
    let memory = peak_memory();
    let pass = || -> Result<()> {
        run(&model, images.clone(), job.passes);
        Ok(())
    };
    pass()?;
    tell(&Ready { version: version(), difference: None, memory, batch_size: None })?;
    while next_block()?.is_some() {
        pass()?;
        tell(&block(job.block.fill(pass)?, Vec::new()))?;
    }
    Ok(())
}

fn run(model: &TinyCnnLsa, images: Tensor<4>, passes: Passes) {
    match passes {
        Passes::Forward => {
            std::hint::black_box(values_of(&model.forward(images)));
        }
        Passes::ForwardAndBackward => {
            std::hint::black_box(model.forward_training(images).logits.sum().backward());
        }
    }
}

fn network(job: &TokensJob) -> TinyCnnLsaConfig {
    TinyCnnLsaConfig {
        input: ImageShape::grey(job.grid, job.grid),
        stages: vec![StageConfig { channels: job.width, stride: 1, residual_blocks: 0, pool: false }],
        attention: AttentionConfig { blocks: 1, kind: job.kind, ..job.attention.clone() },
        ..TinyCnnLsaConfig::default()
    }
}
