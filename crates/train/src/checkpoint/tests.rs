use std::path::{Path, PathBuf};

use burn::tensor::Device;
use tinylsa_model::{StageConfig, TinyCnnLsaConfig, state_of};

use super::counters::tests::{SCHEDULE, counters};
use super::*;
use crate::optimizer::{OptimizerConfig, OptimizerKind};

fn model() -> tinylsa_model::TinyCnnLsa {
    let stage = StageConfig { channels: 8, stride: 2, residual_blocks: 0, pool: true };
    let config = TinyCnnLsaConfig { stages: vec![stage], ..TinyCnnLsaConfig::default() };
    config.init(&Device::flex().autodiff()).unwrap()
}

fn form(kind: OptimizerKind) -> CheckpointForm {
    CheckpointForm {
        experiment: "digest".to_owned(),
        environment: Environment::here(),
        burn_products: false,
        layout: Layout::of(&model(), &OptimizerConfig::new(kind)),
        schedule: SCHEDULE,
    }
}

/// A checkpoint after some steps; moments are 0.5 throughout.
fn sample(kind: OptimizerKind) -> Checkpoint {
    let weights = state_of(&model());
    let optimizer = OptimizerConfig::new(kind);
    let is_trained = |name: &&String| !name.contains("running_");
    let moments = weights.keys().filter(is_trained).map(|name| {
        let lengths = optimizer.moment_lengths(&weights[name].shape);
        (name.clone(), Moments { first: vec![0.5; lengths.first], second: vec![0.5; lengths.second] })
    });
    Checkpoint { optimizer: moments.collect(), average: weights.clone(), weights, counters: counters() }
}

struct Written {
    _dir: tempfile::TempDir,
    path: PathBuf,
    sha256: String,
}

fn written(checkpoint: &Checkpoint) -> Written {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(LAST_CHECKPOINT);
    let sha256 = checkpoint.write(&path).unwrap();
    Written { _dir: dir, path, sha256 }
}

/// What is wrong with a checkpoint that is sealed after a change.
fn refused(change: impl FnOnce(&mut Checkpoint)) -> CheckpointError {
    let mut checkpoint = sample(OptimizerKind::Adamw);
    change(&mut checkpoint);
    let bytes = sealed(&checkpoint.state(), &checkpoint.counters).unwrap().bytes;
    form(OptimizerKind::Adamw).decode(&bytes).unwrap_err()
}

fn problem(path: &Path) -> CheckpointError {
    match form(OptimizerKind::Adamw).read(path).unwrap_err() {
        TrainError::Checkpoint { source, .. } => source,
        other => panic!("{other}"),
    }
}

#[test]
fn a_checkpoint_of_every_rule_comes_back_to_the_bit() {
    for kind in [OptimizerKind::Adamw, OptimizerKind::Nesterov, OptimizerKind::Muon] {
        let written = written(&sample(kind));
        let read = form(kind).read(&written.path).unwrap();
        assert_eq!(read.checkpoint, sample(kind));
        assert_eq!(read.sha256, written.sha256);
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let written = written(&sample(OptimizerKind::Adamw));
    let whole = std::fs::read(&written.path).unwrap();
    let form = form(OptimizerKind::Adamw);
    // The beginning holds lengths, names, checksum and counters; from there on the stride meets every tensor.
    let places = (0..2000).step_by(7).chain((2000..whole.len()).step_by(whole.len() / 150));
    for (flip, place) in places.enumerate() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (flip % 8);
        assert!(form.decode(&bytes).is_err(), "bit {} of byte {place}", flip % 8);
    }
    form.decode(&whole).unwrap();
}

#[test]
fn a_cut_off_checkpoint_and_a_longer_one_are_refused() {
    let written = written(&sample(OptimizerKind::Adamw));
    let bytes = std::fs::read(&written.path).unwrap();
    let changed = [bytes[..bytes.len() - 1].to_vec(), bytes[..20].to_vec(), Vec::new(), [&bytes[..], b"\0"].concat()];
    for bytes in changed {
        std::fs::write(&written.path, bytes).unwrap();
        assert!(problem(&written.path).is_damage());
    }
    std::fs::remove_file(&written.path).unwrap();
    let error = form(OptimizerKind::Adamw).read(&written.path).unwrap_err();
    assert!(matches!(error, TrainError::CheckpointFile { action: "read", .. }));
}

#[test]
fn a_changed_value_is_named_by_the_file_and_the_checksum() {
    let written = written(&sample(OptimizerKind::Adamw));
    let mut bytes = std::fs::read(&written.path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&written.path, bytes).unwrap();
    let text = form(OptimizerKind::Adamw).read(&written.path).unwrap_err().to_string();
    assert!(text.contains(&written.path.display().to_string()) && text.contains(&written.sha256), "{text}");
    assert!(text.contains("it is damaged: the contents have SHA-256"), "{text}");
}

#[test]
fn another_experiment_version_instruction_set_or_processor_is_refused() {
    assert_eq!(refused(|it| it.counters.experiment.push('x')), CheckpointError::OtherExperiment);
    let refused = |change: fn(&mut Environment)| refused(|it| change(&mut it.counters.environment)).to_string();
    let text = refused(|it| it.burn = "0.21.0".to_owned());
    assert!(text.contains("burn 0.21.0") && text.contains(&format!("burn {BURN_VERSION}")), "{text}");
    let text = refused(|it| it.instruction_set = "avx10".to_owned());
    assert!(text.contains("set the environment variable TINYLSA_SIMD=avx10 to resume"), "{text}");

    let mut checkpoint = sample(OptimizerKind::Adamw);
    checkpoint.counters.environment.processor = "avx10".to_owned();
    let bytes = sealed(&checkpoint.state(), &checkpoint.counters).unwrap().bytes;
    let alike = form(OptimizerKind::Adamw);
    alike.decode(&bytes).unwrap();
    let error = CheckpointForm { burn_products: true, ..alike }.decode(&bytes).unwrap_err();
    assert!(error.to_string().contains("processor with avx10"), "{error}");
}

#[test]
fn missing_renamed_additional_and_misshapen_tensors_are_refused_by_name() {
    let name = "head.weight".to_owned();
    let check = |change: &dyn Fn(&mut Checkpoint), expected: &str| {
        assert_eq!(refused(change).to_string(), expected);
    };
    check(&|it| drop(it.weights.remove(&name)), "the tensor weights/head.weight is missing");
    check(&|it| drop(it.average.remove(&name)), "the tensor average/head.weight is missing");
    check(&|it| drop(it.optimizer.remove(&name)), "the tensor first/head.weight is missing");
    let rename = |it: &mut Checkpoint| {
        let moments = it.optimizer.remove(&name).unwrap();
        it.optimizer.insert("head.weights".to_owned(), moments);
    };
    check(&rename, "the tensor first/head.weight is missing");
    let add = |it: &mut Checkpoint| {
        let tensor = it.average[&name].clone();
        it.average.insert("tail".to_owned(), tensor);
    };
    check(&add, "the tensor average/tail belongs to no part of the training");
    check(
        &|it| it.optimizer.get_mut(&name).unwrap().second.truncate(79),
        "the tensor second/head.weight has shape [79], expected [80]",
    );
    check(
        &|it| it.optimizer.get_mut(&name).unwrap().first.clear(),
        "the tensor first/head.weight has shape [0], expected [80]",
    );
    check(
        &|it| it.weights.get_mut(&name).unwrap().shape = vec![80],
        "the tensor weights/head.weight has shape [80], expected [8, 10]",
    );
}

#[test]
fn a_part_that_nobody_knows_is_refused() {
    let checkpoint = sample(OptimizerKind::Adamw);
    let mut state = checkpoint.state();
    state.insert("third/head.bias".to_owned(), HostTensor { shape: vec![1], values: vec![0.0] });
    let bytes = sealed(&state, &checkpoint.counters).unwrap().bytes;
    let error = form(OptimizerKind::Adamw).decode(&bytes).unwrap_err();
    assert_eq!(error, CheckpointError::Unexpected { name: "third/head.bias".to_owned() });
}

#[test]
fn values_that_no_training_comes_to_are_neither_read_nor_written() {
    let poison = |it: &mut Checkpoint| it.average.get_mut("head.bias").unwrap().values[3] = f32::NAN;
    let text = refused(poison).to_string();
    assert!(text.contains("average/head.bias holds NaN at [3]"), "{text}");
    let text = refused(|it| it.optimizer.get_mut("head.bias").unwrap().second[1] = -1.0).to_string();
    assert!(text.contains("second/head.bias holds -1 at position 1, expected a finite number of at least 0"), "{text}");

    let mut checkpoint = sample(OptimizerKind::Adamw);
    poison(&mut checkpoint);
    let dir = tempfile::tempdir().unwrap();
    assert!(checkpoint.write(&dir.path().join(LAST_CHECKPOINT)).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn counters_are_checked_even_if_the_checksum_is_that_of_the_file() {
    let error = refused(|it| it.counters.step = usize::MAX);
    assert!(matches!(error, CheckpointError::Counter { .. }), "{error}");
}
