//! Ten thousand trials whose results are made up.

use std::fs;
use std::path::Path;
use std::time::Instant;

use tinylsa_system::{peak_memory, sha256_hex};
use tinylsa_train::EpochRecord;

use crate::folder::tests::manifest;
use crate::folder::{Digests, Manifest, RunFigures, Status, metrics_lines};
use crate::sweep::{
    FrozenPlan, FrozenTrial, GatherRequest, SweepPlace, SweepPlan, TrialState, gather, plan_trials, status,
};

const VARIANTS: usize = 100;
const SEEDS: usize = 100;

fn sweep(folder: &Path) -> SweepPlan {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/ci.toml");
    let seeds: Vec<String> = (0..SEEDS).map(|seed| seed.to_string()).collect();
    let variant = |index: usize| {
        format!("[[variants]]\nname = \"v{index}\"\nset = [\"train.schedule.last_fraction=0.{:03}\"]\n", index + 1)
    };
    let variants: String = (0..VARIANTS).map(variant).collect();
    let path = folder.join("sweep.toml");
    fs::write(&path, format!("config = {config:?}\nseeds = [{}]\n{variants}", seeds.join(", "))).unwrap();
    SweepPlan::read(&path).unwrap()
}

/// The run directory of a trial as far as it is read.
fn make_up(run_dir: &Path, plan: &FrozenPlan, trial: &FrozenTrial, index: usize) {
    let accuracy = 0.9 + 1e-6 * index as f64;
    let record = |epoch: usize| EpochRecord {
        epoch,
        step: 16 * epoch,
        train_loss: 0.3,
        train_accuracy: accuracy,
        validation_loss: 0.25,
        validation_accuracy: accuracy,
        learning_rate: 1e-3,
        images_per_second: 900.0,
        seconds: 60.0,
        peak_memory: None,
    };
    let history: Vec<EpochRecord> = (1..=10).map(record).collect();
    let metrics = metrics_lines(&history).unwrap();
    let made_up = manifest(Status::Finished);
    let manifest = Manifest {
        experiment: trial.experiment.clone(),
        instruction_set: plan.instruction_set.clone(),
        figures: made_up.figures.clone().map(|figures| RunFigures { kept_epoch: 10, ..figures }),
        digests: Some(Digests::new(trial.name().as_bytes(), b"", &history, None).unwrap()),
        files: [("metrics.jsonl".to_owned(), sha256_hex(metrics.as_bytes()))].into(),
        ..made_up
    };
    fs::create_dir(run_dir).unwrap();
    fs::write(run_dir.join("metrics.jsonl"), metrics).unwrap();
    fs::write(run_dir.join("manifest.json"), manifest.to_bytes().unwrap()).unwrap();
}

/// A release takes a few seconds; run it by `cargo test --release -p tinylsa-experiment --lib ten_thousand -- --ignored
/// --nocapture`. `docs/clusters.md` has the figures.
#[test]
#[ignore = "ten thousand folders take a while without optimisation"]
#[expect(clippy::print_stderr, reason = "the times are what it is run for")]
fn ten_thousand_trials_are_planned_gathered_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = sweep(folder.path());
    let place = SweepPlace { folder: folder.path().join("runs"), data_dir: None, stop: std::sync::Arc::default() };
    let timed = |what: &str, started: Instant| {
        let megabytes = peak_memory().map(|bytes| bytes >> 20);
        eprintln!("{what}: {:.2} s, at most {megabytes:?} MiB so far", started.elapsed().as_secs_f64());
    };
    let started = Instant::now();
    let plan = plan_trials(&sweep, &place).unwrap();
    timed("planned", started);
    assert_eq!(plan.trials.len(), VARIANTS * SEEDS);

    let started = Instant::now();
    for (index, trial) in plan.trials.iter().enumerate().skip(1) {
        make_up(&place.folder.join(trial.name()), &plan, trial, index);
    }
    timed("made up", started);

    let started = Instant::now();
    let states = status(&place.folder).unwrap();
    timed("status", started);
    assert_eq!(states.iter().filter(|trial| trial.state == TrialState::Finished).count(), VARIANTS * SEEDS - 1);

    let started = Instant::now();
    let request = GatherRequest { folder: &place.folder, allow_mixed: false, stop: std::sync::Arc::default() };
    let results = gather(&request).unwrap();
    timed("gathered", started);
    assert_eq!((results.trials.len(), results.missing.len()), (VARIANTS * SEEDS - 1, 1));
    assert_eq!(results.missing[0].name, "v0-seed-0");

    let started = Instant::now();
    let variants = results.variants();
    timed("reported", started);
    assert_eq!((variants.len(), variants[0].name.as_str()), (VARIANTS, "v99"));
    assert_eq!(variants[0].validation_accuracy.count, SEEDS);
    if let Some(bytes) = peak_memory() {
        assert!(bytes < 1 << 30, "{bytes} bytes");
    }
}
