//! Variants of a config, one after the other and side by side.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");

fn sweep(folder: &Path, plan: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    std::fs::write(folder.join("sweep.toml"), plan).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["sweep", "sweep.toml"]).args(arguments).current_dir(folder).env_remove("RUST_LOG");
    let output = command.output().unwrap();
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
fn a_variant_that_cannot_run_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, said) = sweep(folder.path(), &plan("model.attention.heads=5"), &["--out", "runs", "--jobs", "2"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("other-seed-0 did not finish"), "{said}");
    assert!(said.contains("model.attention.heads"), "{said}");
}
