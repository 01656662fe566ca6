//! What a file in half the precision costs, and that it comes back.

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use tinylsa_model::{
    LoadedModel, ModelFile, ModelFileError, Precision, TinyCnnLsa, TinyCnnLsaConfig, state_of, values_of, with_state,
};
use tinylsa_random::{Draw, Purpose};

const NAMES: [&str; 10] = ["bag", "boot", "cap", "coat", "glove", "hat", "scarf", "shirt", "shoe", "sock"];

fn loaded() -> LoadedModel {
    let device = Device::flex();
    let model = TinyCnnLsaConfig::default().init(&device).unwrap().with_initial_weights(5);
    let mut loaded = TinyCnnLsa::from_safetensors(&model.to_safetensors(&NAMES, "made up").unwrap(), &device).unwrap();
    loaded.metadata.temperature = Some(1.25);
    loaded
}

#[test]
fn a_file_in_either_precision_comes_back_as_it_was_written() {
    let device = Device::flex();
    let original = loaded();
    for precision in [Precision::Single, Precision::Half] {
        let bytes = original.to_safetensors(precision).unwrap();
        let read = TinyCnnLsa::from_safetensors(&bytes, &device).unwrap();
        assert_eq!(read.metadata, original.metadata);
        assert_eq!(read.metadata.temperature().to_bits(), 1.25_f64.to_bits());
        assert_eq!(read.to_safetensors(precision).unwrap(), bytes);
    }
}

#[test]
fn half_the_precision_takes_half_the_bytes() {
    let [single, half] = [Precision::Single, Precision::Half].map(|p| loaded().to_safetensors(p).unwrap().len());
    let parameters = TinyCnnLsaConfig::default().cost().parameters();
    assert!(half < 2_000_000, "{half}");
    assert!(single - half >= 2 * parameters, "{single} {half}");
}

/// Each weight moves by at most 2⁻¹¹ of itself, so that logits stay within a hundredth of their own spread.
#[test]
fn rounding_the_weights_moves_the_logits_by_less_than_a_hundredth() {
    const NOISE: Purpose = Purpose::new("test/precision");
    let device = Device::flex();
    let original = loaded();
    let rounded = TinyCnnLsa::from_safetensors(&original.to_safetensors(Precision::Half).unwrap(), &device).unwrap();
    let mut generator = Draw { seed: 1, purpose: NOISE, epoch: 0, index: 0 }.generator();
    let pixels: Vec<f32> = (0..16 * 784).map(|_| generator.random()).collect();
    let images = Tensor::<4>::from_data(TensorData::new(pixels, [16, 1, 28, 28]), &device);
    let [before, after] = [&original, &rounded].map(|loaded| values_of(&loaded.model.forward(images.clone())));
    let mean = before.iter().sum::<f32>() / before.len() as f32;
    let spread = (before.iter().map(|logit| (logit - mean).powi(2)).sum::<f32>() / before.len() as f32).sqrt();
    let moved = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(moved > 0.0 && moved < 0.01 * spread, "{moved} of {spread}");
}

#[test]
fn a_weight_beyond_half_the_precision_is_refused() {
    let mut loaded = loaded();
    let mut state = state_of(&loaded.model);
    state.get_mut("head.bias").unwrap().values[3] = 7e4;
    loaded.model = with_state(loaded.model, &state).unwrap();
    loaded.to_safetensors(Precision::Single).unwrap();
    let error = loaded.to_safetensors(Precision::Half).unwrap_err();
    assert!(matches!(error, ModelFileError::Range { .. }));
    assert_eq!(error.to_string(), "the tensor head.bias holds 70000, expected at most 65504 in 16 bits");
}
