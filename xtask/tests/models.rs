//! Model files as every command meets them: damaged, of other classes, of other images; and figures that stand beside
//! the description of the network they are of.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use burn::tensor::Device;
use serde_json::Value;
use tempfile::TempDir;
use tinylsa_data::FASHION_MNIST_CLASSES;
use tinylsa_model::{
    ModelMetadata, Precision, State, TinyCnnLsa, TinyCnnLsaConfig, model_to_safetensors, state_from_safetensors,
    state_to_safetensors,
};

mod program;
#[path = "program/succeeds.rs"]
mod succeeds;
use program::xtask;
use succeeds::succeeds;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");
/// The key of the description in a model file.
const KEY: &str = "tinylsa";
/// Images that `configs/ci.toml` holds out.
const HELD_OUT: u64 = 100;

fn output(dir: &Path, arguments: &[&str]) -> Output {
    xtask(dir, arguments).output().unwrap()
}

/// The standard error of a command that must end with this code and print nothing else.
#[track_caller]
fn fails(dir: &Path, code: i32, arguments: &[&str]) -> String {
    let output = output(dir, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
    said
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A run of seed 3, whose split is another than that of seed 0.
static RUN: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let settings = ["run.seed=3", "train.epochs=2", "explain.enabled=false"];
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    succeeds(dir.path(), &["experiment", CONFIG, "--out", "run"].into_iter().chain(settings).collect::<Vec<_>>());
    dir
});

fn run_dir() -> PathBuf {
    RUN.path().join("run")
}

/// A copy of the run's model file with other tensors or another description, as another program would make it: without
/// a checksum.
fn changed(dir: &Path, change: impl Fn(&mut State, &mut String)) -> PathBuf {
    let bytes = std::fs::read(run_dir().join("model.safetensors")).unwrap();
    let (mut state, mut text) = state_from_safetensors(&bytes, KEY).unwrap();
    let checksum = 1..text.find("\"kind\"").unwrap();
    text.replace_range(checksum, "");
    change(&mut state, &mut text);
    let path = dir.join("changed.safetensors");
    std::fs::write(&path, state_to_safetensors(&state, KEY, text).unwrap()).unwrap();
    path
}

/// A model file of a small network with initial weights and these classes.
fn with_classes(dir: &Path, class_names: &[&str]) -> PathBuf {
    let config = TinyCnnLsaConfig { classes: class_names.len(), ..TinyCnnLsaConfig::default() };
    let metadata = ModelMetadata::new(&config, class_names, "synthetic-garments");
    let model: TinyCnnLsa = config.init(&Device::flex()).unwrap();
    let path = dir.join("classes.safetensors");
    std::fs::write(&path, model_to_safetensors(&model, &metadata, Precision::Single).unwrap()).unwrap();
    path
}

fn garment(dir: &Path) -> PathBuf {
    let path = dir.join("garment.png");
    let image = image::GrayImage::from_fn(28, 28, |x, y| {
        image::Luma([if (7..21).contains(&x) && (2..26).contains(&y) { 180 } else { 0 }])
    });
    image.save(&path).unwrap();
    path
}

/// Every command that a model enters, and the exit code and error of each.
#[track_caller]
fn refused_everywhere(dir: &Path, model: &Path, expected: &str) {
    let (model, garment) = (model.to_str().unwrap(), garment(dir));
    let garment = garment.to_str().unwrap();
    let teacher = format!("train.distillation={{teachers=[{model:?}], weight=0.5}}");
    let commands: [&[&str]; 7] = [
        &["classify", garment, "--model", model],
        &["classify", garment, "--model", model, "--json"],
        &["evaluate", "--synthetic", "--model", model],
        &["explain", garment, "--model", model, "--out", "explained"],
        &["export", "--model", model, "--out", "exported.safetensors"],
        &["bench", "infer", "--model", model],
        &["experiment", CONFIG, "--out", "taught", "--set", &teacher],
    ];
    for command in commands {
        let said = fails(dir, 1, command);
        assert!(said.contains(expected), "{command:?}: {said}");
    }
    for left in ["explained", "exported.safetensors", "taught"] {
        assert!(!dir.join(left).exists(), "{left}");
    }
}

#[test]
fn damaged_weights_are_refused_by_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let poked = |name: &'static str, index: usize, value: f32| {
        changed(dir.path(), move |state, _| state.get_mut(name).unwrap().values[index] = value)
    };
    let model = poked("norm.gamma", 2, f32::NAN);
    refused_everywhere(dir.path(), &model, "the tensor norm.gamma holds NaN at [2], expected a finite number");
    let model = poked("stages.1.residual.0.first.running_variance", 0, -0.5);
    let expected = "the tensor stages.1.residual.0.first.running_variance holds -0.5 at [0], expected a variance";
    refused_everywhere(dir.path(), &model, expected);
    let model =
        changed(dir.path(), |_, text| *text = text.replacen("{\"kind\"", "{\"temperature\":1e-300,\"kind\"", 1));
    refused_everywhere(dir.path(), &model, "the temperature in the metadata is 1e-300, expected 0.01 to 100");
}

#[cfg(unix)]
#[test]
fn an_endless_device_is_no_model() {
    let dir = tempfile::tempdir().unwrap();
    refused_everywhere(dir.path(), Path::new("/dev/zero"), "/dev/zero: not a safetensors file");
}

#[test]
fn a_file_that_describes_another_network_is_refused_before_it_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let model = changed(dir.path(), |state, text| {
        *text = text.replace("\"channels\":16", "\"channels\":1024");
        state.retain(|name, _| name == "head.bias");
    });
    let said = fails(dir.path(), 1, &["export", "--model", model.to_str().unwrap(), "--out", "x.safetensors"]);
    assert!(said.contains("the weights do not fit the model's config: the tensor"), "{said}");
}

#[test]
fn images_of_other_classes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let evaluate =
        |model: &Path| fails(dir.path(), 2, &["evaluate", "--synthetic", "--model", model.to_str().unwrap()]);
    let five = with_classes(dir.path(), &FASHION_MNIST_CLASSES[..5]);
    let expected = "the model knows 5 classes, but the images of synthetic garments have 10";
    assert!(evaluate(&five).contains(expected));
    let explain = ["explain", "--index", "0", "--synthetic", "--out", "x", "--model", five.to_str().unwrap()];
    assert!(fails(dir.path(), 2, &explain).contains(expected));
    for subject in ["infer", "train", "explain"] {
        let bench = ["bench", subject, "--source", "synthetic-garments", "--model", five.to_str().unwrap()];
        let said = fails(dir.path(), 2, &bench);
        assert!(said.contains("in 10 classes, the network takes 1×28×28 in 5 classes"), "{said}");
    }

    let mut permuted = FASHION_MNIST_CLASSES;
    permuted.swap(1, 8);
    let permuted = with_classes(dir.path(), &permuted);
    let expected = "class 1 is \"Bag\" to the model, but \"Trouser\" among the images";
    assert!(evaluate(&permuted).contains(expected));
    let explain = ["explain", "--index", "0", "--synthetic", "--out", "x", "--model", permuted.to_str().unwrap()];
    assert!(fails(dir.path(), 2, &explain).contains(expected));
    let bench = ["bench", "infer", "--source", "synthetic-garments", "--model", permuted.to_str().unwrap()];
    assert!(fails(dir.path(), 2, &bench).contains(expected));
    let teacher = format!("train.distillation={{teachers=[{permuted:?}], weight=0.5}}");
    let said = fails(dir.path(), 1, &["experiment", CONFIG, "--out", "taught", "--set", &teacher]);
    assert!(said.contains("calls class 1 \"Bag\", expected \"Trouser\" as the dataset"), "{said}");

    let said =
        fails(dir.path(), 2, &["experiment", CONFIG, "--out", "twelve", "--set", "model.tinycnn-lsa.classes=12"]);
    assert!(
        said.contains("`model.tinycnn-lsa.classes` is 12, expected 10, the number of classes of synthetic garments"),
        "{said}"
    );
    for left in ["x", "taught", "twelve"] {
        assert!(!dir.path().join(left).exists(), "{left}");
    }
}

#[test]
fn a_run_is_measured_on_the_split_that_it_was_trained_with() {
    let (dir, run) = (tempfile::tempdir().unwrap(), run_dir());
    let run_name = run.to_str().unwrap();
    let evaluated = |arguments: &[&str]| -> Value {
        let arguments = [&["evaluate", "--run", run_name, "--json"], arguments].concat();
        serde_json::from_str(&succeeds(dir.path(), &arguments)).unwrap()
    };
    // The figures of the kept epoch again, which are those of images that nothing was trained on.
    let manifest = json(&run.join("manifest.json"));
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut records = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kept = records.find(|record| record["epoch"] == manifest["figures"]["kept_epoch"]).unwrap();
    let validation = evaluated(&["--split", "validation"]);
    assert_eq!((&validation["images"], &validation["split"]), (&HELD_OUT.into(), &"validation".into()));
    assert_eq!(validation["accuracy"], kept["validation_accuracy"]);
    assert_eq!(evaluated(&["--split", "train"])["images"], 600 - HELD_OUT);
    // The test figures have the same bits, the bootstrap's intervals among them.
    let test = json(&run.join("evaluation.json"));
    assert_eq!(evaluated(&[]), test);
    assert!(test.get("temperature").is_none());

    let refused = |code, arguments: &[&str]| fails(dir.path(), code, &[&["evaluate"], arguments].concat());
    let said = refused(2, &["--run", run_name, "--split", "validation", "--seed", "0"]);
    assert!(said.contains("--seed 0 contradicts the model file: the model was trained with 3"), "{said}");
    let said = refused(2, &["--run", run_name, "--data-dir", "."]);
    assert!(said.contains("synthetic garments, for which --data-dir . has no effect"), "{said}");
    let said = refused(2, &["--validation", "30", "--synthetic"]);
    assert!(said.contains("--validation 30 has no effect on --split test"), "{said}");

    // The model file in the directory of its run is measured on the images of the run. Away from it nobody knows them, and
    // the garments that evaluate draws then are others.
    let model = run.join("model.safetensors");
    let arguments = ["--model", model.to_str().unwrap(), "--split", "validation", "--json"];
    let of_file: Value =
        serde_json::from_str(&succeeds(dir.path(), &[&["evaluate"], &arguments[..]].concat())).unwrap();
    assert_eq!(of_file["accuracy"], validation["accuracy"]);
    let copy = dir.path().join("copy.safetensors");
    std::fs::copy(&model, &copy).unwrap();
    let said = refused(2, &["--model", copy.to_str().unwrap(), "--split", "validation"]);
    assert!(said.contains("the model was trained on other images of synthetic garments than these"), "{said}");
    let unrecorded = changed(dir.path(), |_, text| {
        let mut description: Value = serde_json::from_str(text).unwrap();
        description.as_object_mut().unwrap().remove("held_out").unwrap();
        *text = description.to_string();
    });
    let unrecorded = ["--model", unrecorded.to_str().unwrap(), "--synthetic", "--split", "validation"];
    let said = refused(2, &unrecorded);
    assert!(said.contains("does not say which images it was not trained on; --validation N and --seed S"), "{said}");
    let arguments = [&["evaluate"], &unrecorded[..], &["--validation", "30", "--seed", "7", "--json"]].concat();
    let explicit: Value = serde_json::from_str(&succeeds(dir.path(), &arguments)).unwrap();
    assert_eq!(explicit["images"], 30);
}

#[test]
fn raw_and_calibrated_figures_have_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let model = changed(dir.path(), |_, text| *text = text.replacen("{\"kind\"", "{\"temperature\":0.5,\"kind\"", 1));
    let evaluate = ["evaluate", "--synthetic", "--model", model.to_str().unwrap()];
    let calibrated: Value =
        serde_json::from_str(&succeeds(dir.path(), &[&evaluate[..], &["--json"]].concat())).unwrap();
    // Away from its run it is measured on the same garments as the changed copy.
    let raw_model = dir.path().join("raw.safetensors");
    std::fs::copy(run_dir().join("model.safetensors"), &raw_model).unwrap();
    let raw = ["evaluate", "--synthetic", "--json", "--model", raw_model.to_str().unwrap()];
    let raw: Value = serde_json::from_str(&succeeds(dir.path(), &raw)).unwrap();
    for key in ["accuracy", "accuracy_tta", "nll", "ece"] {
        assert_eq!(calibrated[key], raw[key], "{key}");
    }
    assert_eq!(calibrated["temperature"], 0.5);
    for (key, calibrated_key) in [("nll", "nll_calibrated"), ("ece", "ece_calibrated")] {
        assert!(raw.get(calibrated_key).is_none());
        let [raw, calibrated] = [&calibrated[key], &calibrated[calibrated_key]].map(|value| value.as_f64().unwrap());
        assert!((raw - calibrated).abs() > 1e-6, "{key}: {raw} {calibrated}");
    }
    let said = succeeds(dir.path(), &evaluate);
    assert!(said.contains("test split") && said.contains("calibrated by the temperature 0.5000: NLL"), "{said}");
}

#[test]
fn a_report_of_the_validation_split_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let settings = ["evaluate.split=validation", "train.epochs=1", "explain.enabled=false"];
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = ["experiment", CONFIG, "--out", "run"].into_iter().chain(settings).collect();
    let said = succeeds(dir.path(), &arguments);
    assert!(said.contains("synthetic garments validation split, 100 images"), "{said}");
    let text = |name: &str| std::fs::read_to_string(dir.path().join("run").join(name)).unwrap();
    let page = text("report.html");
    assert!(page.contains("Validation accuracy") && page.contains("Validation NLL"));
    assert!(!page.contains("Test accuracy") && !page.contains("test split"));
    for figure in ["confusion-matrix", "per-class", "reliability"] {
        assert!(text(&format!("figures/{figure}.svg")).contains("synthetic garments, validation split"), "{figure}");
    }
    // A class that was never predicted has no precision.
    let evaluation = json(&dir.path().join("run/evaluation.json"));
    let predicted = |class: usize| -> u64 {
        let rows = evaluation["confusion"].as_array().unwrap();
        rows.iter().map(|row| row[class].as_u64().unwrap()).sum()
    };
    for (number, class) in evaluation["classes"].as_array().unwrap().iter().enumerate() {
        assert_eq!(class["precision"].is_null(), predicted(number) == 0, "{class}");
        assert_eq!(class["precision_interval"].is_null(), class["precision"].is_null(), "{class}");
    }
    let compared = succeeds(dir.path(), &["compare", "--counted", "--run", "run"]);
    assert!(compared.contains("(validation)"), "{compared}");
}

#[test]
fn a_run_is_compared_by_its_own_network_from_anywhere() {
    let (dir, run) = (tempfile::tempdir().unwrap(), run_dir());
    let run = run.to_str().unwrap();
    let compared = |arguments: &[&str]| -> Vec<Value> {
        let arguments = [&["compare", "--counted", "--json"], arguments].concat();
        let document: Value = serde_json::from_str(&succeeds(dir.path(), &arguments)).unwrap();
        document["rows"].as_array().unwrap().clone()
    };
    let (manifest, evaluation) = (json(&run_dir().join("manifest.json")), json(&run_dir().join("evaluation.json")));
    let rows = compared(&["--run", run, "--run", run]);
    assert_eq!(rows.len(), 8);
    for row in &rows[..2] {
        for key in ["parameters", "macs"] {
            assert_eq!(row[key], manifest[key], "{key}");
        }
        assert_eq!((&row["accuracy"], &row["split"]), (&evaluation["accuracy"], &"test".into()));
        assert_eq!(row["parameters_ratio"], 1.0);
    }
    assert_eq!(rows[2]["accuracy"], Value::Null);
    let base = compared(&[]);
    assert_eq!(base[0]["parameters"], TinyCnnLsaConfig::default().cost().parameters());
    let ratio = |rows: &[Value]| rows.last().unwrap()["parameters_ratio"].as_f64().unwrap();
    assert!(ratio(&rows) > 10.0 * ratio(&base));
    for arguments in [&["--run", run, CONFIG][..], &["--run", run, "--set", "model.tinycnn-lsa.attention.blocks=1"]] {
        let said = fails(dir.path(), 2, &[&["compare"], arguments].concat());
        assert!(said.contains("cannot be used with"), "{said}");
    }
}

#[test]
fn bench_counts_the_work_of_the_model_that_it_measures() {
    let dir = tempfile::tempdir().unwrap();
    let model = run_dir().join("model.safetensors");
    let short = ["--rounds", "1", "--block-seconds", "0.001", "--threads", "1", "--batch-size", "2", "--json"];
    let arguments = [&["bench", "infer", "--model", model.to_str().unwrap()], &short[..]].concat();
    let document: Value = serde_json::from_str(&succeeds(dir.path(), &arguments)).unwrap();
    let measured = &document["infer"]["batch_2"];
    let macs = json(&run_dir().join("manifest.json"))["macs"].as_f64().unwrap();
    let expected = 2e-9 * macs * measured["images_per_s"].as_f64().unwrap();
    let gflops = measured["gflops"].as_f64().unwrap();
    assert!((gflops / expected - 1.0).abs() < 1e-6, "{gflops} {expected}");
}

#[test]
fn options_without_effect_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let model = run_dir().join("model.safetensors");
    let model = model.to_str().unwrap();
    let check = |arguments: &[&str], expected: &str| {
        let said = fails(dir.path(), 2, arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    };
    check(&["bench", "train", "--method", "lime-1000"], "--method has no effect on `bench train`");
    check(&["bench", "explain", "--batch-size", "4"], "--batch-size has no effect on `bench explain`");
    check(&["bench", "explain", "--threads", "1,2"], "`bench explain` takes one number of --threads");
    check(&["bench", "tokens", "--peers"], "--peers has no effect on `bench tokens`");
    check(&["bench", "tokens", "--data-dir", "."], "--data-dir has no effect on `bench tokens`");
    check(
        &["bench", "infer", "--model", model, "--set", "model.tinycnn-lsa.input.width=14"],
        "the network is that of --model",
    );
    check(&["evaluate", "--run", "x", "--model", model], "cannot be used with");
    check(&["evaluate", "--run", "x", "--validation", "5"], "cannot be used with");
    let run = run_dir();
    let export = ["export", "--run", run.to_str().unwrap(), "--data-dir", ".", "--out", "x.safetensors"];
    check(&export, "--data-dir . has no effect");
}
