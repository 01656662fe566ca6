//! Explanations that several processes share, and what puts them together.

use std::fs;
use std::path::Path;

use serde_json::Value;

mod program;
#[path = "program/said.rs"]
mod said;
use program::xtask;
use said::Said;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");

#[track_caller]
fn check(folder: &Path, arguments: &[&str], code: i32, expected: &str) -> Said {
    let said = Said::from(xtask(folder, &[&["explain"], arguments].concat()).output().unwrap());
    let text = format!("{}{}", said.out, said.err);
    assert!(said.code == Some(code) && text.contains(expected), "{arguments:?} ended with {:?}: {text}", said.code);
    said
}

/// A run in `run` whose network is explained.
fn run() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["experiment", CONFIG, "--set", "train.epochs=1", "--set", "explain.enabled=false", "--out", "run"];
    assert!(xtask(folder.path(), &arguments).output().unwrap().status.success());
    folder
}

/// Two cheap methods, one that draws at random.
const CHEAP: [&str; 6] = ["--config", CONFIG, "--model", "run/model.safetensors", "--method", "lime,input-gradient"];

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn digest(said: &Said) -> &str {
    said.out.lines().find(|line| line.starts_with("digest ")).unwrap_or_else(|| panic!("{}{}", said.out, said.err))
}

#[test]
fn shards_give_the_maps_the_page_and_the_digest_of_one_process() {
    let folder = run();
    let folder = folder.path();
    let explain = [&["--index", "0..12"][..], &CHEAP].concat();
    let alone = check(folder, &[&explain[..], &["--out", "alone"]].concat(), 0, "digest ");
    // the first shard writes the plan, the second reads it
    check(folder, &[&explain[..], &["--out", "out", "--shard", "1/3"]].concat(), 0, "test-10: predicted");
    let said = check(folder, &["--gather", "out"], 1, "resubmit their shards with --array=0,2");
    assert!(said.err.contains("8 of 12 images are missing: test-0, test-2, test-3"), "{}", said.err);
    assert!(!said.out.contains("digest"), "{}", said.out);
    check(folder, &["--out", "out", "--shard", "2/3", "--threads", "1"], 0, "test-11: predicted");
    let said = check(folder, &["--out", "out", "--shard", "1/3"], 0, "4 images of shard 1/3, 4 explained already");
    assert_eq!(said.out, "", "nothing is explained twice");
    check(folder, &["--out", "out", "--shard", "0/3"], 0, "test-9: predicted");
    let gathered = check(folder, &["--gather", "out"], 0, "digest ");
    assert_eq!(digest(&gathered), digest(&alone));
    assert_eq!(read(folder, "out/explanations.html"), read(folder, "alone/explanations.html"));
    assert_eq!(read(folder, "out/images.json"), read(folder, "alone/images.json"));
    let maps = |name: &str| fs::read(folder.join(name).join("test-7/attributions.safetensors")).unwrap();
    assert_eq!(maps("out"), maps("alone"));

    // damaged maps are made again, the others are left
    fs::write(folder.join("out/test-4/attributions.safetensors"), b"").unwrap();
    check(folder, &["--gather", "out"], 1, "1 of 12 images are missing: test-4");
    let said = check(folder, &["--out", "out", "--shard", "1/3"], 0, "4 images of shard 1/3, 3 explained already");
    assert_eq!(said.out.lines().count(), 1, "{}", said.out);
    let again = check(folder, &["--gather", "out"], 0, "digest ");
    assert_eq!(digest(&again), digest(&alone));

    // the directory belongs to these shards
    let other = [&["--index", "0..12"][..], &CHEAP[..4], &["--method", "lime", "--out", "out"]].concat();
    check(folder, &[&other[..], &["--shard", "0/3"]].concat(), 2, "holds the shards of another explanation");
    check(folder, &other, 2, "out holds the shards of an explanation");
    check(folder, &[&explain[..], &["--out", "out", "--shard", "0/4"]].concat(), 2, "3 shards there and 4 now");
    check(folder, &["--out", "out", "--shard", "0/4"], 2, "--shard 0/4 is not of the 3 shards of the plan");
}

#[test]
fn scores_are_folded_in_the_order_of_the_images() {
    let folder = run();
    let folder = folder.path();
    let few = [
        "--set",
        "explain.scores.faithfulness.subsets=20",
        "--set",
        "explain.scores.randomisation_images=2",
        "--set",
        "explain.scores.max_sensitivity.draws=1",
    ];
    let explain = [&["--index", "3,0,6,1", "--scores"][..], &CHEAP, &few].concat();
    let alone = check(folder, &[&explain[..], &["--out", "alone"]].concat(), 0, "digest ");
    for shard in ["1/2", "0/2"] {
        check(folder, &[&explain[..], &["--out", "out", "--shard", shard]].concat(), 0, "predicted");
    }
    let gathered = check(folder, &["--gather", "out"], 0, "mean rank");
    assert_eq!(read(folder, "out/scores.json"), read(folder, "alone/scores.json"));
    assert_eq!(read(folder, "out/explanations.html"), read(folder, "alone/explanations.html"));
    assert_eq!(digest(&gathered), digest(&alone));
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn images_of_different_instruction_sets_are_gathered_only_if_that_is_allowed() {
    let folder = run();
    let folder = folder.path();
    let manifest: Value = serde_json::from_str(&read(folder, "run/manifest.json")).unwrap();
    if manifest["instruction_set"] == "portable" {
        eprintln!("left out: this machine has one instruction set");
        return;
    }
    let explain = [&["explain", "--index", "0..2", "--out", "out"][..], &CHEAP].concat();
    check(folder, &[&explain[1..], &["--shard", "0/2"]].concat(), 0, "test-0: predicted");
    let mut portable = xtask(folder, &[&explain[..], &["--shard", "1/2"]].concat());
    let said = Said::from(portable.env("TINYLSA_SIMD", "portable").output().unwrap());
    assert_eq!(said.code, Some(0), "{}", said.err);
    check(folder, &["--gather", "out"], 2, "portable (1, such as test-1)");
    check(folder, &["--gather", "out", "--allow-mixed"], 0, "digest ");
}

#[test]
fn what_is_asked_for_wrongly_ends_with_two() {
    let folder = run();
    let folder = folder.path();
    let explain = [&["--out", "out"][..], &CHEAP].concat();
    let with = |more: &[&'static str]| [&explain[..], more].concat();
    check(folder, &with(&["--index", "0..4", "--shard", "4/4"]), 2, "expected I/N");
    check(folder, &with(&["--index", "198..202", "--shard", "0/4"]), 2, "there is no image 201");
    check(folder, &with(&["--index", "0..4", "--target", "all", "--shard", "0/4"]), 2, "ask for it without shards");
    check(folder, &with(&["--shard", "0/4"]), 2, "the plan in --out says what is explained");
    check(folder, &["--out", "out", "--shard", "0/4"], 2, "out has no plan.json");
    check(folder, &["--gather", "out"], 2, "out has no plan.json");
    check(folder, &["--gather", "out", "--out", "out"], 2, "cannot be used with");
    check(folder, &["shirt.png", "--out", "out", "--shard", "0/4"], 2, "cannot be used with");
    check(folder, &with(&["--index", "0..4", "--shards", "4"]), 2, "--submit");
    check(folder, &with(&["--index", "0..4", "--submit", "slurm"]), 2, "--submit needs --shards N");
    check(folder, &with(&["--index", "0..4", "--allow-mixed"]), 2, "--allow-mixed");
    assert!(!folder.join("out").exists(), "nothing was written");
    fs::create_dir(folder.join("mine")).unwrap();
    fs::write(folder.join("mine/thesis.tex"), b"years of work").unwrap();
    let mine = [&["--index", "0..4", "--shard", "0/2", "--out", "mine"][..], &CHEAP].concat();
    check(folder, &mine, 2, "holds other files, such as thesis.tex");
}

#[test]
#[cfg(unix)]
fn a_shard_that_is_stopped_ends_with_75_and_goes_on() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let folder = run();
    let folder = folder.path();
    let explain = [&["explain", "--index", "0..60", "--out", "out", "--shard", "0/1"][..], &CHEAP].concat();
    let child = xtask(folder, &explain).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !folder.join("out/test-1/part.json").exists() {
        assert!(started.elapsed() < Duration::from_mins(1), "no image");
        std::thread::sleep(Duration::from_millis(5));
    }
    check(folder, &explain[1..], 75, "shard 0/1 is in use by another process");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(75), "{}", said.err);
    assert!(said.err.contains("the same command explains the images that are left"), "{}", said.err);
    let done = (0..60).filter(|number| folder.join(format!("out/test-{number}/part.json")).exists()).count();
    assert!((2..60).contains(&done), "{done}");
    let said = Said::from(xtask(folder, &explain).output().unwrap());
    assert_eq!((said.code, said.out.lines().count()), (Some(0), 60 - done), "{}", said.err);
    check(folder, &["--gather", "out"], 0, "digest ");
}
