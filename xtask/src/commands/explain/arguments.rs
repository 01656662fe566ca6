use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::commands::images::ImageArguments;

/// Arguments of the `explain` command.
#[derive(Args, Debug)]
pub(crate) struct ExplainArguments {
    /// PNG or JPEG images, for a model of garments of one garment each.
    #[arg(required_unless_present = "index", conflicts_with = "index", value_name = "IMAGE")]
    pub(super) images: Vec<PathBuf>,
    /// Images of the data set that the model was trained on by their number, such as 0,17 or 20..30 for 20 to 29.
    #[arg(long, value_delimiter = ',', value_name = "I,J,A..B", value_parser = numbers)]
    pub(super) index: Vec<Range<u32>>,
    /// A model.safetensors of a run; without it, the weights that ship with the program.
    #[arg(long, value_name = "FILE")]
    pub(super) model: Option<PathBuf>,
    #[command(flatten)]
    pub(super) collection: ImageArguments,
    /// The split that --index counts in; the test split without it. The validation split is what the model file says that
    /// the model was not trained on, of the training images.
    #[arg(long, value_enum, value_name = "SPLIT")]
    pub(super) split: Option<IndexedSplit>,
    /// The methods, such as lime,kernel-shap, or all.
    #[arg(long = "method", value_delimiter = ',', value_name = "M,…")]
    pub(super) methods: Vec<String>,
    /// The class to explain, by number or name, instead of the predicted one; `all` explains every class with the same
    /// random draws and puts them side by side on one scale.
    #[arg(long, value_name = "CLASS")]
    pub(super) target: Option<String>,
    /// The class that it is set against, by number or name: what is explained is the difference of the two logits.
    #[arg(long, value_name = "CLASS")]
    pub(super) against: Option<String>,
    /// Score the explanations as an experiment does, by the measures of [explain.scores], and rank the methods, which takes
    /// longer than to explain.
    #[arg(long)]
    pub(super) scores: bool,
    /// Seed of everything that is drawn, instead of the config's.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Take the methods and their settings from the `[explain]` part of this config instead of configs/base.toml.
    #[arg(long, value_name = "CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Change a key of the config, such as explain.lime.samples=200; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) overrides: Vec<String>,
    /// Threads; 0 takes every core. The result has the same bits whatever the number.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) threads: usize,
    /// A directory for the explanations alone: a folder for each image, and a page. What an earlier `explain` wrote there
    /// is removed.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum IndexedSplit {
    Train,
    Validation,
    Test,
}

/// A number, or the numbers from A up to but without B.
fn numbers(text: &str) -> Result<Range<u32>, String> {
    let number = |text: &str| text.parse::<u32>().map_err(|error| format!("{text:?} is no number: {error}"));
    let range = match text.split_once("..") {
        None => number(text).map(|only| only..only.saturating_add(1))?,
        Some((first, end)) => number(first)?..number(end)?,
    };
    if range.is_empty() {
        Err("a range A..B holds the numbers from A to B - 1, none here".to_owned())
    } else {
        Ok(range)
    }
}
