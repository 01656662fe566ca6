//! From a run to weights that ship and the page that says what they are worth.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

mod program;
#[path = "program/succeeds.rs"]
mod succeeds;
use program::xtask;
use succeeds::succeeds;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");
/// Training images that it holds out.
const HELD_OUT: u64 = 100;

fn output(folder: &Path, arguments: &[&str]) -> Output {
    xtask(folder, arguments).output().unwrap()
}

#[track_caller]
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = output(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// A run long enough to learn something, so that a temperature exists.
fn run(folder: &Path, name: &str, settings: &[&str]) {
    let mut arguments = vec!["experiment", CONFIG, "--out", name, "--set", "train.epochs=6"];
    arguments.extend(["--set", "explain.enabled=false"]);
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    succeeds(folder, &arguments);
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn percent(share: &Value) -> String {
    format!("{:.2} %", 100.0 * share.as_f64().unwrap())
}

#[test]
fn a_run_becomes_weights_and_a_card() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    run(folder, "first", &["run.name=first"]);
    run(folder, "second", &["run.name=second", "run.seed=1"]);

    let said = succeeds(folder, &["export", "--run", "first", "--half", "--out", "weights.safetensors"]);
    assert!(said.contains("temperature"), "{said}");
    let size = |name: &str| std::fs::metadata(folder.join(name)).unwrap().len();
    assert!(size("weights.safetensors") < size("first/model.safetensors") * 2 / 3);

    // The file knows which images its network was not trained on, and that those that are drawn anew are others.
    let evaluate = ["evaluate", "--split", "validation"];
    let report = succeeds(folder, &[&evaluate[..], &["--run", "first", "--json"]].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["images"], HELD_OUT);
    let error = refused(folder, &[&evaluate[..], &["--model", "weights.safetensors", "--synthetic"]].concat());
    assert!(error.contains("trained on other images of synthetic garments"), "{error}");

    let runs = ["card", "--run", "first", "second", "--out", "card.md"];
    succeeds(folder, &[&runs[..], &["--model", "weights.safetensors"]].concat());
    let (card, text) = (json(&folder.join("card.json")), std::fs::read_to_string(folder.join("card.md")).unwrap());

    // The figures are those of the stored file, a hair beside those of the run.
    let [first, second] = ["first", "second"].map(|run| json(&folder.join(run).join("evaluation.json")));
    let [stored, trained] = [&card["test"], &first].map(|report| report["accuracy"].as_f64().unwrap());
    assert!((stored - trained).abs() <= 0.01, "{stored} {trained}");
    assert_eq!(card["weights"]["bytes"], size("weights.safetensors"));
    assert_eq!(card["weights"]["bits"], 16);
    assert_eq!(card["test"]["images"], first["images"]);
    assert_eq!(card["robustness"]["clean"]["value"], card["test"]["accuracy"]);
    let (before, after) = (&card["calibration"]["validation_before"], &card["calibration"]["validation_after"]);
    assert!(after["nll"].as_f64().unwrap() < before["nll"].as_f64().unwrap());

    // Every figure that the page is for is on it.
    let mean = f64::midpoint(first["accuracy"].as_f64().unwrap(), second["accuracy"].as_f64().unwrap());
    let mut expected = vec![
        format!("**{}**", percent(&card["test"]["accuracy"])),
        format!("mean {:.2} %", 100.0 * mean),
        format!("{:.4}", card["calibration"]["temperature"].as_f64().unwrap()),
        "--run runs/first --half --out crates/model/weights/tinycnn-lsa.safetensors".to_owned(),
        "learning_rate = 0.003".to_owned(),
    ];
    for run in ["first", "second"] {
        let manifest = json(&folder.join(run).join("manifest.json"));
        expected.push(manifest["digests"]["all"].as_str().unwrap().to_owned());
    }
    for class in card["test"]["classes"].as_array().unwrap() {
        let precision = &class["precision"];
        let precision = if precision.is_null() { "– |".to_owned() } else { format!("{} (", percent(precision)) };
        expected.push(format!("| {} | {precision}", class["name"].as_str().unwrap()));
    }
    for corruption in card["robustness"]["corruptions"].as_array().unwrap() {
        for entry in corruption["severities"].as_array().unwrap() {
            expected.push(format!(
                "{} ({})",
                percent(&entry["accuracy"]["value"]),
                entry["strength"].as_f64().unwrap()
            ));
        }
    }
    for part in expected {
        assert!(text.contains(&part), "{part} is not in\n{text}");
    }

    // The same card again has the same bits.
    succeeds(folder, &["card", "--run", "first", "second", "--model", "weights.safetensors", "--out", "again.md"]);
    assert_eq!(std::fs::read_to_string(folder.join("again.md")).unwrap(), text);

    // Parts that do not belong together make no card.
    let error = refused(folder, &["card", "--run", "second", "--model", "weights.safetensors", "--out", "x.md"]);
    assert!(error.contains("the weights are not those of second"), "{error}");
    let error = refused(folder, &["card", "--run", "first", "--model", "first/model.safetensors", "--out", "x.md"]);
    assert!(error.contains("no temperature"), "{error}");
    let other_config = [&runs[..4], &["--model", "weights.safetensors", "--config", CONFIG]].concat();
    let error = refused(folder, &other_config);
    assert!(error.contains("the recipe of first is not that of"), "{error}");
    assert!(!folder.join("x.md").exists());
}

#[test]
fn the_weights_that_ship_are_small_calibrated_and_come_back_as_they_are() {
    let temporary = tempfile::tempdir().unwrap();
    succeeds(temporary.path(), &["export", "--half", "--out", "copy.safetensors"]);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/model/weights/tinycnn-lsa.safetensors");
    let (shipped, copy) =
        (std::fs::read(shipped).unwrap(), std::fs::read(temporary.path().join("copy.safetensors")).unwrap());
    assert!(shipped == copy, "the file is one that export writes");
    assert!(shipped.len() <= 2_000_000);
    let header = String::from_utf8_lossy(&shipped[..2000]).into_owned();
    assert!(header.contains("temperature") && header.contains("fashion-mnist"), "{header}");
}
