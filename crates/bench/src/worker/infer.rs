//! Evaluation: images on the host to logits on the host.

use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use tinylsa_experiment::models::load_model;
use tinylsa_kernels::profile;
use tinylsa_model::{Classifier, HostTensor, values_of};

use super::block::{BlockLength, block, counted, next_block, tell, version};
use crate::images::read_batch;
use crate::protocol::Ready;
use tinylsa_experiment::machine::set_threads;

/// Calls before the first block.
const WARM_UP: usize = 3;

/// In which form the network is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    /// As it was trained.
    Plain,
    /// With the normalisations folded into the convolutions and the weights packed.
    Folded,
}

/// An evaluation that is measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct InferJob {
    /// A model.safetensors.
    pub(crate) model: PathBuf,
    /// Images as safetensors, as many as the largest batch has.
    pub(crate) batch: PathBuf,
    pub(crate) batch_sizes: Vec<usize>,
    pub(crate) threads: usize,
    pub(crate) form: Form,
    pub(crate) block: BlockLength,
}

pub(super) fn serve(job: &InferJob) -> Result<()> {
    set_threads(job.threads)?;
    let device = Device::flex();
    let model = load_model(&job.model)?.model;
    let folded = model.predictor();
    let images = read_batch(&job.batch)?;
    let evaluate = |batch_size: usize| -> Result<()> {
        let logits = match job.form {
            Form::Plain => values_of(&model.forward(first(&images, batch_size, &device))),
            Form::Folded => folded.logits(pixels(&images, batch_size))?,
        };
        std::hint::black_box(logits);
        Ok(())
    };
    for &batch_size in &job.batch_sizes {
        (0..WARM_UP).try_for_each(|_| evaluate(batch_size))?;
    }
    tell(&Ready { version: version(), difference: None, memory: None, batch_size: None })?;
    while let Some(batch_size) = next_block()? {
        evaluate(batch_size)?;
        profile::start();
        let seconds = job.block.fill(|| evaluate(batch_size))?;
        tell(&block(seconds, counted()))?;
    }
    Ok(())
}

/// The first images of a batch.
fn first(images: &HostTensor, count: usize, device: &Device) -> Tensor<4> {
    let shape = [count, images.shape[1], images.shape[2], images.shape[3]];
    Tensor::from_data(TensorData::new(pixels(images, count).to_vec(), shape), device)
}

fn pixels(images: &HostTensor, count: usize) -> &[f32] {
    &images.values[..count * images.shape[1..].iter().product::<usize>()]
}
