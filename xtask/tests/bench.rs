//! `cargo xtask bench` as a user runs it, on a network so small that it takes seconds, and beside peers that are not
//! what they should be.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

mod program;
use program::xtask;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");

/// As little work as there can be.
const SHORT: [&str; 8] = ["--config", CONFIG, "--rounds", "1", "--block-seconds", "0.001", "--threads", "1"];

fn bench(arguments: &[&str]) -> Output {
    xtask(Path::new("."), &[&["bench"], arguments].concat()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn document(arguments: &[&str]) -> Value {
    let output = bench(&[&SHORT, arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The exit code and standard error of a command that must fail, and print nothing else.
#[track_caller]
fn fails(arguments: &[&str]) -> (i32, String) {
    let output = bench(&[&SHORT, arguments, &["--json"]].concat());
    assert_eq!(text(&output.stdout), "");
    (output.status.code().unwrap(), text(&output.stderr))
}

#[track_caller]
fn is_positive(value: &Value) {
    assert!(value.as_f64().is_some_and(|value| value > 0.0), "{value}");
}

#[test]
fn without_a_subject_training_and_inference_are_measured() {
    let document = document(&["--batch-size", "8"]);
    let train = &document["train"];
    for key in ["images_per_s", "ms_per_step", "gflops", "peak_gflops", "share_of_peak", "convolution_share_of_peak"] {
        is_positive(&train[key]);
    }
    assert_eq!((&train["batch_size"], &train["threads"]), (&8.into(), &1.into()));
    assert_eq!((&train["peers"], &train["ratio"]), (&Value::Null, &Value::Null));
    assert_eq!(train["optimizer"], "adamw");
    let phases = train["phases"].as_array().unwrap();
    let names: Vec<&str> = phases.iter().map(|phase| phase["name"].as_str().unwrap()).collect();
    for name in ["convolution forward", "convolution input gradient", "convolution weight gradient", "loss"] {
        assert!(names.contains(&name), "{names:?}");
    }
    // the images are prepared beside the step, and everything else is one part of it or another
    let inside: f64 = phases[..phases.len() - 1].iter().map(|phase| phase["share_of_step"].as_f64().unwrap()).sum();
    assert!((inside - 1.0).abs() < 1e-6, "{inside}");
    assert_eq!(names.last(), Some(&"images, beside the step"));

    let infer = &document["infer"];
    is_positive(&infer["batch_8"]["images_per_s"]);
    is_positive(&infer["batch_8"]["latency_ms"]["median"]);
    assert_eq!(infer["batch_8"]["peers"], Value::Null);
    for form in ["plain", "folded"] {
        is_positive(&infer["batch_8"]["forms"][form]["images_per_s"]);
    }
    assert_eq!(infer["threads"]["1"]["batch_8"], infer["batch_8"]);
    is_positive(&infer["classify"]["milliseconds"]["median"]);
}

#[test]
fn tokens_are_measured_for_both_kinds_of_attention() {
    let document = document(&["tokens", "--batch-size", "1"]);
    let blocks = document["tokens"]["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 12);
    for block in blocks {
        is_positive(&block["milliseconds"]);
    }
    let memory = |kind: &str| {
        let largest = |block: &&Value| {
            block["tokens"] == 784 && block["kind"] == kind && block["passes"] == "forward-and-backward"
        };
        blocks.iter().find(largest).unwrap()["memory"].as_u64().unwrap()
    };
    assert!(memory("softmax") > memory("linear"), "a matrix of 784 × 784 for each head takes memory");
}

#[test]
fn explanations_are_set_beside_their_passes() {
    let document = document(&["explain", "--method", "integrated-gradients-50,flow-49x3"]);
    let methods = document["explain"]["methods"].as_array().unwrap();
    assert_eq!(methods.len(), 2);
    is_positive(&methods[0]["seconds"]["median"]);
    is_positive(&methods[0]["passes"]["median"]);
    assert!(methods[0]["overhead"]["median"].is_number());
    assert_eq!(methods[1]["overhead"], Value::Null);
    assert_eq!(document["explain"]["peak_memory_by_samples"].as_object().unwrap().len(), 3);
}

#[test]
fn a_table_is_for_people() {
    let output = bench(&[&SHORT[..], &["infer", "--batch-size", "1"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("median ms") && said.contains("classify, from start to answer"), "{said}");
}

#[test]
fn wrong_arguments_end_with_two() {
    let check = |arguments: &[&str], expected: &str| {
        let (code, said) = fails(arguments);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(expected), "{said}");
    };
    check(&["bake"], "bake");
    check(&["train", "--batch-size", "0"], "--batch-size is 0");
    check(&["train", "--batch-size", "1"], "train.batch_size is 1, expected 2 to");
    check(&["infer", "--threads", "0"], "--threads");
    check(&["infer", "--batch-size", "many"], "many");
    check(&["explain", "--method", "guessing"], "expected one of integrated-gradients-50");
    check(&["train", "--set", "train.epoch=1"], "did you mean `train.epochs`?");
    check(&["train", "--python", "python3"], "--peers");
    let wide = ["--set", "model.tinycnn-lsa.input.width=32", "--source", "synthetic-garments"];
    check(&[&["train"], &wide[..]].concat(), "28×28");
}

/// An interpreter of shell scripts that answers the question after missing modules, and peers that are shell scripts.
#[cfg(unix)]
struct Fake {
    folder: tempfile::TempDir,
}

#[cfg(unix)]
impl Fake {
    /// `missing` is what a shell prints for the modules that it is asked for.
    fn new(missing: &str, peer: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;

        let fake = Self { folder: tempfile::tempdir().unwrap() };
        let interpreter = format!("#!/bin/sh\nif [ \"$1\" = -c ]; then {missing}; else exec sh \"$@\"; fi\n");
        std::fs::write(fake.interpreter(), interpreter).unwrap();
        std::fs::set_permissions(fake.interpreter(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for script in ["bench_train.py", "bench_infer.py", "time_explanations.py"] {
            std::fs::write(fake.folder.path().join(script), peer).unwrap();
        }
        fake
    }

    fn interpreter(&self) -> PathBuf {
        self.folder.path().join("interpreter")
    }

    fn arguments<'a>(&'a self, subject: &[&'a str], interpreter: &'a Path) -> Vec<&'a str> {
        let (interpreter, scripts) = (interpreter.to_str().unwrap(), self.folder.path().to_str().unwrap());
        [subject, &["--peers", "--python", interpreter, "--peer-scripts", scripts]].concat()
    }
}

#[cfg(unix)]
const POLITE: &str = r#"echo '{"ready": "fake 1.0", "difference": 0.0}'
while read -r line; do echo '{"seconds": [16.0, 16.0], "peak_memory": 1000000}'; done
"#;

#[test]
#[cfg(unix)]
fn peers_are_measured_in_turn_with_us() {
    let fake = Fake::new("true", POLITE);
    let interpreter = fake.interpreter();
    let other_optimizer = ["--batch-size", "8", "--set", "train.optimizer.kind=muon"];
    let document = document(&fake.arguments(&other_optimizer, &interpreter));
    let train = &document["train"];
    assert_eq!(train["optimizer"], "adamw", "the peers' optimizer is everyone's");
    for name in ["pytorch-eager", "pytorch-channels-last", "pytorch-compile"] {
        assert_eq!(train["peers"][name], 0.5);
    }
    let ratio = train["ratio"].as_f64().unwrap();
    let expected = train["images_per_s"].as_f64().unwrap() / 0.5;
    assert!((ratio / expected - 1.0).abs() < 1e-6, "{ratio} {expected}");
    assert_eq!(train["peer_details"][0]["version"], "fake 1.0");
    assert_eq!(document["infer"]["batch_8"]["peers"]["onnxruntime"], 0.5);
    let latency = document["infer"]["batch_8"]["latency_ratio"].as_f64().unwrap();
    assert!(latency > 0.0 && latency < 1.0, "{latency}");
}

#[test]
#[cfg(unix)]
fn a_peer_without_its_modules_is_left_out_with_advice() {
    let fake = Fake::new("case \"$*\" in *onnxruntime*) echo onnx onnxruntime;; esac", POLITE);
    let interpreter = fake.interpreter();
    let arguments = fake.arguments(&["infer", "--batch-size", "2"], &interpreter);
    let output = bench(&[&SHORT, &arguments[..], &["--json"]].concat());
    assert!(output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains("onnxruntime is left out") && said.contains("-m pip install onnx onnxruntime"), "{said}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let setting = &document["infer"]["batch_2"];
    assert_eq!(setting["peers"]["onnxruntime"], Value::Null);
    is_positive(&setting["peers"]["pytorch-eager"]);
    assert!(setting["left_out"]["onnxruntime"].as_str().unwrap().contains("lacks onnx onnxruntime"));
}

#[test]
#[cfg(unix)]
fn peers_that_cannot_be_had_are_an_error() {
    let check = |missing: &str, interpreter: Option<&str>, expected: &str| {
        let fake = Fake::new(missing, POLITE);
        let interpreter = interpreter.map_or_else(|| fake.interpreter(), PathBuf::from);
        let (code, said) = fails(&fake.arguments(&["train"], &interpreter));
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(expected), "{said}");
    };
    check("echo torch", None, "-m pip install torch");
    check("exit 3", None, "ended with exit status: 3");
    check("true", Some("/no/such/python"), "install Python 3, or name it with --python or PYTHON");
}

#[test]
#[cfg(unix)]
fn a_peer_that_misbehaves_is_named() {
    let check = |peer: &str, expected: &[&str]| {
        let fake = Fake::new("true", peer);
        let interpreter = fake.interpreter();
        let (code, said) = fails(&fake.arguments(&["train", "--batch-size", "4"], &interpreter));
        assert_eq!(code, 1, "{said}");
        for text in [&["pytorch-eager"], expected].concat() {
            assert!(said.contains(text), "{said}");
        }
    };
    let ready = r#"echo '{"ready": "fake"}'; read -r line; "#;
    check("echo no such weight >&2; exit 3", &["exit status: 3", "whether it is ready", "no such weight"]);
    check(&format!("{ready} echo out of memory >&2; exit 4"), &["exit status: 4", "batch size 4", "out of memory"]);
    check("echo hello", &["answered \"hello\"", "expected one JSON object"]);
    check(&format!("{ready} echo '{{\"seconds\": []}}'; read -r line"), &["gave no timing"]);
    check(&format!("{ready} echo '{{\"seconds\": [-1.0]}}'; read -r line"), &["gave no timing"]);
}

#[test]
#[cfg(unix)]
fn a_peer_explains_a_case_and_ends() {
    let subject = ["explain", "--method", "flow-49x3"];
    let fake = Fake::new("true", "echo '{\"networkx-flow-49x3\": 1000.0}'");
    let interpreter = fake.interpreter();
    let found = document(&fake.arguments(&subject, &interpreter));
    let method = &found["explain"]["methods"][0];
    assert_eq!(method["peer_seconds"]["median"], 1000.0);
    assert!(method["ratio"].as_f64().unwrap() > 1.0);

    let fake = Fake::new("true", "echo '{\"another-case\": 1000.0}'");
    let interpreter = fake.interpreter();
    let (code, said) = fails(&fake.arguments(&subject, &interpreter));
    assert_eq!(code, 1);
    assert!(said.contains("networkx-flow-49x3 answered"), "{said}");
}

#[test]
fn the_page_to_explore_is_asked_as_a_browser_asks_it() {
    let output = bench(&["explore", "--rounds", "1", "--block-seconds", "0.001", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let questions = document["explore"]["questions"].as_array().unwrap();
    assert_eq!(questions.len(), 7);
    for question in questions {
        let figure = |key: &str| question[key].as_f64().unwrap();
        assert!(question["calls"].as_u64().unwrap() >= 1, "{question}");
        assert!(0.0 < figure("median") && figure("median") <= figure("worst"), "{question}");
    }
    assert!(document["explore"]["longest_delay"].is_f64());
    let refused = bench(&["explore", "--threads", "1"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--threads has no effect on `bench explore`"), "{}", text(&refused.stderr));
}
