use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::records::tests::events;
use super::*;
use crate::folder::{problems, read_lines};
use crate::progress::{RunProgress, Unwatched};
use crate::{CompletedRun, Experiment, ExperimentError, ExplainProgress, RunOptions};

const SMALL: [&str; 7] = [
    "data.synthetic.train=60",
    "data.synthetic.test=20",
    "data.validation=20",
    "train.batch_size=10",
    "train.epochs=3",
    "explain.methods=[\"input-gradient\"]",
    "explain.scores.enabled=false",
];

fn experiment(more: &[&str]) -> Experiment {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/ci.toml");
    let overrides: Vec<String> = SMALL.iter().chain(more).map(|&text| text.to_owned()).collect();
    Experiment::from_file(&config, &overrides).unwrap()
}

fn into(out: &Path, resume: bool) -> RunOptions {
    RunOptions { out: Some(out.to_owned()), resume, ..RunOptions::default() }
}

/// Stops a run after some steps, or behind its first explanation.
struct Stopping {
    steps: usize,
    stop: Arc<AtomicBool>,
}

impl RunProgress for Stopping {}

impl Progress for Stopping {
    fn step_done(&mut self, _images: usize, _loss: f64, _accuracy: f64) {
        self.steps -= 1;
        if self.steps == 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl ExplainProgress for Stopping {
    fn explained(&mut self, _image: &str, _method: crate::MethodId) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn interrupted(experiment: &Experiment, out: &Path, resume: bool, steps: usize) {
    let options = into(out, resume);
    let mut progress = Stopping { steps, stop: Arc::clone(&options.stop) };
    let error = experiment.run(&options, &mut progress).unwrap_err();
    assert!(matches!(error, ExperimentError::Interrupted(_)), "{error:?}");
}

/// The values of all events with their steps, in the order of the file.
fn values(run_dir: &Path) -> Vec<(i64, Value)> {
    let events = events(&run_dir.join(EVENTS));
    assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".to_owned())));
    let of = |event: &Event| match &event.what {
        Some(What::Summary(summary)) => summary.value.iter().map(|value| (event.step, value.clone())).collect(),
        Some(What::FileVersion(_)) | None => Vec::new(),
    };
    events.iter().flat_map(of).collect()
}

/// The numbers of every step by their tags, none of them there twice.
fn scalars(run_dir: &Path) -> Vec<BTreeMap<String, f32>> {
    let mut steps: BTreeMap<i64, BTreeMap<String, f32>> = BTreeMap::new();
    for (step, value) in values(run_dir) {
        if let Some(number) = value.number {
            let numbers = steps.entry(step).or_insert_with(|| [("step".to_owned(), step as f32)].into());
            let earlier = numbers.insert(value.tag.clone(), number);
            assert_eq!(earlier, None, "{} of step {step} is there twice", value.tag);
        }
    }
    steps.into_values().collect()
}

/// What a text says in its block of code.
fn texts(run_dir: &Path, tag: &str, language: &str) -> Vec<String> {
    let texts = values(run_dir).into_iter().filter(|(_, value)| value.tag == tag);
    let fence = format!("```{language}\n");
    texts
        .map(|(_, value)| {
            let text = String::from_utf8(value.tensor.unwrap().string_val.remove(0)).unwrap();
            text.strip_prefix(&fence).and_then(|text| text.strip_suffix("```\n")).unwrap().to_owned()
        })
        .collect()
}

#[track_caller]
fn check(run: &CompletedRun) {
    let metrics: Vec<EpochRecord> = read_lines(&run.path.join("metrics.jsonl")).unwrap();
    let expected: Vec<BTreeMap<String, f32>> = metrics
        .iter()
        .map(|record| {
            let numbers = [
                ("step", record.step as f64),
                ("epoch", record.epoch as f64),
                ("loss/train", record.train_loss),
                ("loss/validation", record.validation_loss),
                ("accuracy/train", record.train_accuracy),
                ("accuracy/validation", record.validation_accuracy),
                ("learning_rate", record.learning_rate),
                ("images_per_second", record.images_per_second),
                ("epoch_seconds", record.seconds),
            ];
            let memory = record.peak_memory.map(|bytes| ("peak_memory", bytes as f64));
            numbers.into_iter().chain(memory).map(|(tag, number)| (tag.to_owned(), number as f32)).collect()
        })
        .collect();
    assert_eq!(expected.len(), 3);
    assert_eq!(scalars(&run.path), expected);
    let lines = texts(&run.path, "metrics", "json").concat();
    assert_eq!(lines, fs::read_to_string(run.path.join("metrics.jsonl")).unwrap());
    assert!(run.manifest.files.contains_key(EVENTS));
    assert_eq!(problems(&run.path), Vec::<String>::new());
}

#[test]
fn the_events_of_a_run_are_its_metrics_its_config_and_its_figures() {
    let folder = tempfile::tempdir().unwrap();
    let without = experiment(&[]).run(&into(&folder.path().join("without"), false), &mut Unwatched).unwrap();
    assert!(!without.path.join(EVENTS).exists());
    let run =
        experiment(&["run.tensorboard=true"]).run(&into(&folder.path().join("with"), false), &mut Unwatched).unwrap();
    check(&run);
    assert_eq!(run.manifest.experiment, without.manifest.experiment);
    assert_eq!(run.manifest.digests, without.manifest.digests);

    let values = values(&run.path);
    assert_eq!(texts(&run.path, "config", "toml"), [fs::read_to_string(run.path.join("config.toml")).unwrap()]);
    let images: Vec<&Value> = values
        .iter()
        .map(|(_, value)| value)
        .filter(|value| value.metadata.as_ref().is_some_and(|found| found.data_class() == DataClass::BlobSequence))
        .collect();
    let tags: Vec<&str> = images.iter().map(|value| value.tag.as_str()).collect();
    let charts = ["training-curves", "confusion-matrix", "per-class", "reliability", "explanations"];
    let expected = charts.map(|name| format!("figures/{name}"));
    let expected = [&expected[..], &["explanations/test-3".to_owned(), "explanations/test-7".to_owned()]].concat();
    assert_eq!(tags, expected);
    for value in images {
        let parts = &value.tensor.as_ref().unwrap().string_val;
        let drawn = image::load_from_memory(&parts[2]).unwrap();
        let written = |part: &[u8]| String::from_utf8(part.to_vec()).unwrap().parse::<u32>().unwrap();
        assert_eq!((written(&parts[0]), written(&parts[1])), (drawn.width(), drawn.height()), "{}", value.tag);
    }
}

#[test]
fn a_run_that_is_resumed_repeats_no_step() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let experiment = experiment(&["run.tensorboard=true"]);
    interrupted(&experiment, &out, false, 6);
    assert_eq!(scalars(&out).len(), 1);
    // What a killed process may leave: half of an event.
    let path = out.join(EVENTS);
    let torn = [fs::read(&path).unwrap(), vec![70, 0, 0, 0, 0]].concat();
    fs::write(&path, torn).unwrap();
    interrupted(&experiment, &out, true, 4);
    assert_eq!(scalars(&out).len(), 2);
    let before = fs::read(&path).unwrap();
    // Stopped while it explains, with all epochs done.
    interrupted(&experiment, &out, true, usize::MAX);
    assert!(fs::read(&path).unwrap().starts_with(&before));
    assert_eq!(scalars(&out).len(), 3);
    let run = experiment.run(&into(&out, true), &mut Unwatched).unwrap();
    check(&run);
    assert!(fs::read(&path).unwrap().starts_with(&before));
}

#[test]
fn a_run_that_wants_no_events_any_more_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    interrupted(&experiment(&["run.tensorboard=true"]), &out, false, 6);
    assert!(out.join(EVENTS).is_file());
    let run = experiment(&[]).run(&into(&out, true), &mut Unwatched).unwrap();
    assert!(!out.join(EVENTS).exists() && !run.manifest.files.contains_key(EVENTS));
}

#[test]
fn events_that_cannot_be_written_stop_no_training_but_fail_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = EventFile::new(&folder.path().join("missing"), "");
    let mut silent = Unwatched;
    let mut watched = WithEvents { file: &file, history: Vec::new(), progress: &mut silent, has_failed: false };
    watched.epoch_finished(&tests_record(), true);
    assert!(watched.has_failed);
    let error = file.watching(&[tests_record()], &mut Unwatched).err().expect("there is no directory");
    assert!(format!("{error:#}").contains("events.out.tfevents.tinylsa"), "{error:#}");
}

fn tests_record() -> EpochRecord {
    EpochRecord {
        epoch: 1,
        step: 4,
        train_loss: 1.0,
        train_accuracy: 0.5,
        validation_loss: 1.5,
        validation_accuracy: 0.25,
        learning_rate: 1e-3,
        images_per_second: 100.0,
        seconds: 0.5,
        peak_memory: None,
    }
}
