//! What is measured of a trained network besides its accuracy: calibration, robustness, and what rounding costs.

use crate::common::plain_recipe;

use std::sync::{Arc, LazyLock, atomic::AtomicBool};

use burn::tensor::Device;
use tinylsa_data::{
    Corruption, Dataset, FASHION_MNIST_CLASSES, Severity, SyntheticConfig, corrupted, stratified_split,
    synthetic_garments,
};
use tinylsa_model::{
    InferenceModel, LoadedModel, ModelFile, Precision, StageConfig, TinyCnnLsa, TinyCnnLsaConfig, load_predictor,
};
use tinylsa_train::{
    Logits, ScheduleConfig, Silent, TrainConfig, TrainingOutcome, TrainingPlan, Views, evaluate, fit_temperature,
    predict, robustness, train,
};

/// A small network after a few epochs on synthetic garments, and garments that it has not seen.
struct Trained {
    loaded: LoadedModel,
    test: Dataset,
    indices: Vec<u32>,
}

static TRAINED: LazyLock<Trained> = LazyLock::new(|| {
    let garments = synthetic_garments(&SyntheticConfig { train: 600, test: 300, seed: 0 }).unwrap();
    let split = stratified_split(&garments.train.labels, 50, 0).unwrap();
    let stage = |channels| StageConfig { channels, stride: 2, residual_blocks: 0, pool: false };
    let model = TinyCnnLsaConfig { stages: vec![stage(8), stage(16)], ..TinyCnnLsaConfig::default() };
    let folder = tempfile::tempdir().unwrap();
    let plan = TrainingPlan {
        model,
        train: TrainConfig {
            epochs: 8,
            batch_size: 25,
            label_smoothing: 0.1,
            prefetch: 1,
            schedule: ScheduleConfig { warmup_epochs: 0.5, last_fraction: 0.0 },
            ..plain_recipe()
        },
        seed: 0,
        dataset: Arc::new(garments.train),
        train_indices: split.train.into(),
        validation_indices: split.validation.into(),
        device: Device::flex(),
        checkpoints: folder.path().to_owned(),
        load_teacher: load_predictor::<TinyCnnLsa>,
    };
    let TrainingOutcome::Finished(trained) = train(&plan, &AtomicBool::new(false), &mut Silent).unwrap() else {
        panic!("nobody asked for a stop");
    };
    let bytes = trained.model.to_safetensors(&FASHION_MNIST_CLASSES, "synthetic-garments").unwrap();
    let loaded = TinyCnnLsa::from_safetensors(&bytes, &Device::flex()).unwrap();
    let indices = (0..garments.test.len() as u32).collect();
    Trained { loaded, test: garments.test, indices }
});

fn logits(model: &InferenceModel) -> Logits {
    Logits::of(model, &TRAINED.test, &TRAINED.indices).unwrap()
}

#[test]
fn logits_at_temperature_one_are_the_predictions() {
    let Trained { loaded, test, indices } = &*TRAINED;
    let predictions = predict(&loaded.model.for_inference(), test, indices, Views::Plain).unwrap();
    let from_logits = logits(&loaded.model.for_inference()).predictions(1.0).unwrap();
    assert_eq!(from_logits.labels(), predictions.labels());
    for (left, right) in from_logits.probabilities().iter().zip(predictions.probabilities()) {
        assert!((left - right).abs() < 1e-6, "{left} {right}");
    }
    assert!(predictions.accuracy() > 0.5, "the network was trained: {}", predictions.accuracy());
}

#[test]
fn a_temperature_makes_a_network_more_likely_and_no_less_right() {
    let logits = logits(&TRAINED.loaded.model.for_inference());
    let fit = fit_temperature(&logits, 0).unwrap();
    assert_eq!(fit.images, TRAINED.indices.len());
    // Label smoothing and few epochs leave the network less sure than it is right.
    assert!(fit.temperature < 0.95 && fit.after.nll < fit.before.nll - 1e-3, "{fit:?}");
    assert!(fit.after.ece.value < fit.before.ece.value, "{fit:?}");
    let [before, after] =
        [1.0, fit.temperature].map(|temperature| evaluate(&logits.predictions(temperature).unwrap(), 0).unwrap());
    assert_eq!(before.confusion, after.confusion);
}

#[test]
fn robustness_is_the_accuracy_on_corrupted_images() {
    let Trained { loaded, test, indices } = &*TRAINED;
    let (model, some) = (loaded.model.for_inference(), &indices[100..180]);
    let measured = robustness(&model, test, some, 7).unwrap();
    assert_eq!(measured.images, 80);
    let clean = predict(&model, test, some, Views::Plain).unwrap().accuracy();
    assert!((measured.clean.value - clean).abs() < 1e-12);

    let mut sum = 0.0;
    for (entry, corruption) in measured.corruptions.iter().zip(Corruption::ALL) {
        assert_eq!(entry.corruption, corruption);
        assert_eq!(entry.severities.iter().map(|entry| entry.severity).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        sum += entry.severities.iter().map(|entry| entry.accuracy.value).sum::<f64>();
    }
    assert_eq!(measured.corruptions.len(), Corruption::ALL.len());
    assert!((measured.mean - sum / 20.0).abs() < 1e-12);

    // A cell measured by hand, image by image.
    let severity = Severity::new(2).unwrap();
    let right = some.iter().filter(|&&index| {
        let one = corrupted(test, &[index], Corruption::GaussianNoise, severity, 7);
        predict(&model, &one, &[0], Views::Plain).unwrap().accuracy() > 0.5
    });
    let by_hand = right.count() as f64 / 80.0;
    assert!((measured.corruptions[0].severities[1].accuracy.value - by_hand).abs() < 1e-12);

    // Almost no contrast is left, and the network sees little in what is.
    assert!(measured.corruptions[3].severities[4].accuracy.value < clean - 0.1, "{measured:?}");
    assert_eq!(measured, robustness(&model, test, some, 7).unwrap());
}

/// A weight moves by at most 2⁻¹¹ of itself, a logit by less than half a percent of the largest.
#[test]
fn weights_in_16_bits_move_the_logits_of_garments_by_less_than_half_a_percent() {
    let bytes = TRAINED.loaded.to_safetensors(Precision::Half).unwrap();
    let rounded = TinyCnnLsa::from_safetensors(&bytes, &Device::flex()).unwrap();
    assert_eq!(rounded.to_safetensors(Precision::Half).unwrap(), bytes);
    let [before, after] =
        [&TRAINED.loaded, &rounded].map(|loaded| logits(&loaded.model.for_inference()).values().to_vec());
    let moved = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let largest = before.iter().fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
    assert!(moved > 0.0 && moved < 0.005 * largest, "{moved} of {largest}");
}
