//! The same training with the fused operations and with their references in stock burn operations.

mod common;

use common::plain_recipe;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use tinylsa_data::{AugmentationConfig, SyntheticConfig, synthetic_garments};
use tinylsa_model::{State, TinyCnnLsa, TinyCnnLsaConfig, load_predictor, state_of};
use tinylsa_train::{
    EmaConfig, NesterovConfig, OptimizerConfig, OptimizerKind, ScheduleConfig, Silent, TrainConfig, TrainingOutcome,
    TrainingPlan, train,
};

const STEPS: usize = 20;
const BATCH: usize = 8;

/// How far a tensor of weights may be from the other training's, relative to its norm. Rounding differs from the first
/// operation on; a step of gradient descent is linear in the gradient, so that nothing but the training itself amplifies
/// it. (Adam would: it makes a full step of a gradient that is nothing but rounding.)
const TOLERANCE: f64 = 1e-3;

fn weights_after_training() -> State {
    let garments = synthetic_garments(&SyntheticConfig { train: STEPS * BATCH, test: 10, seed: 3 }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let nesterov = NesterovConfig { learning_rate: 0.02, ..NesterovConfig::default() };
    let plan = TrainingPlan {
        model: TinyCnnLsaConfig::default(),
        train: TrainConfig {
            batch_size: BATCH,
            label_smoothing: 0.05,
            prefetch: 1,
            schedule: ScheduleConfig { warmup_epochs: 0.25, last_fraction: 0.01 },
            // the average is the weights themselves
            ema: EmaConfig { decay: 0.0, warmup: 10.0 },
            optimizer: OptimizerConfig { nesterov, ..OptimizerConfig::new(OptimizerKind::Nesterov) },
            augmentation: AugmentationConfig::default(),
            ..plain_recipe()
        },
        seed: 0,
        dataset: Arc::new(garments.train),
        train_indices: (0..(STEPS * BATCH) as u32).collect(),
        validation_indices: (0..10).collect(),
        device: Device::flex(),
        checkpoints: folder.path().to_owned(),
        load_teacher: load_predictor::<TinyCnnLsa>,
    };
    match train(&plan, &AtomicBool::new(false), &mut Silent).unwrap() {
        TrainingOutcome::Finished(trained) => state_of(&trained.model),
        TrainingOutcome::Interrupted { .. } => panic!("nobody asked for a stop"),
    }
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn twenty_steps_of_the_default_network_agree() {
    let fused = weights_after_training();
    tinylsa_kernels::use_references(true);
    let reference = weights_after_training();
    tinylsa_kernels::use_references(false);
    assert_eq!(fused.len(), reference.len());
    let mut differs = false;
    for (name, expected) in &reference {
        let found = &fused[name].values;
        let difference = norm(found.iter().zip(&expected.values).map(|(found, expected)| found - expected));
        let size = norm(expected.values.iter().copied());
        // what began at 0 is as large as its twenty steps, in which the rounding of the others is large
        assert!(difference <= TOLERANCE * size.max(0.1), "{name} differs by {difference} of {size}");
        differs |= difference > 0.0;
    }
    assert!(differs, "the same bits can only come from the same operations");
}
