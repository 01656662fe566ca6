//! The program as a user runs it: whole experiments, kills, wrong input.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

mod program;
#[path = "program/succeeds.rs"]
mod succeeds;
use program::xtask;
use succeeds::succeeds;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");
const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/base.toml");

fn output(folder: &Path, arguments: &[&str]) -> Output {
    xtask(folder, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code and standard error of a command that must fail.
#[track_caller]
fn fails(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = output(folder, arguments);
    assert!(!output.status.success(), "{}", text(&output.stdout));
    (output.status.code().unwrap(), text(&output.stderr))
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn digest(run: &Path) -> String {
    json(run.join("manifest.json"))["digests"]["all"].as_str().unwrap().to_owned()
}

fn experiment<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["experiment", CONFIG, "--out", out], more].concat()
}

#[test]
fn an_experiment_leaves_a_whole_folder() {
    let folder = tempfile::tempdir().unwrap();
    let said = succeeds(folder.path(), &experiment("run", &[]));
    assert!(said.contains("total") && said.contains("accuracy") && said.contains("digest"), "{said}");
    let run = folder.path().join("run");
    let files = [
        "config.toml",
        "manifest.json",
        "metrics.jsonl",
        "checkpoints/last.safetensors",
        "checkpoints/best.safetensors",
        "model.safetensors",
        "evaluation.json",
        "figures/training-curves.svg",
        "figures/confusion-matrix.svg",
        "report.html",
    ];
    for file in files {
        assert!(run.join(file).metadata().unwrap().len() > 0, "{file}");
    }

    let manifest = json(run.join("manifest.json"));
    assert_eq!(manifest["status"], "finished");
    assert_eq!(manifest["dataset"], "synthetic-garments");
    assert!(manifest["figures"]["images_per_second"].as_f64().unwrap() > 0.0);
    assert!(manifest["figures"]["wall_seconds"].as_f64().unwrap() > 0.0);

    let evaluation = json(run.join("evaluation.json"));
    let rows = evaluation["confusion"].as_array().unwrap();
    let images: u64 = rows.iter().flat_map(|row| row.as_array().unwrap()).map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(images, evaluation["images"].as_u64().unwrap());
    let [low, value, high] = [
        evaluation["accuracy_interval"][0].as_f64().unwrap(),
        evaluation["accuracy"].as_f64().unwrap(),
        evaluation["accuracy_interval"][1].as_f64().unwrap(),
    ];
    assert!(low <= value && value <= high);

    // The resolved config alone gives the same run again.
    let again = succeeds(folder.path(), &["experiment", "run/config.toml", "--out", "again"]);
    assert!(again.contains(&digest(&run)));

    // The same figures from the model file alone.
    let measured = succeeds(folder.path(), &["evaluate", "--model", "run/model.safetensors", "--synthetic", "--json"]);
    let measured: Value = serde_json::from_str(&measured).unwrap();
    for key in ["accuracy", "accuracy_tta", "parameters", "macs", "nll", "ece", "dataset", "split", "images"] {
        assert!(!measured[key].is_null(), "{key}");
    }
    succeeds(folder.path(), &["export", "--model", "run/model.safetensors", "--out", "copy.safetensors"]);
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(bytes("copy.safetensors"), bytes("run/model.safetensors"));
}

/// Starts an experiment and waits until a checkpoint within an epoch is there.
fn until_first_checkpoint(folder: &Path, arguments: &[&str]) -> Child {
    let child = xtask(folder, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let checkpoint = folder.join("run/checkpoints/last.safetensors");
    let started = Instant::now();
    while !checkpoint.exists() {
        assert!(started.elapsed() < Duration::from_mins(1), "no checkpoint");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

/// Enough steps that a kill after the first checkpoint falls into the middle.
const LONGER: [&str; 4] = ["--set", "train.epochs=6", "--set", "train.checkpoint_steps=1"];

#[test]
fn a_run_killed_in_an_epoch_and_resumed_has_the_same_digest() {
    let whole = tempfile::tempdir().unwrap();
    succeeds(whole.path(), &experiment("run", &LONGER));

    let killed = tempfile::tempdir().unwrap();
    let mut child = until_first_checkpoint(killed.path(), &experiment("run", &LONGER));
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "the run was over before it was killed");
    let first = json(killed.path().join("run/manifest.json"));
    assert_eq!(first["status"], "running");

    let arguments = [experiment("run", &LONGER), vec!["--resume"]].concat();
    succeeds(killed.path(), &arguments);
    assert_eq!(digest(&killed.path().join("run")), digest(&whole.path().join("run")));
    let manifest = json(killed.path().join("run/manifest.json"));
    assert_eq!(manifest["started"], first["started"]);
    assert_eq!(manifest["continuations"].as_array().unwrap().len(), 1);
}

#[test]
#[cfg(unix)]
fn an_interrupt_finishes_the_step_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = experiment("run", &["--set", "train.epochs=200", "--set", "train.checkpoint_steps=1"]);
    let mut command = xtask(folder.path(), &arguments);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let checkpoint = folder.path().join("run/checkpoints/last.safetensors");
    let started = Instant::now();
    while !checkpoint.exists() {
        assert!(started.elapsed() < Duration::from_mins(1), "no checkpoint");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("--resume goes on from there"), "{said}");
    assert_eq!(json(folder.path().join("run/manifest.json"))["status"], "interrupted");
}

#[test]
fn the_number_of_threads_changes_no_digest() {
    let folder = tempfile::tempdir().unwrap();
    for threads in ["1", "2"] {
        let setting = format!("device.threads={threads}");
        succeeds(folder.path(), &experiment(threads, &["--set", &setting]));
    }
    assert_eq!(digest(&folder.path().join("1")), digest(&folder.path().join("2")));
}

#[test]
#[cfg(not(feature = "cuda"))]
fn a_backend_that_was_not_built_is_refused_with_the_place_and_the_way_to_build_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(CONFIG).unwrap();
    assert_eq!(config.matches("backend = \"flex\"").count(), 1);
    let file = folder.path().join("own.toml");
    std::fs::write(&file, config.replace("backend = \"flex\"", "backend = \"cuda\"")).unwrap();
    let line = 1 + config.lines().position(|line| line == "backend = \"flex\"").unwrap();

    let (code, said) = fails(folder.path(), &["experiment", file.to_str().unwrap(), "--out", "run"]);
    assert_eq!(code, 2);
    assert!(said.contains(&format!("own.toml:{line}")), "{said}");
    assert!(said.contains("`device.backend`") && said.contains("--features cuda"), "{said}");
    assert!(!folder.path().join("run").exists());
}

/// A base run on so few images that it takes seconds.
const TINY_BASE: [&str; 24] = [
    "--out",
    "run",
    "--set",
    "data.synthetic.train=300",
    "--set",
    "data.synthetic.test=100",
    "--set",
    "data.validation=100",
    "--set",
    "train.epochs=1",
    "--set",
    "train.batch_size=50",
    "--set",
    "evaluate.test_time_augmentation=false",
    "--set",
    "explain.images={right_highest=0, right_lowest=0, wrong_highest=0, indices=[3], random=0}",
    "--set",
    "explain.methods=[\"self-attention\", \"integrated-gradients\", \"lime\"]",
    "--set",
    "explain.scores.enabled=false",
    "--set",
    "explain.lime.samples=100",
    "--set",
    "explain.integrated-gradients.maximum_steps=64",
];

#[test]
fn without_data_and_network_the_synthetic_garments_take_over_loudly() {
    let folder = tempfile::tempdir().unwrap();
    let output = output(folder.path(), &[&["experiment", BASE], &TINY_BASE[..]].concat());
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("FASHION-MNIST IS NOT THERE: GOING ON WITH SYNTHETIC GARMENTS"), "{said}");
    let run = folder.path().join("run");
    let manifest = json(run.join("manifest.json"));
    assert_eq!(manifest["dataset"], "synthetic-garments");
    assert!(manifest["substitution"].is_string());
    for file in ["report.html", "figures/training-curves.svg", "figures/confusion-matrix.svg"] {
        let content = std::fs::read_to_string(run.join(file)).unwrap();
        assert!(content.contains("NOT Fashion-MNIST"), "{file}");
    }
}

#[test]
fn strict_makes_missing_data_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&["experiment", BASE, "--strict"], &TINY_BASE[..]].concat();
    let (code, said) = fails(folder.path(), &arguments);
    assert_eq!(code, 1);
    assert!(said.contains("--data-dir") && said.contains("datasets/fashion-mnist"), "{said}");
    assert!(!folder.path().join("run").exists());
}

#[test]
fn damaged_data_is_never_replaced_by_synthetic_garments() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
        std::fs::write(folder.path().join(format!("{name}-ubyte.gz")), b"damaged").unwrap();
    }
    let (code, said) = fails(folder.path(), &["experiment", BASE, "--data-dir", "."]);
    assert_eq!(code, 1);
    assert!(said.contains("train-images-idx3-ubyte.gz has other content than was published"), "{said}");
    let (code, said) = fails(folder.path(), &["data", "verify", "--data-dir", "."]);
    assert_eq!(code, 1);
    assert!(said.contains("does not hold the published files"), "{said}");
}

#[test]
fn a_finished_run_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &experiment("run", &[]));
    let (code, said) = fails(folder.path(), &experiment("run", &[]));
    assert_eq!(code, 2);
    assert!(said.contains("holds a run already"), "{said}");
}

#[test]
fn a_teacher_that_is_not_there_is_said_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = ["--set", "train.distillation={teachers=[\"no-such.safetensors\"], weight=0.5}"];
    let (code, said) = fails(folder.path(), &experiment("run", &teacher));
    assert_eq!(code, 1);
    assert!(said.contains("failed to load the teacher no-such.safetensors"), "{said}");
    assert!(!folder.path().join("run").exists());
}

#[test]
fn the_manifest_names_what_a_run_was_taught_by() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &experiment("first", &[]));
    let teacher = ["--set", "train.distillation={teachers=[\"first/model.safetensors\"], weight=0.5}"];
    succeeds(folder.path(), &experiment("second", &teacher));
    let [first, second] = ["first", "second"].map(|run| json(folder.path().join(run).join("manifest.json")));
    assert_eq!(second["teachers"][0]["file"], "first/model.safetensors");
    let teacher = std::fs::read(folder.path().join("first/model.safetensors")).unwrap();
    assert_eq!(second["teachers"][0]["sha256"], tinylsa_system::sha256_hex(&teacher));
    assert_ne!(second["digests"]["model"], first["digests"]["model"]);
}

#[test]
fn wrong_command_lines_and_configs_end_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], expected: &str| {
        let (code, said) = fails(folder.path(), arguments);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(expected), "{said}");
    };
    check(&["experiment"], "CONFIG");
    check(&["experiment", "no-such.toml"], "no-such.toml");
    check(&["experiment", CONFIG, "--set", "train.epochs=0"], "`train.epochs` is 0");
    check(&["experiment", CONFIG, "--set", "train.epoch=1"], "did you mean `train.epochs`?");
    check(&["experiment", CONFIG, "--resume"], "there is no run to resume");
    check(&["classify", "--model", "x"], "IMAGE");
    check(&["bake"], "bake");
    std::fs::write(folder.path().join("broken.toml"), "[run]\nname = \n").unwrap();
    check(&["experiment", "broken.toml"], "broken.toml:2:");
}

#[test]
fn images_of_ones_own_are_classified() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &experiment("run", &[]));
    let image = image::GrayImage::from_fn(120, 160, |x, y| {
        let is_garment = (30..90).contains(&x) && (20..140).contains(&y);
        image::Luma([if is_garment { 40 } else { 250 }])
    });
    image.save(folder.path().join("dress.png")).unwrap();
    let arguments = ["classify", "dress.png", "--model", "run/model.safetensors", "--json"];
    let answer: Value = serde_json::from_str(&succeeds(folder.path(), &arguments)).unwrap();
    assert_eq!(answer[0]["inverted"], true);
    assert_eq!(answer[0]["classes"].as_array().unwrap().len(), 3);

    std::fs::write(folder.path().join("not-a-image.png"), b"text").unwrap();
    let (code, said) = fails(folder.path(), &["classify", "not-a-image.png", "--model", "run/model.safetensors"]);
    assert_eq!(code, 1);
    assert!(said.contains("not-a-image.png"), "{said}");
    let (code, said) = fails(folder.path(), &["classify", "dress.png", "--model", "dress.png"]);
    assert_eq!(code, 1);
    assert!(said.contains("failed to load the model dress.png"), "{said}");
}

#[test]
fn the_contact_sheet_is_an_image() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &["data", "show", "--synthetic", "--out", "sheet.png"]);
    let sheet = image::open(folder.path().join("sheet.png")).unwrap();
    assert!(sheet.width() > 500 && sheet.height() > 500);
}
