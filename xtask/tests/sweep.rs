//! Variants of a config, one after the other and side by side.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

mod program;
use program::xtask;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");

fn sweep(folder: &Path, plan: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    std::fs::write(folder.join("sweep.toml"), plan).unwrap();
    let output = xtask(folder, &["sweep", "sweep.toml"]).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn plan(second: &str) -> String {
    format!(
        "config = {CONFIG:?}\nseeds = [0, 1]\nset = [\"train.epochs=1\"]\n\
         [[variants]]\nname = \"plain\"\n[[variants]]\nname = \"other\"\nset = [{second:?}]\n"
    )
}

fn digests(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).unwrap();
    let digest = |trial: &Value| trial["digest"].as_str().unwrap().to_owned();
    document["trials"].as_array().unwrap().iter().map(digest).collect()
}

#[test]
fn two_at_a_time_give_the_bits_of_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("train.mixing.probability=0.5");
    let (code, alone, said) = sweep(folder.path(), &plan, &["--json", "--out", "alone"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, together, said) = sweep(folder.path(), &plan, &["--json", "--out", "together", "--jobs", "2"]);
    assert_eq!(code, Some(0), "{said}");
    let bits = digests(&alone);
    assert_eq!(bits, digests(&together));
    let distinct: std::collections::BTreeSet<_> = bits.iter().collect();
    assert_eq!(distinct.len(), 4, "two variants, two seeds");

    // gone on with, a finished sweep is read and not run
    let (_, table, said) = sweep(folder.path(), &plan, &["--out", "together", "--jobs", "2"]);
    assert!(table.contains("plain") && table.contains(" ± "), "{table}");
    assert!(said.contains("other-seed-1: finished already"), "{said}");
}

#[test]
fn an_invalid_second_variant_is_told_before_the_first_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    for (setting, expected) in [
        ("model.tinycnn-lsa.attention.heads=5", "model.tinycnn-lsa.attention.heads"),
        ("train.batch_size=501", "`train.batch_size` is 501"),
        ("train.epoch=3", "did you mean `train.epochs`"),
    ] {
        let (code, _, said) = sweep(folder.path(), &plan(setting), &["--out", "runs", "--jobs", "2"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("the variant other is invalid") && said.contains(expected), "{said}");
        assert!(!folder.path().join("runs").exists());
    }
    let (code, _, said) = sweep(folder.path(), &plan("train.epochs=1"), &["--out", "runs"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("plain-seed-0 and other-seed-0 are the same experiment"), "{said}");
}

#[test]
fn a_result_belongs_to_the_settings_that_made_it() {
    let folder = tempfile::tempdir().unwrap();
    let (code, first, said) = sweep(folder.path(), &plan("train.batch_size=40"), &["--json", "--out", "runs"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, _, said) = sweep(folder.path(), &plan("train.batch_size=50"), &["--json", "--out", "runs"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("other-seed-0 was made with other settings"), "{said}");
    assert!(said.contains("train.batch_size is 40 there and 50 now"), "{said}");
    let (code, again, said) = sweep(folder.path(), &plan("train.batch_size=40"), &["--json", "--out", "runs"]);
    assert_eq!((code, again), (Some(0), first), "{said}");

    std::fs::write(folder.path().join("runs/plain-seed-0/metrics.jsonl"), b"").unwrap();
    let (code, _, said) = sweep(folder.path(), &plan("train.batch_size=40"), &["--out", "runs"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("metrics.jsonl has SHA-256"), "{said}");
}

#[test]
fn the_directory_of_a_run_or_of_other_files_is_no_place_for_a_sweep() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("mine")).unwrap();
    std::fs::write(folder.path().join("mine/results.json"), b"mine").unwrap();
    let (code, _, said) = sweep(folder.path(), &plan("train.batch_size=40"), &["--out", "mine"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("holds other files, such as results.json"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path().join("mine")).unwrap().count(), 1);
}

#[test]
#[cfg(unix)]
fn an_interrupted_sweep_stops_its_experiments_and_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let long = plan("train.batch_size=40").replace("train.epochs=1", "train.epochs=200");
    std::fs::write(folder.path().join("sweep.toml"), long).unwrap();
    let mut command = xtask(folder.path(), &["sweep", "sweep.toml", "--out", "runs", "--jobs", "2"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let runs = ["plain-seed-0", "other-seed-0"].map(|name| folder.path().join("runs").join(name));
    let started = Instant::now();
    while !runs.iter().all(|run| run.join("checkpoints/last.safetensors").exists()) {
        assert!(started.elapsed() < Duration::from_mins(1), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the same command resumes the sweep"), "{said}");
    for run in runs {
        let manifest: Value = serde_json::from_slice(&std::fs::read(run.join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["status"], "interrupted");
    }
    assert!(!folder.path().join("runs/plain-seed-1").exists());
}
