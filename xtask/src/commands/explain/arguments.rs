use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use tinylsa_experiment::shards::Shard;

use crate::commands::cluster::{SubmitArguments, counting};
use crate::commands::images::ImageArguments;
use crate::outcome::UsageError;

/// Arguments of the `explain` command. What is written into the plan of shards is all that decides a result.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExplainArguments {
    /// PNG or JPEG images, for a model of garments of one garment each.
    #[arg(required_unless_present_any = ["index", "shard", "gather"], conflicts_with = "index", value_name = "IMAGE")]
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
    #[serde(skip)]
    pub(super) threads: usize,
    /// A directory for the explanations alone: a folder for each image, and a page. What an earlier `explain` wrote there
    /// is removed.
    #[arg(long, value_name = "DIR", required_unless_present = "gather")]
    #[serde(skip)]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    #[serde(skip)]
    pub(super) sharding: ShardingArguments,
}

/// How images are shared among processes.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(super) struct ShardingArguments {
    /// Explain only the images whose number leaves I when it is divided by N, and leave alone those that are explained
    /// already. Other processes explain the others into the same directory, and --gather puts them together. Without
    /// --index, what the first shard or --submit was asked for. Ends with 75 if it was stopped where the same command
    /// resumes it.
    #[arg(long, value_name = "I/N", conflicts_with_all = ["images", "submit"])]
    pub(super) shard: Option<Shard>,
    /// How many shards to hand to the cluster.
    #[arg(long, value_name = "N", requires = "submit", value_parser = counting)]
    pub(super) shards: Option<usize>,
    #[command(flatten)]
    pub(super) submission: SubmitArguments,
    /// Put the shards in this directory together: the scores, the page, and the digest of a single process. Ends with 1 if
    /// an image is missing.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["images", "index", "out", "shard", "submit"])]
    pub(super) gather: Option<PathBuf>,
    /// Gather images that were explained with different instruction sets, which differ in their last bits.
    #[arg(long, conflicts_with_all = ["images", "index", "out"])]
    pub(super) allow_mixed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

impl ExplainArguments {
    /// The directory of the explanations.
    pub(super) fn out(&self) -> Result<&Path> {
        self.out.as_deref().context("--out is missing")
    }

    /// The same for a process in another directory.
    pub(super) fn absolute(&self) -> Result<Self> {
        let mut absolute = self.clone();
        let paths = [&mut absolute.model, &mut absolute.config, &mut absolute.collection.data_dir];
        for path in paths.into_iter().flatten() {
            *path = std::path::absolute(&path)?;
        }
        Ok(absolute)
    }

    /// Refuses whatever a plan says already.
    pub(super) fn require_nothing(&self) -> Result<(), UsageError> {
        let nothing =
            Self { threads: self.threads, out: self.out.clone(), sharding: self.sharding.clone(), ..Self::default() };
        if *self == nothing {
            return Ok(());
        }
        let text = "without --index and with --shard, the plan in --out says what is explained and how: leave out all \
                    other options, or name --index, too";
        Err(UsageError(text.to_owned()))
    }
}
