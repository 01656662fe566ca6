//! Explanations as a user gets them: the files, the same bits whatever the machine does, wrong input.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::Value;
use tempfile::TempDir;

mod program;
#[path = "program/succeeds.rs"]
mod succeeds;
use program::xtask;
use succeeds::succeeds;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");

const METHODS: [&str; 19] = [
    "self-attention",
    "multi-head-attention",
    "attention-rollout",
    "gradient-rollout",
    "attention-flow",
    "fixed-query",
    "integrated-gradients",
    "expected-gradients",
    "smooth-grad",
    "input-gradient",
    "input-times-gradient",
    "grad-cam",
    "class-evidence",
    "occlusion",
    "rise",
    "exact-shapley",
    "kernel-shap",
    "permutation-shap",
    "lime",
];

/// A run of ci.toml that explains five images more, drawn at random; made once for all tests.
fn run() -> &'static Path {
    static RUN: OnceLock<TempDir> = OnceLock::new();
    let folder = RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let drawn = ["--set", "explain.images.random=5"];
        succeeds(folder.path(), &[&["experiment", CONFIG, "--out", "run"][..], &drawn].concat());
        folder
    });
    folder.path()
}

fn model() -> String {
    run().join("run/model.safetensors").display().to_string()
}

/// Explains synthetic test images with the settings of ci.toml.
fn explain(folder: &Path, more: &[&str]) -> String {
    let model = model();
    succeeds(folder, &[&["explain", "--synthetic", "--config", CONFIG, "--model", &model], more].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn doubles(file: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let tensor = file.tensor(name).unwrap();
    match tensor.dtype() {
        Dtype::F64 => tensor.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
        Dtype::F32 => tensor.data().as_chunks().0.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect(),
        Dtype::I64 => tensor.data().as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as f64).collect(),
        Dtype::U8 => tensor.data().iter().map(|&byte| f64::from(byte)).collect(),
        other => panic!("{name} holds {other:?}"),
    }
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-5 * left.abs().max(right.abs()).max(1.0)
}

#[test]
fn every_method_leaves_maps_that_another_library_can_check() {
    let folder = tempfile::tempdir().unwrap();
    let said = explain(folder.path(), &["--index", "5", "--method", "all", "--out", "out"]);
    assert!(said.contains("test-5: predicted") && said.contains("19 methods"), "{said}");
    let bytes = std::fs::read(folder.path().join("out/test-5/attributions.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let diagnostics = json(&folder.path().join("out/test-5/diagnostics.json"));
    for method in METHODS {
        assert!(file.names().iter().any(|name| name.starts_with(&format!("{method}/"))), "{method}");
        assert!(diagnostics["methods"][method]["seconds"].as_f64().unwrap() >= 0.0, "{method}");
        assert!(folder.path().join(format!("out/test-5/{method}.png")).metadata().unwrap().len() > 0, "{method}");
    }
    assert_eq!(file.tensor("image").unwrap().shape(), [1, 28, 28]);
    assert_eq!(file.tensor("integrated-gradients/attribution").unwrap().shape(), [1, 28, 28]);
    assert_eq!(file.tensor("truth_mask").unwrap().shape(), [28, 28]);

    // every coalition in the order of its number, and Shapley values that sum to the difference of the ends
    let values = doubles(&file, "exact-shapley/values");
    let shapley = doubles(&file, "exact-shapley/shapley");
    assert_eq!((values.len(), shapley.len()), (64, 6));
    let masks = doubles(&file, "exact-shapley/masks");
    for (coalition, mask) in masks.chunks_exact(6).enumerate() {
        let number: f64 = mask.iter().zip(0..).map(|(inside, player)| inside * 2_f64.powi(player)).sum();
        assert!(close(number, coalition as f64), "{coalition}: {mask:?}");
    }
    let sum: f64 = shapley.iter().sum();
    assert!(close(sum, values[63] - values[0]), "{sum}");
    assert!(close(doubles(&file, "exact-shapley/full_value")[0], values[63]));
    let target = diagnostics["target"]["class"].as_u64().unwrap() as usize;
    assert!(close(values[63], doubles(&file, "logits")[target]));

    // the linear model of LIME says of the first, full coalition what the diagnostics say
    let coefficients: f64 = doubles(&file, "lime/coefficients").iter().sum();
    let local = coefficients + doubles(&file, "lime/intercept")[0];
    let told = diagnostics["methods"]["lime"]["diagnostics"]["solution"]["local_predictions"][0].as_f64().unwrap();
    assert!(close(local, told));
    assert_eq!(doubles(&file, "lime/masks").len(), 40 * 6);

    // rows of attention sum to 1, and the fixed queries are rows of it
    let head = doubles(&file, "multi-head-attention/layer-0/head-1");
    let tokens = head.len().isqrt();
    assert!(head.chunks_exact(tokens).all(|row| close(row.iter().sum(), 1.0)));
    let queries = doubles(&file, "fixed-query/queries");
    let rows = doubles(&file, "fixed-query/layer-0/head-1");
    for (&query, row) in queries.iter().zip(rows.chunks_exact(tokens)) {
        let start = query as usize * tokens;
        assert_eq!(row, &head[start..start + tokens]);
    }
    let check = &diagnostics["methods"]["self-attention"]["diagnostics"]["layers"][0]["check"];
    assert!(check["largest_deviation"].as_f64().unwrap() <= 2e-6, "{check}");
    assert!(close(doubles(&file, "integrated-gradients/weights").iter().sum(), 1.0));
    assert!(folder.path().join("out/explanations.html").metadata().unwrap().len() > 0);
}

#[test]
fn threads_batches_and_other_images_change_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let ways: [(&str, &[&str]); 4] = [
        ("one", &["--index", "2", "--threads", "1", "--set", "explain.batch_size=1"]),
        ("seven", &["--index", "2", "--threads", "2", "--set", "explain.batch_size=7"]),
        ("many", &["--index", "9,2", "--threads", "2", "--set", "explain.batch_size=64"]),
        ("another-seed", &["--index", "2", "--seed", "1"]),
    ];
    let maps = ways.map(|(out, how)| {
        explain(folder.path(), &[&["--method", "all", "--out", out], how].concat());
        std::fs::read(folder.path().join(out).join("test-2/attributions.safetensors")).unwrap()
    });
    assert!(maps[0] == maps[1] && maps[0] == maps[2]);
    assert!(maps[0] != maps[3]);
}

#[test]
fn a_target_and_images_of_ones_own_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    photograph(&folder.path().join("dress.png"));
    let model = model();
    let arguments = [
        "explain",
        "dress.png",
        "dress.png",
        "--config",
        CONFIG,
        "--model",
        &model,
        "--method",
        "input-gradient",
        "--target",
        "bag",
        "--out",
        "out",
    ];
    succeeds(folder.path(), &arguments);
    let diagnostics = json(&folder.path().join("out/dress/diagnostics.json"));
    assert_eq!(diagnostics["target"]["name"], "Bag");
    assert!(diagnostics["label"].is_null());
    // the model of a run has no temperature
    assert!(diagnostics["temperature"].is_null() && diagnostics["predicted"]["probability_calibrated"].is_null());
    assert!(diagnostics["predicted"]["probability_raw"].as_f64().unwrap() > 0.0);
    assert!(folder.path().join("out/dress-2/attributions.safetensors").is_file());
}

/// Writes a dark dress on light ground.
fn photograph(path: &Path) {
    let image = image::GrayImage::from_fn(120, 160, |x, y| {
        let is_garment = (30..90).contains(&x) && (20..140).contains(&y);
        image::Luma([if is_garment { 40 } else { 250 }])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    std::fs::write(path, bytes.into_inner()).unwrap();
}

#[test]
fn an_experiment_explains_scores_and_ranks() {
    let run = run().join("run");
    let manifest = json(&run.join("manifest.json"));
    assert_eq!(manifest["digests"]["explanations"].as_str().unwrap().len(), 64);
    assert!(manifest["figures"]["explanation_seconds"].as_f64().unwrap() > 0.0);
    for image in ["test-3", "test-7"] {
        assert!(run.join("explanations").join(image).join("attributions.safetensors").is_file(), "{image}");
    }
    let table = json(&run.join("explanations/scores.json"));
    let methods: Vec<&str> = table["methods"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for method in ["random", "sobel", "input-gradient", "integrated-gradients", "kernel-shap", "lime"] {
        assert!(methods.contains(&method), "{methods:?}");
    }
    assert!(!methods.contains(&"fixed-query"));
    // the images that were drawn, and no others
    assert_eq!((table["sample"].as_str(), table["images"].as_u64()), (Some("random"), Some(5)));
    let entries = std::fs::read_dir(run.join("explanations")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(entries.filter(|path| path.is_dir()).count(), 2 + 5);
    let placed = table["overall"]["methods"].as_array().unwrap();
    assert_eq!(placed.len(), methods.len(), "{}", table["overall"]);
    assert!(placed.windows(2).all(|pair| pair[0]["mean_rank"].as_f64() <= pair[1]["mean_rank"].as_f64()));
    assert!(!table["overall"]["kinds"].as_array().unwrap().iter().any(|kind| kind == "completeness"));
    let scores = table["scores"].as_array().unwrap();
    let kinds: std::collections::BTreeSet<&str> = scores.iter().map(|score| score["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 13, "{kinds:?}");
    for score in scores {
        let entries = score["entries"].as_array().unwrap();
        let mut ranks: Vec<f64> = entries.iter().filter_map(|entry| entry["rank"].as_f64()).collect();
        assert!(!ranks.is_empty(), "{score}");
        ranks.sort_by(f64::total_cmp);
        let expected = (ranks.len() * (ranks.len() + 1)) as f64 / 2.0;
        assert!(close(ranks.iter().sum(), expected), "{ranks:?}");
        for difference in entries.iter().flat_map(|entry| entry["against"].as_array().unwrap()) {
            let [low, high] = ["low", "high"].map(|end| difference["difference"][end].as_f64().unwrap());
            assert!(difference["verdict"] == "undecided" || low > 0.0 || high < 0.0, "{difference}");
        }
        for interval in entries.iter().map(|entry| &entry["mean"]).filter(|mean| !mean.is_null()) {
            let [low, mean, high] = ["low", "mean", "high"].map(|end| interval[end].as_f64().unwrap());
            assert!(low <= mean + 1e-12 && mean <= high + 1e-12, "{interval}");
        }
    }
}

#[test]
fn the_command_repeats_what_the_experiment_found() {
    let folder = tempfile::tempdir().unwrap();
    explain(folder.path(), &["--index", "3", "--out", "out"]);
    let maps = |path: PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        ["kernel-shap/shapley", "lime/coefficients", "integrated-gradients/attribution"]
            .map(|name| doubles(&file, name))
    };
    let again = maps(folder.path().join("out/test-3/attributions.safetensors"));
    assert_eq!(again, maps(run().join("run/explanations/test-3/attributions.safetensors")));
}

#[test]
fn the_command_scores_what_it_explains() {
    let folder = tempfile::tempdir().unwrap();
    let methods = ["--method", "integrated-gradients,class-evidence"];
    let fewer = ["--set", "explain.scores.sensitivity_images=1", "--set", "explain.scores.randomisation_images=1"];
    let said =
        explain(folder.path(), &[&["--index", "3,7", "--scores", "--out", "out"], &methods[..], &fewer[..]].concat());
    assert!(said.contains("Means over 2 images") && said.contains("class-evidence"), "{said}");
    let table = json(&folder.path().join("out/scores.json"));
    assert_eq!((table["sample"].as_str(), table["images"].as_u64()), (Some("chosen"), Some(2)));
    let scored: Vec<&str> = table["methods"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for method in ["random", "sobel", "integrated-gradients", "class-evidence"] {
        assert!(scored.contains(&method), "{scored:?}");
    }
    assert!(std::fs::read_to_string(folder.path().join("out/explanations.html")).unwrap().contains("mean rank"));
}

#[test]
fn a_warning_names_the_image_and_the_method() {
    let folder = tempfile::tempdir().unwrap();
    let set = |key| ["--set", key];
    let budget = [set("explain.integrated-gradients.steps=2"), set("explain.integrated-gradients.maximum_steps=2")];
    let arguments = ["explain", "--synthetic", "--index", "3", "--method", "integrated-gradients", "--out", "out"];
    let output = xtask(folder.path(), &[&arguments[..], &["--model", &model()], budget.as_flattened()].concat())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let expected = "WARN explaining{image=test-3 method=integrated-gradients}: integrated gradients missed";
    assert!(said.contains(expected), "{said}");
    let line = String::from_utf8_lossy(&output.stdout);
    assert!(line.contains(": 1 method in "), "{line}");
}

#[test]
fn wrong_input_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text.png"), b"text").unwrap();
    let model = model();
    let check = |code: i32, arguments: &[&str], expected: &str| {
        let output = xtask(folder.path(), &[&["explain", "--model", &model, "--out", "out"], arguments].concat())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
    };
    check(2, &[], "IMAGE");
    check(2, &["text.png", "--index", "1"], "cannot be used with");
    check(2, &["--synthetic", "--index", "1", "--method", "kernelshap"], "did you mean kernel-shap?");
    check(2, &["--synthetic", "--index", "200"], "200 images, 0 to 199");
    check(2, &["--synthetic", "--index", "1", "--target", "10"], "expected 0 to 9");
    check(2, &["--synthetic", "--index", "1", "--target", "boot"], "did you mean Ankle boot?");
    check(2, &["--synthetic", "--index", "1", "--set", "explain.lime.samples=0"], "`explain.lime.samples` is 0");
    check(2, &["--synthetic", "--index", "1", "--set", "explain.lime.sample=9"], "did you mean `explain.lime.samples`");
    check(2, &["--synthetic", "--index", "1", "--set", "explain.methods=[\"lima\"]"], "lima");
    let few = ["--synthetic", "--index", "1", "--method", "exact-shapley", "--set", "explain.exact-shapley.limit=1"];
    check(1, &few, "evaluations to enumerate, expected at most 1 segments");
    check(2, &["--synthetic", "--index", "1", "--scores", "--target", "all"], "ask for one");
    let steps = ["--synthetic", "--index", "1", "--scores", "--set", "explain.scores.deletion.steps=785"];
    check(2, &steps, "`explain.scores.deletion.steps` is 785");
    check(2, &["--synthetic", "--index", "1", "--set", "explain.scores.level=0.9"], "with --scores their scores");
    check(2, &["--synthetic", "--index", "5..3"], "a range A..B holds the numbers from A to B - 1");
    let beyond = ["--synthetic", "--split", "validation", "--index", "1,100000"];
    check(2, &beyond, "there is no image 100000: the validation split of synthetic garments has");
    check(
        2,
        &["--synthetic", "--index", "1", "--set", "explain.fixed-query.tokens=[49]"],
        "`explain.fixed-query.tokens.0` is 49",
    );
    check(2, &["--synthetic", "--index", "1", "--method", "LIME"], "did you mean lime?");
    check(2, &["--synthetic", "--index", "1", "--set", "explain.segmentation.grid.rows=29"], "expected 1 to 28");
    check(1, &["text.png", "--method", "lime"], "text.png");
    check(1, &["missing.png", "--method", "lime"], "missing.png");
}
