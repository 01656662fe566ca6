//! A sample config and its schema, and the helpers that load it with changes.

use std::path::PathBuf;

use crate::{require, require_within};
use serde::Deserialize;

use super::*;

mod mistakes;
mod overrides;
mod source;

const TEXT: &str = r#"# a run
[run]
name = "base"
strict = false

[train]
epochs = 10
learning_rate = 0.01
optimizer = "adamw" # or sgd
crop = { padding = 2, probability = 0.5 }

[[model.stages]]
channels = 16

[[model.stages]]
channels = 32
kernel = 3

[data]
ratios = [0.8, 0.2]
"#;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    run: Run,
    train: Train,
    model: Model,
    data: Data,
    explain: Option<Explain>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    name: String,
    strict: bool,
    folder: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Train {
    epochs: u32,
    learning_rate: f64,
    optimizer: Optimizer,
    crop: Crop,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Optimizer {
    Adamw,
    Muon,
    Sgd,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Crop {
    padding: u8,
    probability: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    stages: Vec<Stage>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    channels: usize,
    #[serde(default = "default_kernel")]
    kernel: usize,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    ratios: [f64; 2],
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Explain {
    lime: Lime,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lime {
    samples: usize,
    #[serde(default)]
    seed: u64,
}

fn default_kernel() -> usize {
    5
}

fn validate(config: &Config) -> Result<(), InvalidSetting> {
    require_within("train.epochs", config.train.epochs, 1..=1000)?;
    require_within("train.crop.probability", config.train.crop.probability, 0.0..=1.0)?;
    for (index, stage) in config.model.stages.iter().enumerate() {
        let odd = stage.kernel % 2 == 1;
        require("kernel", odd, || stage.kernel.to_string(), "an odd number")
            .map_err(|error| error.within(&format!("model.stages.{index}")))?;
    }
    Ok(())
}

/// A config with `old` replaced by `new`, and what is set on top of it.
struct Input<'text> {
    old: &'text str,
    new: &'text str,
    set: &'text [&'text str],
}

/// The sample config as it is.
const UNCHANGED: Input<'static> = Input { old: "", new: "", set: &[] };

impl Input<'_> {
    fn text(&self) -> String {
        assert!(TEXT.contains(self.old), "the sample config has no `{}`", self.old);
        TEXT.replacen(self.old, self.new, 1)
    }
}

fn load_text(text: &str, set: &[&str]) -> Result<Config, ConfigError> {
    let overrides: Vec<String> = set.iter().map(|&argument| argument.to_owned()).collect();
    load(&ConfigSource::new("base.toml", text), &overrides, validate)
}

/// Loading `input` ends in the error `expected`.
#[track_caller]
fn check(input: &Input<'_>, expected: &str) {
    let error = load_text(&input.text(), input.set).expect_err("the config was accepted");
    assert_eq!(error.to_string(), expected.trim_start_matches('\n'));
}

/// Loading the sample config with `set` works and resolves to a config that holds every line of `expected`.
#[track_caller]
fn check_set(set: &[&str], expected: &[&str]) {
    let config = load_text(TEXT, set).unwrap_or_else(|error| panic!("{error}"));
    let resolved = to_toml(&config).unwrap();
    for line in expected {
        assert!(resolved.lines().any(|resolved| resolved == *line), "no `{line}` in\n{resolved}");
    }
}
