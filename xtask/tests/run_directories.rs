//! What a run directory promises: one run, one owner, a status that is true, damage that is noticed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

mod program;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");
/// Enough steps that what happens after the first checkpoint falls into the middle.
const LONG: [&str; 4] = ["--set", "train.epochs=200", "--set", "train.checkpoint_steps=1"];
/// A run of a second.
const QUICK: [&str; 2] = ["--set", "explain.enabled=false"];

/// The program on the best instruction set that the machine has.
fn xtask(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = program::xtask(dir, arguments);
    command.env_remove("TINYLSA_SIMD");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn succeeds(dir: &Path, arguments: &[&str]) -> String {
    let output = xtask(dir, arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// What a command that must end with this code says on both outputs.
#[track_caller]
fn fails(dir: &Path, arguments: &[&str], code: i32) -> String {
    said(&xtask(dir, arguments).output().unwrap(), code)
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn experiment<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["experiment", CONFIG, "--out", out], more].concat()
}

fn manifest(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap()
}

fn digest(run: &Path) -> String {
    manifest(run)["digests"]["all"].as_str().unwrap().to_owned()
}

/// Every file below a directory with its contents.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

/// Starts an experiment in `run` and waits for its first checkpoint.
fn until_first_checkpoint(dir: &Path, run: &str, more: &[&str]) -> Child {
    let mut command = xtask(dir, &experiment(run, more));
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let checkpoint = dir.join(run).join("checkpoints/last.safetensors");
    let started = Instant::now();
    while !checkpoint.exists() {
        assert!(started.elapsed() < Duration::from_mins(1), "no checkpoint");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_whole_run_is_verified_and_every_damage_is_named() {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), &experiment("run", &[]));
    let run = dir.path().join("run");
    let verified = succeeds(dir.path(), &["reproduce", "run", "--verify"]);
    assert!(verified.contains(&digest(&run)), "{verified}");

    let files: Vec<String> = manifest(&run)["files"].as_object().unwrap().keys().cloned().collect();
    for expected in
        ["checkpoints/best.safetensors", "report.html", "figures/confusion-matrix.svg", "explanations/scores.json"]
    {
        assert!(files.iter().any(|file| file == expected), "{expected}");
    }
    assert!(files.iter().any(|file| file.ends_with("/attributions.safetensors")));
    for file in &files {
        let path = run.join(file);
        let whole = fs::read(&path).unwrap();
        flip_a_bit(&path);
        let said = fails(dir.path(), &["reproduce", "run", "--verify"], 1);
        assert!(said.contains(&format!("{file} has SHA-256")) && said.contains("1 problem found"), "{said}");
        fs::write(&path, whole).unwrap();
    }
    fs::remove_file(run.join("report.html")).unwrap();
    flip_a_bit(&run.join("metrics.jsonl"));
    let said = fails(dir.path(), &["reproduce", "run", "--verify"], 1);
    assert!(said.contains("report.html is missing") && said.contains("2 problems found"), "{said}");
    let said = fails(dir.path(), &experiment("run", &["--resume"]), 1);
    assert!(said.contains("its directory is damaged") && said.contains("report.html is missing"), "{said}");

    // Nobody believes a model or an evaluation that is not the run's.
    flip_a_bit(&run.join("model.safetensors"));
    let said = fails(dir.path(), &["reproduce", "run", "--out", "again"], 1);
    assert!(said.contains("model.safetensors has SHA-256") && !dir.path().join("again").exists(), "{said}");
    flip_a_bit(&run.join("manifest.json"));
    fails(dir.path(), &["reproduce", "run", "--verify"], 1);
    let said = fails(dir.path(), &["reproduce", "run", "--verify", "--resume"], 2);
    assert!(said.contains("cannot be used with"), "{said}");
}

#[test]
fn a_finished_run_that_is_resumed_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let first = succeeds(dir.path(), &experiment("run", &QUICK));
    let run = dir.path().join("run");
    let before = contents(&run);
    let again = succeeds(dir.path(), &experiment("run", &[&QUICK[..], &["--resume"]].concat()));
    assert!(again.contains("is finished already, nothing was done"), "{again}");
    assert!(first.ends_with(again.split_once('\n').unwrap().1), "{again}");
    let other_speed = ["--resume", "--set", "device.threads=1", "--set", "train.prefetch=0"];
    succeeds(dir.path(), &experiment("run", &[&QUICK[..], &other_speed].concat()));

    for (change, difference) in [
        ("evaluate.split=validation", "evaluate.split is \"test\" there and \"validation\" now"),
        ("evaluate.test_time_augmentation=false", "evaluate.test_time_augmentation is true there and false now"),
        ("explain.enabled=true", "explain.enabled is false there and true now"),
        ("run.seed=1", "run.seed is 0 there and 1 now"),
        ("data.synthetic.seed=1", "data.synthetic.seed is 0 there and 1 now"),
    ] {
        let said = fails(dir.path(), &experiment("run", &[&QUICK[..], &["--resume", "--set", change]].concat()), 2);
        assert!(said.contains(difference), "{said}");
    }
    let mut narrower = xtask(dir.path(), &experiment("run", &[&QUICK[..], &["--resume"]].concat()));
    if manifest(&run)["instruction_set"] != "portable" {
        let said = said(&narrower.env("TINYLSA_SIMD", "portable").output().unwrap(), 2);
        assert!(said.contains("the instruction set is") && said.contains("portable now"), "{said}");
    }
    assert_eq!(contents(&run), before);
}

#[test]
fn without_a_directory_the_unfinished_run_of_the_config_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let unnamed = |more: &[&str]| -> Vec<String> {
        [&["experiment", CONFIG], &QUICK[..], more].concat().iter().map(|&part| part.to_owned()).collect()
    };
    let run = |more: &[&str]| {
        let arguments = unnamed(more);
        succeeds(dir.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut child = until_first_checkpoint(dir.path(), "runs/ci", &[&QUICK[..], &LONG].concat());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(run(&[]).contains("ci-2"));
    assert!(run(&["--set", "train.epochs=1"]).contains("ci-3"));
    // The last number is neither that of the config nor unfinished.
    let resumed = run(&["--resume"]);
    assert!(resumed.contains("ci-2 is finished already"), "{resumed}");
    let arguments = unnamed(&["--resume", "--set", "train.epochs=5"]);
    let said = fails(dir.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>(), 2);
    assert!(said.contains("ci-2 train.epochs is 2 there and 5 now"), "{said}");
    assert_eq!(manifest(&dir.path().join("runs/ci"))["status"], "running");
}

#[test]
fn a_checkpoint_that_is_damaged_or_of_another_instruction_set_is_refused_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [&QUICK[..], &["--set", "train.epochs=6", "--set", "train.checkpoint_steps=1"]].concat();
    succeeds(dir.path(), &experiment("whole", &settings));
    let mut child = until_first_checkpoint(dir.path(), "run", &settings);
    let run = dir.path().join("run");
    let best = run.join("checkpoints/best.safetensors");
    while !best.exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    // The next last checkpoint belongs with that best one.
    let last = run.join("checkpoints/last.safetensors");
    let earlier = fs::read(&last).unwrap();
    while fs::read(&last).unwrap() == earlier {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "the run was over before it was killed");
    let resume = experiment("run", &[&settings[..], &["--resume"]].concat());
    let said = fails(dir.path(), &["reproduce", "run", "--verify"], 1);
    assert!(said.contains("was killed and can be resumed"), "{said}");

    let before = contents(&run);
    if manifest(&run)["instruction_set"] != "portable" {
        let output = xtask(dir.path(), &resume).env("TINYLSA_SIMD", "portable").output().unwrap();
        assert!(self::said(&output, 2).contains("the instruction set is"));
    }
    let whole = fs::read(&last).unwrap();
    flip_a_bit(&last);
    let said = fails(dir.path(), &resume, 1);
    assert!(said.contains("last.safetensors cannot be used: it is damaged"), "{said}");
    assert!(said.contains("best.safetensors of epoch") && said.contains("copy it to"), "{said}");
    fs::write(&last, &whole).unwrap();
    let whole_best = fs::read(&best).unwrap();
    flip_a_bit(&best);
    let said = fails(dir.path(), &resume, 1);
    assert!(said.contains("best.safetensors cannot be used: it is damaged"), "{said}");
    fs::write(&best, &whole_best).unwrap();
    assert_eq!(contents(&run), before);

    // As the errors say: without its manifest, and from the best checkpoint, it comes to the same bits.
    flip_a_bit(&run.join("manifest.json"));
    let said = fails(dir.path(), &resume, 1);
    assert!(said.contains("delete its manifest.json and pass --resume"), "{said}");
    fs::remove_file(run.join("manifest.json")).unwrap();
    fs::copy(&best, &last).unwrap();
    fs::write(run.join("figures/stale.svg"), b"of an earlier start").unwrap();
    fs::write(run.join("checkpoints/.tinylsa-abc.part"), b"half").unwrap();
    succeeds(dir.path(), &resume);
    assert_eq!(digest(&run), digest(&dir.path().join("whole")));
    assert!(!run.join("figures/stale.svg").exists() && !run.join("checkpoints/.tinylsa-abc.part").exists());
    succeeds(dir.path(), &["reproduce", "run", "--verify"]);
}

#[test]
#[cfg(unix)]
fn a_directory_has_one_owner_and_every_signal_leaves_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    for (start, signal) in ["-TERM", "-HUP", "-INT"].into_iter().enumerate() {
        let resume: &[&str] = if start == 0 { &[] } else { &["--resume"] };
        let child = if start == 0 {
            until_first_checkpoint(dir.path(), "run", &LONG)
        } else {
            let mut command = xtask(dir.path(), &experiment("run", &[&LONG[..], resume].concat()));
            let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let before = fs::read(run.join("checkpoints/last.safetensors")).unwrap();
            while fs::read(run.join("checkpoints/last.safetensors")).unwrap() == before {
                std::thread::sleep(Duration::from_millis(5));
            }
            child
        };
        let said_now = fails(dir.path(), &experiment("run", &LONG), 2);
        assert!(said_now.contains("holds a run already"), "{said_now}");
        let said_now = fails(dir.path(), &experiment("run", &[&LONG[..], &["--resume"]].concat()), 1);
        assert!(said_now.contains("is in use by another process"), "{said_now}");
        let said_now = fails(dir.path(), &["reproduce", "run", "--verify"], 1);
        assert!(said_now.contains("is still running"), "{said_now}");

        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let told = said(&child.wait_with_output().unwrap(), 1);
        assert!(told.contains("--resume goes on from there"), "{signal}: {told}");
        assert_eq!(manifest(&run)["status"], "interrupted");
    }
}

#[test]
fn a_directory_of_other_files_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("report.html"), b"mine").unwrap();
    let said = fails(dir.path(), &experiment(".", &QUICK), 1);
    assert!(said.contains("holds other files, such as report.html"), "{said}");
    assert_eq!(contents(dir.path()).len(), 1);
    let said = fails(dir.path(), &experiment("report.html", &QUICK), 1);
    assert!(said.contains("report.html"), "{said}");
    assert_eq!(fs::read(dir.path().join("report.html")).unwrap(), b"mine");
}

#[test]
fn a_failed_run_says_so_and_why_and_can_be_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = until_first_checkpoint(dir.path(), "run", &[&QUICK[..], &["--set", "train.epochs=6"]].concat());
    let run = dir.path().join("run");
    // Something stands in the way of a file that is written at the end.
    fs::create_dir(run.join("evaluation.json")).unwrap();
    child.wait().unwrap();
    let failed = manifest(&run);
    assert_eq!(failed["status"], "failed", "{failed}");
    assert!(failed["failure"].as_str().unwrap().contains("evaluation.json"), "{failed}");
    let said = fails(dir.path(), &["reproduce", "run"], 2);
    assert!(said.contains("is not finished: it failed: failed to write"), "{said}");
    fs::remove_dir(run.join("evaluation.json")).unwrap();
    succeeds(dir.path(), &experiment("run", &[&QUICK[..], &["--set", "train.epochs=6", "--resume"]].concat()));
    let finished = manifest(&run);
    assert_eq!((&finished["status"], &finished["failure"]), (&Value::from("finished"), &Value::Null));
}

#[test]
#[cfg(unix)]
fn a_closed_pipe_ends_no_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = xtask(dir.path(), &experiment("run", &[]));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    succeeds(dir.path(), &["reproduce", "run", "--verify"]);
    for arguments in [&["--help"][..], &["experiment", "--help"], &["reproduce", "run", "--verify"]] {
        let mut child = xtask(dir.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn a_wrong_instruction_set_and_too_many_threads_are_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let output = xtask(dir.path(), &experiment("run", &[])).env("TINYLSA_SIMD", "avx-512").output().unwrap();
    let told = said(&output, 2);
    assert!(told.contains("TINYLSA_SIMD is \"avx-512\", expected one of portable"), "{told}");
    let told = fails(dir.path(), &experiment("run", &["--set", "device.threads=1000"]), 2);
    assert!(told.contains("device.threads") || told.contains("1000"), "{told}");
    let explain = ["explain", "--index", "0", "--out", "out", "--threads", "20000"];
    let told = fails(dir.path(), &explain, 2);
    assert!(told.contains("is 20000, expected 0 to"), "{told}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_the_images_do_not_allow_is_told_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for (change, expected) in [
        ("train.batch_size=501", "`train.batch_size` is 501, expected at most the 500 images"),
        ("data.validation=599", "`train.batch_size` is 32, expected at most the 1 images"),
        ("model.tinycnn-lsa.classes=12", "`model.tinycnn-lsa.classes` is 12, expected 10"),
    ] {
        let told = fails(dir.path(), &experiment("run", &["--set", change]), 2);
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
