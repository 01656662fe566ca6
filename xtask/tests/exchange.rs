//! Models in the forms of other programs: an ONNX file, and a directory for the Hub. What is in a graph, and how another
//! runtime computes it, is tested in `tinylsa-onnx`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use burn::tensor::Device;
use serde_json::{Value, json};
use tempfile::TempDir;
use tinylsa_model::networks::{Network, NetworkConfig, ResNetConfig, ResNetStageConfig};
use tinylsa_model::{ModelConfig, ModelMetadata, Precision, TinyCnnLsa, model_to_safetensors};
use tinylsa_onnx::{OnnxOptions, to_onnx};
use tinylsa_system::sha256_hex;

mod program;
#[path = "program/succeeds.rs"]
mod succeeds;
use program::xtask;
use succeeds::succeeds;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");
const CARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/model-card.json");

fn output(dir: &Path, arguments: &[&str]) -> Output {
    xtask(dir, arguments).output().unwrap()
}

/// The standard error of an `export` that must end with this code, and leave the directory as it was.
#[track_caller]
fn refused(dir: &Path, code: i32, arguments: &[&str]) -> String {
    let before = names(dir);
    let output = output(dir, &[&["export"], arguments].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!(names(dir), before, "{arguments:?}");
    said
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A small run on drawn garments.
static RUN: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let settings = ["run.seed=3", "train.epochs=2", "explain.enabled=false"];
    let settings: Vec<&str> = settings.into_iter().flat_map(|setting| ["--set", setting]).collect();
    succeeds(dir.path(), &[&["experiment", CONFIG, "--out", "run"], &settings[..]].concat());
    dir
});

fn run_dir() -> PathBuf {
    RUN.path().join("run")
}

/// A model file of a residual network with initial weights.
fn residual(dir: &Path) -> PathBuf {
    let stages = vec![ResNetStageConfig { channels: 4, blocks: 1 }];
    let config = NetworkConfig::from(ResNetConfig { stages, ..ResNetConfig::resnet20() });
    let names: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
    let network: Network = config.init(&Device::flex()).unwrap();
    let metadata = ModelMetadata::new(&config, &names, "fashion-mnist");
    let path = dir.join("residual.safetensors");
    fs::write(&path, model_to_safetensors(&network, &metadata, Precision::Single).unwrap()).unwrap();
    path
}

#[test]
fn the_weights_that_ship_as_an_onnx_file() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = TinyCnnLsa::pretrained(&Device::flex()).unwrap();
    let metadata = loaded.metadata.with_config(|config| Ok::<_, ()>(config.into())).unwrap();
    let network = Network::from(loaded.model);
    for (attention, arguments) in [(false, &["--onnx", "a.onnx"][..]), (true, &["--onnx", "a.onnx", "--attention"])] {
        let said = succeeds(dir.path(), &[&["export"], arguments].concat());
        let bytes = fs::read(dir.path().join("a.onnx")).unwrap();
        assert!(bytes == to_onnx(&network, &metadata, OnnxOptions { attention }).unwrap());
        assert_eq!(said.contains("attention"), attention, "{said}");
        assert!(said.contains("opset 18") && said.contains(&bytes.len().to_string()), "{said}");
    }
    assert_eq!(names(dir.path()), ["a.onnx"]);
}

#[test]
fn an_export_that_cannot_be_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, model) = (dir.path(), residual(dir.path()));
    let model = model.to_str().unwrap();
    fs::create_dir(dir.join("taken")).unwrap();
    fs::write(dir.join("taken/notes"), "").unwrap();

    assert!(refused(dir, 2, &[]).contains("required"));
    assert!(refused(dir, 2, &["--out", "a.safetensors", "--attention"]).contains("--onnx"));
    assert!(refused(dir, 2, &["--onnx", "a.onnx", "--half"]).contains("cannot be used with"));
    assert!(refused(dir, 2, &["--onnx", "a.onnx", "--license", "mit"]).contains("--hub"));
    assert!(refused(dir, 2, &["--out", "a.safetensors", "--card", CARD]).contains("--hub"));
    assert!(refused(dir, 2, &["--out", "a", "--onnx", "a"]).contains("the same file"));
    let said = refused(dir, 2, &["--model", model, "--onnx", "a.onnx", "--attention", "--out", "a.safetensors"]);
    assert!(said.contains("--attention") && said.contains("\"resnet\"") && said.contains("no attention"), "{said}");
    assert!(refused(dir, 2, &["--hub", "taken"]).contains("such as notes"));
    assert!(refused(dir, 2, &["--hub", "taken/notes"]).contains("not a directory"));
    assert!(refused(dir, 2, &["--hub", "hub", "--license", "No such: thing"]).contains("licence"));
    let said = refused(dir, 2, &["--model", model, "--hub", "hub", "--card", CARD, "--onnx", "a.onnx"]);
    assert!(said.contains("of other weights"), "{said}");
    assert!(refused(dir, 1, &["--model", model, "--hub", "hub", "--card", model]).contains("a model card"));
    assert!(refused(dir, 1, &["--onnx", "no/such/a.onnx"]).contains("failed to write no/such/a.onnx"));
    // a directory without a model
    let said = refused(dir, 1, &["--model", "taken", "--onnx", "a.onnx"]);
    assert!(said.contains("model.safetensors"), "{said}");

    // the same network without attention is fine
    succeeds(dir, &["export", "--model", model, "--onnx", "a.onnx", "--out", "a.safetensors"]);
    assert!(fs::read(dir.join("a.safetensors")).unwrap() == fs::read(model).unwrap());
}

/// The lines between the two lines of dashes.
fn front_matter(readme: &str) -> Vec<&str> {
    let (front, body) = readme.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
    assert!(body.starts_with("\n# "), "{body}");
    front.lines().collect()
}

#[test]
fn the_weights_that_ship_as_a_directory_for_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let said = succeeds(dir.path(), &["export", "--hub", "hub"]);
    assert!(said.contains("README.md with figures"), "{said}");
    let hub = dir.path().join("hub");
    assert_eq!(names(&hub), ["README.md", "config.json", "model-card.json", "model.safetensors"]);

    let card = json_of(Path::new(CARD));
    assert_eq!(json_of(&hub.join("model-card.json")), card);
    let model = fs::read(hub.join("model.safetensors")).unwrap();
    assert_eq!(sha256_hex(&model), card["weights"]["sha256"], "the file that ships, byte by byte");

    let config = json_of(&hub.join("config.json"));
    assert_eq!((&config["kind"], &config["dtype"]), (&json!("tinycnn-lsa"), &json!("float16")));
    assert_eq!((&config["id2label"]["9"], &config["label2id"]["Ankle boot"]), (&json!("Ankle boot"), &json!(9)));
    assert_eq!(config["config"], card["model"]["tinycnn-lsa"]);
    assert_eq!(
        (&config["image_size"], &config["temperature"]),
        (&json!([28, 28]), &card["calibration"]["temperature"])
    );

    let readme = fs::read_to_string(hub.join("README.md")).unwrap();
    let front = front_matter(&readme);
    let accuracy = format!("      value: {}", card["test"]["accuracy"]);
    let interval = format!("        - {}", card["test"]["accuracy_interval"][0]);
    let lines = [
        "library_name: tinylsa",
        "pipeline_tag: image-classification",
        "- \"mit\"",
        "- \"apache-2.0\"",
        "- \"zalando-datasets/fashion_mnist\"",
        "model-index:",
        "      split: test",
        &accuracy,
        &interval,
    ];
    for line in lines {
        assert!(front.contains(&line), "{line} is missing in {readme}");
    }
    assert!(readme.contains("# Model card: TinyCNN + Linear Self-Attention") && readme.contains("## Robustness"));
    assert!(readme.ends_with("```\n"), "{readme}");

    // the same again elsewhere
    succeeds(dir.path(), &["export", "--hub", "again"]);
    assert_eq!(fs::read_to_string(dir.path().join("again/README.md")).unwrap(), readme);
}

#[test]
fn a_directory_is_a_model_wherever_its_file_is() {
    let dir = tempfile::tempdir().unwrap();
    let run = run_dir();
    let run = run.to_str().unwrap();
    let said = succeeds(dir.path(), &["export", "--run", run, "--hub", "hub", "--license", "cc0-1.0"]);
    assert!(said.contains("temperature") && said.contains("README.md with figures"), "{said}");
    let readme = fs::read_to_string(dir.path().join("hub/README.md")).unwrap();
    let report = json_of(&run_dir().join("evaluation.json"));
    assert_eq!(names(&dir.path().join("hub")), ["README.md", "config.json", "model.safetensors"]);
    let front = front_matter(&readme);
    assert!(front.contains(&format!("      value: {}", report["accuracy"]).as_str()), "{readme}");
    assert!(front.contains(&"- \"cc0-1.0\"") && front.contains(&"      type: \"synthetic-garments\""), "{readme}");
    assert!(!readme.contains("datasets:"), "{readme}");

    // weights that are rounded are not those that the run measured
    let said = succeeds(dir.path(), &["export", "--run", run, "--hub", "half", "--half"]);
    assert!(said.contains("without figures"), "{said}");
    let half = fs::read_to_string(dir.path().join("half/README.md")).unwrap();
    assert!(!half.contains("model-index") && half.contains("Nothing was measured"), "{half}");

    // the file, the directory of the run and that for the Hub give the same logits
    let logits = |model: &str| {
        let arguments = ["evaluate", "--synthetic", "--model", model, "--logits", "logits.safetensors"];
        succeeds(dir.path(), &arguments);
        fs::read(dir.path().join("logits.safetensors")).unwrap()
    };
    let file = run_dir().join("model.safetensors");
    assert!(logits(run) == logits(file.to_str().unwrap()), "the run");
    // away from its run, a model is measured on other garments
    fs::copy(file, dir.path().join("copy.safetensors")).unwrap();
    let copy = logits("copy.safetensors");
    assert!(logits("hub") == copy, "the directory for the Hub");
    assert!(logits("half") != copy, "rounded weights");

    // every other command that takes a model
    let image = dir.path().join("garment.png");
    image::GrayImage::from_fn(28, 28, |x, _| image::Luma([if (7..21).contains(&x) { 180 } else { 0 }]))
        .save(&image)
        .unwrap();
    let image = image.to_str().unwrap();
    let classified = |model: &str| succeeds(dir.path(), &["classify", image, "--model", model, "--json"]);
    let by_file = classified(dir.path().join("hub/model.safetensors").to_str().unwrap());
    assert_eq!(classified("hub"), by_file);
    succeeds(dir.path(), &["explain", image, "--model", "hub", "--method", "input-gradient", "--out", "explained"]);
    succeeds(dir.path(), &["export", "--model", "hub", "--out", "again.safetensors"]);
    let again = fs::read(dir.path().join("again.safetensors")).unwrap();
    assert!(again == fs::read(dir.path().join("hub/model.safetensors")).unwrap());
}
