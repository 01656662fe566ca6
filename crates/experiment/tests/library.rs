//! Experiments as another workspace runs them: from Rust, without the command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tinylsa_experiment::evaluate::{EvaluateRequest, ModelSource, evaluate_model};
use tinylsa_experiment::evaluation::SplitName;
use tinylsa_experiment::finished::FinishedRun;
use tinylsa_experiment::folder::{Manifest, Status, problems};
use tinylsa_experiment::reproduce::reproduce;
use tinylsa_experiment::{
    CompletedRun, EpochRecord, Experiment, ExperimentError, ExplainProgress, MethodId, Progress, RunOptions,
    RunProgress, StartedRun, Unwatched, chain,
};

const SMALL: [&str; 6] = [
    "data.synthetic.train=60",
    "data.synthetic.test=20",
    "data.validation=20",
    "train.batch_size=10",
    "train.epochs=2",
    "explain.enabled=false",
];

fn experiment(more: &[&str]) -> Result<Experiment, ExperimentError> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/ci.toml");
    let overrides: Vec<String> = SMALL.iter().chain(more).map(|&text| text.to_owned()).collect();
    Ok(Experiment::from_file(&config, &overrides)?)
}

fn into(out: PathBuf) -> RunOptions {
    RunOptions { out: Some(out), ..RunOptions::default() }
}

fn digest(run: &CompletedRun) -> String {
    run.manifest.digests.as_ref().unwrap().all.clone()
}

/// Writes down what it is told, and stops the run after some steps.
struct Watch {
    stop_after: usize,
    stop: Arc<AtomicBool>,
    steps: usize,
    epochs: Vec<usize>,
    run_dir: PathBuf,
    parameters: usize,
    explained: Vec<String>,
}

impl Watch {
    fn new(stop_after: usize, stop: &Arc<AtomicBool>) -> Self {
        Self {
            stop_after,
            stop: Arc::clone(stop),
            steps: 0,
            epochs: Vec::new(),
            run_dir: PathBuf::new(),
            parameters: 0,
            explained: Vec::new(),
        }
    }
}

impl RunProgress for Watch {
    fn run_started(&mut self, run: &StartedRun<'_>) {
        run.path.clone_into(&mut self.run_dir);
        self.parameters = run.cost.parameters();
    }
}

impl Progress for Watch {
    fn epoch_started(&mut self, _epoch: usize, _epochs: usize, _images: usize) {}

    fn step_done(&mut self, _images: usize, _loss: f64, _accuracy: f64) {
        self.steps += 1;
        if self.steps == self.stop_after {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn epoch_finished(&mut self, record: &EpochRecord, _best: bool) {
        self.epochs.push(record.epoch);
    }

    fn checkpoint_written(&mut self, _path: &Path) {}
}

impl ExplainProgress for Watch {
    fn explained(&mut self, image: &str, method: MethodId) {
        self.explained.push(format!("{image} by {method}"));
    }
}

#[test]
fn a_run_that_was_stopped_is_resumed_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = experiment(&[]).unwrap();
    let whole = experiment.run(&into(folder.path().join("whole")), &mut Unwatched).unwrap();
    assert!(problems(&whole.path).is_empty() && !whole.was_finished);

    let options = into(folder.path().join("stopped"));
    let mut watch = Watch::new(5, &options.stop);
    let stopped = experiment.run(&options, &mut watch).unwrap_err();
    assert!(matches!(stopped, ExperimentError::Interrupted(_)), "{stopped:?}");
    assert!(stopped.to_string().contains("interrupted after 1 epoch and 5 steps"), "{stopped}");
    assert_eq!((watch.steps, &watch.epochs), (5, &vec![1]));
    let run_dir = folder.path().join("stopped");
    assert_eq!((&watch.run_dir, watch.parameters), (&run_dir, whole.evaluation.parameters));
    assert_eq!(Manifest::read(&run_dir).unwrap().status, Status::Interrupted);

    let resumed = RunOptions { resume: true, ..into(run_dir.clone()) };
    let mut watch = Watch::new(usize::MAX, &resumed.stop);
    let resumed = experiment.run(&resumed, &mut watch).unwrap();
    assert_eq!((watch.steps, &watch.epochs), (3, &vec![2]));
    assert_eq!(digest(&resumed), digest(&whole));
    assert_eq!(resumed.manifest.continuations.len(), 1);
}

#[test]
fn a_finished_run_is_read_back_measured_again_and_reproduced() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let explained = ["explain.enabled=true", "explain.methods=[\"input-gradient\"]", "explain.scores.enabled=false"];
    let options = into(run_dir.clone());
    let mut watch = Watch::new(usize::MAX, &options.stop);
    let run = experiment(&explained).unwrap().run(&options, &mut watch).unwrap();
    assert_eq!(watch.explained, ["test-3 by input-gradient", "test-7 by input-gradient"]);
    assert_eq!(FinishedRun::read(&run_dir).unwrap().evaluation, run.evaluation);

    let request = EvaluateRequest {
        model: ModelSource::Run(run_dir.clone()),
        split: SplitName::Test,
        collection: tinylsa_experiment::model_images::ImageRequest::default(),
        seed: None,
        stop: Arc::default(),
    };
    assert_eq!(evaluate_model(&request).unwrap().report, run.evaluation);
    let validation = evaluate_model(&EvaluateRequest { split: SplitName::Validation, ..request }).unwrap();
    assert_eq!((validation.report.images, validation.indices.len()), (20, 20));

    let reproduction = reproduce(&run_dir, &RunOptions::default(), &mut Unwatched).unwrap();
    assert!(reproduction.is_same() && reproduction.circumstances.is_empty(), "{reproduction:?}");
    assert_eq!(reproduction.second.path, folder.path().join("run-again"));
}

#[test]
fn a_caller_can_tell_a_wrong_config_from_a_wrong_request_and_from_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let error = experiment(&["train.epochs=0"]).unwrap_err();
    assert!(matches!(&error, ExperimentError::Config(_)) && error.is_usage(), "{error:?}");
    assert!(error.to_string().contains("`train.epochs` is 0"), "{error}");

    // what only these images do not allow is a mistake of the config, too, and leaves no directory behind
    let out = folder.path().join("run");
    let error = experiment(&["train.batch_size=50"]).unwrap().run(&into(out.clone()), &mut Unwatched).unwrap_err();
    assert!(matches!(&error, ExperimentError::Config(_)), "{error:?}");
    assert!(error.to_string().contains("at most the 40 images") && !out.exists(), "{error}");

    let missing = RunOptions { resume: true, ..into(out.clone()) };
    let error = experiment(&[]).unwrap().run(&missing, &mut Unwatched).unwrap_err();
    assert!(matches!(&error, ExperimentError::Usage(_)) && error.is_usage(), "{error:?}");

    let stopped = into(out.clone());
    stopped.stop.store(true, Ordering::Relaxed);
    let error = experiment(&[]).unwrap().run(&stopped, &mut Unwatched).unwrap_err();
    assert!(matches!(&error, ExperimentError::Interrupted(_)) && !error.is_usage(), "{error:?}");
    assert!(!out.exists(), "{error}");

    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("manifest.json"), b"{}").unwrap();
    let error = FinishedRun::read(&out).unwrap_err();
    assert!(matches!(&error, ExperimentError::Failed(_)) && !error.is_usage(), "{error:?}");
    let text = chain(&error);
    assert!(text.contains("manifest.json is not what a run writes: missing field"), "{text}");
}
