//! What a training promises: the same bits however it was interrupted, and a stop that loses nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use tempfile::TempDir;
use tinylsa_data::{
    AugmentationConfig, Dataset, FASHION_MNIST_CLASSES, MixingConfig, SyntheticConfig, stratified_split,
    synthetic_garments,
};
use tinylsa_model::{
    AttentionConfig, ModelFile, StageConfig, State, TinyCnnLsa, TinyCnnLsaConfig, load_predictor, state_of,
};
use tinylsa_train::{
    BEST_CHECKPOINT, CheckpointError, DistillationConfig, EpochRecord, KeptEpoch, LAST_CHECKPOINT, OptimizerConfig,
    OptimizerKind, Progress, ScheduleConfig, Silent, TrainConfig, TrainError, TrainingOutcome, TrainingPlan, Views,
    evaluate, predict, resume, train,
};

use crate::common::{StopAfter, finished, measured, plain_recipe, trained};

fn model() -> TinyCnnLsaConfig {
    let stage = |channels, residual_blocks, pool| StageConfig { channels, stride: 1, residual_blocks, pool };
    TinyCnnLsaConfig {
        stages: vec![StageConfig { channels: 4, stride: 2, residual_blocks: 0, pool: false }, stage(8, 1, true)],
        attention: AttentionConfig { heads: 2, mlp_width: 16, ..AttentionConfig::default() },
        ..TinyCnnLsaConfig::default()
    }
}

type Plan = TrainingPlan<TinyCnnLsaConfig>;

fn plan(folder: &Path) -> Plan {
    let garments = synthetic_garments(&SyntheticConfig { train: 240, test: 10, seed: 0 }).unwrap();
    let split = stratified_split(&garments.train.labels, 40, 0).unwrap();
    TrainingPlan {
        model: model(),
        train: TrainConfig {
            epochs: 3,
            batch_size: 32,
            label_smoothing: 0.1,
            prefetch: 2,
            schedule: ScheduleConfig { warmup_epochs: 1.0, last_fraction: 0.01 },
            augmentation: AugmentationConfig::default(),
            ..plain_recipe()
        },
        seed: 1,
        dataset: Arc::new(garments.train),
        train_indices: split.train.into(),
        validation_indices: split.validation.into(),
        device: Device::flex(),
        checkpoints: folder.to_owned(),
        load_teacher: load_predictor::<TinyCnnLsa>,
    }
}

/// The weights and measurements of a training that is stopped after these many steps and then resumed.
fn stopped_and_resumed(plan: &Plan, steps: usize) -> (State, Vec<EpochRecord>) {
    let folder = tempfile::tempdir().unwrap();
    let plan = TrainingPlan { checkpoints: folder.path().to_owned(), ..plan.clone() };
    let stop = AtomicBool::new(false);
    let outcome = train(&plan, &stop, &mut StopAfter { steps, stop: &stop }).unwrap();
    match outcome {
        TrainingOutcome::Interrupted { checkpoint, steps: done, .. } => {
            assert_eq!(done, steps);
            assert_eq!(checkpoint, folder.path().join(LAST_CHECKPOINT));
        }
        TrainingOutcome::Finished(_) => panic!("the stop was not heeded"),
    }
    let resumed = finished(resume(&plan, &AtomicBool::new(false), &mut Silent).unwrap());
    (state_of(&resumed.model), measured(&resumed.history))
}

#[test]
fn a_stop_anywhere_changes_no_bit_of_the_result() {
    for kind in [OptimizerKind::Adamw, OptimizerKind::Nesterov, OptimizerKind::Muon] {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan(folder.path());
        plan.train.optimizer = OptimizerConfig::new(kind);
        let whole = trained(&plan);
        // 6 steps an epoch: within the first, at the end of the first, within the last.
        for steps in [2, 6, 17] {
            let (state, history) = stopped_and_resumed(&plan, steps);
            assert!(state == state_of(&whole.model), "{kind:?} stopped after {steps} steps");
            assert_eq!(history, measured(&whole.history));
        }
    }
}

#[test]
fn a_number_of_steps_ends_the_training_within_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path());
    // 6 steps an epoch
    plan.train.steps = Some(8);
    let whole = trained(&plan);
    let ends: Vec<(usize, usize)> = whole.history.iter().map(|record| (record.epoch, record.step)).collect();
    assert_eq!(ends, [(1, 6), (2, 8)]);
    let TrainConfig { schedule, optimizer, .. } = &plan.train;
    let last = optimizer.learning_rate() * schedule.last_fraction;
    assert!((whole.history[1].learning_rate / last - 1.0).abs() < 1e-9, "the rate has run its whole course");
    for steps in [3, 6, 7] {
        let (state, history) = stopped_and_resumed(&plan, steps);
        assert!(state == state_of(&whole.model), "stopped after {steps} steps");
        assert_eq!(history, measured(&whole.history));
    }
}

/// A plan in which images are mixed and an untrained network, whose file it is given, teaches.
fn taught(folder: &Path, teacher: &Path) -> Plan {
    let mut plan = plan(folder);
    let network = plan.model.init(&plan.device).unwrap().with_initial_weights(9);
    std::fs::write(teacher, network.to_safetensors(&FASHION_MNIST_CLASSES, "none").unwrap()).unwrap();
    plan.train.mixing = MixingConfig { probability: 0.5, ..MixingConfig::none() };
    plan.train.distillation = DistillationConfig { teachers: vec![teacher.to_owned()], weight: 0.5 };
    plan
}

#[test]
fn mixtures_and_teachers_change_the_result_and_a_stop_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let plan = taught(folder.path(), &folder.path().join("teacher.safetensors"));
    let whole = trained(&plan);
    let (state, history) = stopped_and_resumed(&plan, 8);
    assert!(state == state_of(&whole.model));
    assert_eq!(history, measured(&whole.history));

    let mut alone = plan.clone();
    alone.train.distillation = DistillationConfig::default();
    let mut unmixed = plan;
    unmixed.train.mixing = MixingConfig::none();
    for other in [alone, unmixed] {
        assert!(state_of(&trained(&other).model) != state);
    }
}

#[test]
fn a_teacher_may_move_but_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    let mut plan = taught(folder.path(), &here);
    plan.train.epochs = 1;
    trained(&plan);
    std::fs::rename(&here, &there).unwrap();
    let refused = |plan: &Plan| resume(plan, &AtomicBool::new(false), &mut Silent).unwrap_err();
    assert!(matches!(refused(&plan), TrainError::Teacher { .. }));
    plan.train.distillation.teachers = vec![there.clone()];
    finished(resume(&plan, &AtomicBool::new(false), &mut Silent).unwrap());
    let other = plan.model.init(&plan.device).unwrap().with_initial_weights(10);
    std::fs::write(&there, other.to_safetensors(&FASHION_MNIST_CLASSES, "none").unwrap()).unwrap();
    assert!(is_of_another_experiment(&refused(&plan)));
}

/// Keeps a copy of the checkpoints up to step 8.
struct KeepStepEight<'a> {
    steps: usize,
    folder: &'a Path,
}

impl Progress for KeepStepEight<'_> {
    fn epoch_started(&mut self, _epoch: usize, _epochs: usize, _images: usize) {}

    fn step_done(&mut self, _images: usize, _loss: f64, _accuracy: f64) {
        self.steps += 1;
    }

    fn epoch_finished(&mut self, _record: &EpochRecord, _best: bool) {}

    fn checkpoint_written(&mut self, path: &Path) {
        if self.steps <= 8 {
            std::fs::copy(path, self.folder.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_killed_training_goes_on_from_its_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path());
    plan.train.checkpoint_steps = 4;
    let whole = trained(&plan);

    // What a process killed after step 10 leaves: the checkpoint of step 8 under the final name.
    let folder = tempfile::tempdir().unwrap();
    plan.checkpoints = folder.path().to_owned();
    let kept = tempfile::tempdir().unwrap();
    train(&plan, &AtomicBool::new(false), &mut KeepStepEight { steps: 0, folder: kept.path() }).unwrap();
    plan.checkpoints = kept.path().to_owned();
    let resumed = finished(resume(&plan, &AtomicBool::new(false), &mut Silent).unwrap());
    assert!(state_of(&resumed.model) == state_of(&whole.model));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let with_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let folder = tempfile::tempdir().unwrap();
            state_of(&trained(&plan(folder.path())).model)
        })
    };
    assert!(with_threads(1) == with_threads(2));
}

#[test]
fn where_batches_are_prepared_changes_no_bit() {
    let with_prefetch = |prefetch: usize| {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan(folder.path());
        plan.train.prefetch = prefetch;
        state_of(&trained(&plan).model)
    };
    assert!(with_prefetch(0) == with_prefetch(3));
}

#[test]
fn a_training_learns_the_synthetic_garments() {
    let folder = tempfile::tempdir().unwrap();
    let garments = synthetic_garments(&SyntheticConfig { train: 2000, test: 400, seed: 0 }).unwrap();
    let split = stratified_split(&garments.train.labels, 200, 0).unwrap();
    let mut plan = plan(folder.path());
    plan.dataset = Arc::new(garments.train);
    plan.train_indices = split.train.into();
    plan.validation_indices = split.validation.into();
    plan.model.stages[0].channels = 16;
    plan.model.stages[1].channels = 32;
    plan.model.stages[1].residual_blocks = 2;
    plan.train.epochs = 10;
    plan.train.augmentation = AugmentationConfig::none();
    plan.train.ema.decay = 0.98;
    let trained = trained(&plan);

    let everything: Vec<u32> = (0..garments.test.len() as u32).collect();
    let predictions = predict(&trained.model.for_inference(), &garments.test, &everything, Views::Plain).unwrap();
    let evaluation = evaluate(&predictions, 0).unwrap();
    assert!(evaluation.accuracy.value > 0.8, "{:?}", evaluation.accuracy);
    assert!(trained.history.last().unwrap().train_loss < trained.history[0].train_loss);
}

#[test]
fn patience_ends_a_training_that_no_longer_improves() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path());
    plan.train.epochs = 50;
    plan.train.patience = 2;
    // The rate is too small to change anything, so the first epoch stays the best.
    plan.train.optimizer.adamw.learning_rate = 1e-9;
    plan.train.ema.decay = 0.0;
    plan.train.norm_momentum = 1e-4;
    let trained = trained(&plan);
    assert_eq!(trained.history.len(), trained.kept_epoch + 2);
}

#[test]
fn the_last_epoch_is_kept_on_request_though_another_is_the_best() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path());
    plan.train.epochs = 4;
    // The rate is too small to change anything, so the first epoch stays the best.
    plan.train.optimizer.adamw.learning_rate = 1e-9;
    plan.train.norm_momentum = 1e-4;
    let best = trained(&plan);
    plan.train.keep = KeptEpoch::Last;
    let last = trained(&plan);
    assert_eq!((best.kept_epoch, last.kept_epoch), (1, 4));
    assert_ne!(state_of(&best.model), state_of(&last.model));
}

#[test]
fn a_loss_that_explodes_stops_the_training_with_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path());
    plan.train.gradient_norm = 0.0;
    plan.train.optimizer = OptimizerConfig::new(OptimizerKind::Nesterov);
    plan.train.optimizer.nesterov.learning_rate = 100.0;
    plan.train.optimizer.nesterov.weight_decay = 1.0;
    plan.train.epochs = 40;
    let error = train(&plan, &AtomicBool::new(false), &mut Silent).unwrap_err();
    let TrainError::NotFinite { step, epoch, checkpoint, .. } = &error else { panic!("{error}") };
    assert!(*step > 0 && *epoch > 0);
    let text = error.to_string();
    match checkpoint {
        Some(path) => assert!(text.contains(&path.display().to_string()), "{text}"),
        None => assert!(text.contains("there is no checkpoint yet"), "{text}"),
    }
}

#[test]
fn a_checkpoint_of_another_plan_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path());
    plan.train.epochs = 1;
    trained(&plan);
    assert!(folder.path().join(BEST_CHECKPOINT).exists());

    let refused = |plan: &Plan| resume(plan, &AtomicBool::new(false), &mut Silent).unwrap_err();
    plan.seed += 1;
    assert!(is_of_another_experiment(&refused(&plan)));
    plan.seed -= 1;
    let mut other: Dataset = (*plan.dataset).clone();
    other.images[0] ^= 1;
    plan.dataset = Arc::new(other);
    assert!(is_of_another_experiment(&refused(&plan)));

    let empty = tempfile::tempdir().unwrap();
    plan.checkpoints = empty.path().to_owned();
    assert!(matches!(refused(&plan), TrainError::NoLastCheckpoint { rescue: None, .. }));
}

fn is_of_another_experiment(error: &TrainError) -> bool {
    matches!(error, TrainError::Checkpoint { source: CheckpointError::OtherExperiment, .. })
}

/// The checkpoints of a training that was stopped after two epochs and a half, in a folder of their own.
fn stopped(plan: &Plan) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plan = TrainingPlan { checkpoints: folder.path().to_owned(), ..plan.clone() };
    let stop = AtomicBool::new(false);
    train(&plan, &stop, &mut StopAfter { steps: 15, stop: &stop }).unwrap();
    folder
}

fn resumed_in(plan: &Plan, folder: &Path) -> Result<TrainingOutcome<TinyCnnLsa>, TrainError> {
    let plan = TrainingPlan { checkpoints: folder.to_owned(), ..plan.clone() };
    resume(&plan, &AtomicBool::new(false), &mut Silent)
}

#[test]
fn a_best_checkpoint_of_another_run_or_moment_is_refused() {
    let plan = plan(Path::new("unused"));
    let [ours, other] = [stopped(&plan), stopped(&plan)];
    let best = ours.path().join(BEST_CHECKPOINT);
    let whole = std::fs::read(&best).unwrap();
    // The times of another run of the same plan differ.
    for foreign in [other.path().join(BEST_CHECKPOINT), ours.path().join(LAST_CHECKPOINT)] {
        std::fs::copy(foreign, &best).unwrap();
        let error = resumed_in(&plan, ours.path()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, TrainError::Checkpoint { source: CheckpointError::OtherBest { .. }, .. }), "{text}");
        assert!(text.contains(&best.display().to_string()), "{text}");
    }
    std::fs::remove_file(&best).unwrap();
    assert!(matches!(resumed_in(&plan, ours.path()), Err(TrainError::CheckpointFile { .. })));
    std::fs::write(&best, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(resumed_in(&plan, ours.path()), Err(TrainError::Checkpoint { .. })));
    std::fs::write(&best, whole).unwrap();
    finished(resumed_in(&plan, ours.path()).unwrap());
}

#[test]
fn a_damaged_last_checkpoint_is_replaced_by_the_best_one_as_the_error_says() {
    let plan = plan(Path::new("unused"));
    let folder = stopped(&plan);
    let [best, last] = [BEST_CHECKPOINT, LAST_CHECKPOINT].map(|name| folder.path().join(name));
    let mut bytes = std::fs::read(&last).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&last, bytes).unwrap();
    let error = resumed_in(&plan, folder.path()).unwrap_err();
    let TrainError::NoLastCheckpoint { rescue: Some(rescue), .. } = &error else { panic!("{error}") };
    assert_eq!((&rescue.best, &rescue.last), (&best, &last));
    let text = error.to_string();
    assert!(text.contains("is damaged") && text.contains("is whole: copy it to"), "{text}");

    std::fs::copy(&best, &last).unwrap();
    let again = finished(resumed_in(&plan, folder.path()).unwrap());
    let whole = tempfile::tempdir().unwrap();
    let whole = trained(&Plan { checkpoints: whole.path().to_owned(), ..plan });
    assert!(state_of(&again.model) == state_of(&whole.model));
    assert_eq!(measured(&again.history), measured(&whole.history));
}

/// Keeps what a kill right after the writing of a best checkpoint leaves.
struct KeepAfterBest<'a> {
    folder: &'a Path,
}

impl Progress for KeepAfterBest<'_> {
    fn epoch_started(&mut self, _epoch: usize, _epochs: usize, _images: usize) {}
    fn step_done(&mut self, _images: usize, _loss: f64, _accuracy: f64) {}
    fn epoch_finished(&mut self, _record: &EpochRecord, _best: bool) {}

    fn checkpoint_written(&mut self, path: &Path) {
        if path.ends_with(BEST_CHECKPOINT) {
            for name in [BEST_CHECKPOINT, LAST_CHECKPOINT] {
                std::fs::copy(path.with_file_name(name), self.folder.join(name)).unwrap();
            }
        }
    }
}

#[test]
fn a_kill_between_the_best_checkpoint_and_the_last_one_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path());
    plan.train.checkpoint_steps = 4;
    let progress = &mut KeepAfterBest { folder: kept.path() };
    let whole = finished(train(&plan, &AtomicBool::new(false), progress).unwrap());
    let again = finished(resumed_in(&plan, kept.path()).unwrap());
    assert!(state_of(&again.model) == state_of(&whole.model));
    assert_eq!(again.kept_epoch, whole.kept_epoch);
}

#[test]
fn weights_that_overflow_stop_the_training_and_leave_no_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path());
    plan.train.gradient_norm = 0.0;
    plan.train.checkpoint_steps = 1;
    plan.train.optimizer = OptimizerConfig::new(OptimizerKind::Nesterov);
    plan.train.optimizer.nesterov.learning_rate = 100.0;
    plan.train.optimizer.nesterov.weight_decay = 1.0;
    plan.train.epochs = 40;
    let error = train(&plan, &AtomicBool::new(false), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { .. }), "{error}");
    // Every checkpoint that was written is whole: resuming ends in the same place.
    let again = resume(&plan, &AtomicBool::new(false), &mut Silent).unwrap_err();
    assert_eq!(again.to_string(), error.to_string());
}

#[test]
fn too_few_images_and_bad_settings_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let check = |change: fn(&mut Plan), expected: &str| {
        let mut plan = plan(folder.path());
        change(&mut plan);
        let error = train(&plan, &AtomicBool::new(false), &mut Silent).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source.unwrap_or_else(|| error.to_string()), expected);
    };
    check(|plan| plan.train.batch_size = 1000, "there are 200 training images, expected at least one batch of 1000");
    check(|plan| plan.model.classes = 9, "training image 9 has label 9, expected less than the network's 9 classes");
    check(|plan| plan.train.epochs = 0, "epochs is 0, expected 1 to 10000");
    check(|plan| plan.train.ema.decay = 1.5, "ema.decay is 1.5, expected 0 to 0.999999");
    check(
        |plan| plan.train.optimizer.adamw.beta_2 = 1.0,
        "optimizer.adamw.beta_2 is 1, expected at least 0 and less than 1",
    );
    check(
        |plan| plan.model.attention.heads = 3,
        "attention.heads is 3, expected a divisor of the last stage's 8 channels",
    );
}
