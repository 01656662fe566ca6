//! A training run that begins with the weights of a file.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use tinylsa_data::{FASHION_MNIST_CLASSES, SyntheticConfig, stratified_split, synthetic_garments};
use tinylsa_model::{AttentionConfig, ModelFile, StageConfig, TinyCnnLsa, TinyCnnLsaConfig, state_of};
use tinylsa_train::{
    CheckpointError, Silent, TrainConfig, TrainError, Training, TrainingOutcome, TrainingPlan, resume, train,
};

use crate::common::{StopAfter, finished, trained};

const SEED: u64 = 3;

/// Two epochs of six steps.
fn plan(folder: &Path) -> TrainingPlan<TinyCnnLsaConfig> {
    let garments = synthetic_garments(&SyntheticConfig { train: 240, test: 10, seed: 0 }).unwrap();
    let split = stratified_split(&garments.train.labels, 40, 0).unwrap();
    let model = TinyCnnLsaConfig {
        stages: vec![StageConfig { channels: 8, stride: 2, residual_blocks: 0, pool: true }],
        attention: AttentionConfig { heads: 2, mlp_width: 16, ..AttentionConfig::default() },
        ..TinyCnnLsaConfig::default()
    };
    let train = TrainConfig { epochs: 2, batch_size: 32, ..TrainConfig::default() };
    TrainingPlan { train, seed: SEED, ..TrainingPlan::new(model, garments.train, split, &folder.join("checkpoints")) }
}

/// The plan that begins with the weights that a seed draws, written to a file.
fn begun(folder: &Path, seed: u64) -> TrainingPlan<TinyCnnLsaConfig> {
    let mut plan = plan(folder);
    let path = folder.join("initial.safetensors");
    let model: TinyCnnLsa = plan.model.init(&plan.device).unwrap().with_initial_weights(seed);
    std::fs::write(&path, model.to_safetensors(&FASHION_MNIST_CLASSES, "none").unwrap()).unwrap();
    plan.train.initial_weights = Some(path);
    plan
}

fn refused(plan: &TrainingPlan<TinyCnnLsaConfig>) -> TrainError {
    Training::start(plan).unwrap_err()
}

#[test]
fn the_weights_of_a_file_are_those_that_the_training_begins_with() {
    let [drawn, same, other] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let drawn = state_of(&trained(&plan(drawn.path())).model);
    assert!(state_of(&trained(&begun(same.path(), SEED)).model) == drawn);
    assert!(state_of(&trained(&begun(other.path(), SEED + 1)).model) != drawn);
}

#[test]
fn a_stop_changes_no_bit_and_other_weights_are_another_experiment() {
    let [whole, stopped] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let expected = state_of(&trained(&begun(whole.path(), 9)).model);
    let plan = begun(stopped.path(), 9);
    let stop = AtomicBool::new(false);
    let outcome = train(&plan, &stop, &mut StopAfter { steps: 8, stop: &stop }).unwrap();
    assert!(matches!(outcome, TrainingOutcome::Interrupted { steps: 8, .. }));
    let again = || resume(&plan, &AtomicBool::new(false), &mut Silent);

    let initial = std::fs::read(plan.train.initial_weights.as_ref().unwrap()).unwrap();
    begun(stopped.path(), 10);
    let error = again().unwrap_err();
    assert!(matches!(error, TrainError::Checkpoint { source: CheckpointError::OtherExperiment, .. }), "{error}");
    std::fs::write(plan.train.initial_weights.as_ref().unwrap(), initial).unwrap();
    assert!(state_of(&finished(again().unwrap()).model) == expected);
}

#[test]
fn weights_of_another_network_and_of_other_classes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = begun(folder.path(), 0);
    let path = plan.train.initial_weights.clone().unwrap();
    let mut classes = FASHION_MNIST_CLASSES;
    classes.swap(0, 1);
    let model = TinyCnnLsa::load(&path, &plan.device).unwrap().model;
    std::fs::write(&path, model.to_safetensors(&classes, "none").unwrap()).unwrap();
    let error = refused(&plan).to_string();
    assert!(error.ends_with("calls class 0 \"Trouser\", expected \"T-shirt/top\" as the dataset"), "{error}");

    plan.model.attention.blocks = 2;
    let error = refused(&plan);
    assert!(matches!(error, TrainError::OtherNetwork { .. }), "{error}");
    std::fs::remove_file(path).unwrap();
    assert!(matches!(refused(&plan), TrainError::InitialWeights { .. }));
}
