//! Checks on every test image that what the tokens say for each class sums to its logit less its bias, the logit being that
//! of the plain forward pass, and that the rows of the attention of the head sum to 1.
//!
//! ```text
//! cargo run --release --package tinylsa-experiment --example check_evidence -- [MODEL]
//! ```
//!
//! Without a model, the weights that ship. The images are looked for where `cargo xtask evaluate` looks for them
//! (`FASHION_MNIST_DIR`). Fails if a sum is further off than 1e-5 of the largest logit.

#![allow(clippy::print_stdout, reason = "an example shows its result on the terminal")]

use std::error::Error;
use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use tinylsa_data::to_unit;
use tinylsa_experiment::model_images::{ImageRequest, ImagesOf};
use tinylsa_experiment::models::load_model_or_pretrained;
use tinylsa_model::networks::AnyNetwork;
use tinylsa_model::values_of;

const BATCH: usize = 100;
const TOLERANCE: f32 = 1e-5;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).map(PathBuf::from);
    let loaded = load_model_or_pretrained(file.as_deref())?;
    let images = ImagesOf { metadata: &loaded.metadata, file: file.as_deref() };
    let images =
        images.at_hand(&ImageRequest::default())?.ok_or("the images of the weights are not on this machine")?;
    let AnyNetwork::TinyCnnLsa(model) = loaded.model.any() else {
        return Err("the scores of this network are no sums over tokens".into());
    };
    let device = Device::flex();
    let [channels, height, width] = model.config().input.dims();
    let (mut largest, mut of_sums, mut of_rows) = (0.0_f32, 0.0_f32, 0.0_f32);
    for first in (0..images.test.len()).step_by(BATCH) {
        let count = BATCH.min(images.test.len() - first);
        let pixels: Vec<f32> = (first..first + count).flat_map(|index| to_unit(images.test.image(index))).collect();
        let batch = Tensor::<4>::from_data(TensorData::new(pixels, [count, channels, height, width]), &device);
        let trace = model.forward_traced(batch.clone());
        let logits = model.forward(batch);
        let sums = trace.readout.evidence.sum_dim(2).squeeze_dim::<2>(2) + trace.readout.bias.unsqueeze_dim(0);
        largest = largest_of(&logits, largest);
        of_sums = largest_of(&(sums - logits), of_sums);
        of_rows = largest_of(&(trace.readout.attention.sum_dim(2) - 1.0), of_rows);
    }
    println!(
        "{} images: the sums are at most {of_sums:.1e} off, {:.1e} of the largest logit {largest:.2}; the rows at most {of_rows:.1e}",
        images.test.len(),
        of_sums / largest
    );
    if of_sums > TOLERANCE * largest { Err("the evidence does not sum to the logits".into()) } else { Ok(()) }
}

/// The largest magnitude of a tensor, or the one before it.
fn largest_of<const D: usize>(tensor: &Tensor<D>, before: f32) -> f32 {
    values_of(tensor).into_iter().fold(before, |largest, value| largest.max(value.abs()))
}
