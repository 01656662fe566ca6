//! The other backends of burn train the same network about as well: those that the program was built with.

#![cfg(any(feature = "ndarray", feature = "wgpu", feature = "cuda"))]

mod program;

use std::fs;
use std::path::Path;

use program::xtask;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");

/// `[device] backend` in a config.
const OTHERS: &[&str] = &[
    #[cfg(feature = "ndarray")]
    "ndarray",
    #[cfg(feature = "wgpu")]
    "wgpu",
    #[cfg(feature = "cuda")]
    "cuda",
];

/// So that the tiny network learns something in two epochs.
const QUICK: &str = "train.optimizer.adamw.learning_rate=1e-2";

/// The accuracy on the test split after two epochs, 0 to 1.
fn accuracy(folder: &Path, backend: &str) -> f64 {
    let chosen = format!("device.backend={backend}");
    let arguments = ["experiment", CONFIG, "--set", &chosen, "--set", QUICK, "--set", "explain.enabled=false"];
    let output = xtask(folder, &arguments).args(["--out", backend]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(folder.join(backend).join("evaluation.json")).unwrap();
    let evaluation: serde_json::Value = serde_json::from_str(&text).unwrap();
    evaluation["accuracy"].as_f64().unwrap()
}

#[test]
fn every_backend_is_within_half_a_point_of_flex() {
    let folder = tempfile::tempdir().unwrap();
    let flex = accuracy(folder.path(), "flex");
    assert!(flex > 0.2, "the network learned something: {flex}");
    for backend in OTHERS {
        let other = accuracy(folder.path(), backend);
        assert!((flex - other).abs() <= 0.005 + 1e-9, "flex {flex}, {backend} {other}");
    }
}
