use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::config_or_base;
use super::images::source;
use crate::outcome::{UsageError, say};
use tinylsa_bench::{
    self as bench, MeasuredImages, PhotographsPlan, PhotographsSplit, Plan, Python, SourceImages, Strengths,
    TrainReport,
};
use tinylsa_data::{DataConfig, SourceName};
use tinylsa_experiment::machine::{Machine, git_revision};
use tinylsa_experiment::model_images::{ImageRequest, ImagesOf};
use tinylsa_experiment::models::{NetworkMetadata, load_model};
use tinylsa_experiment::schema::ExperimentConfig;
use tinylsa_settings::config::load;

mod tables;

/// Arguments of the `bench` command.
#[derive(Args, Debug)]
pub(crate) struct BenchArguments {
    /// What to measure; left out, training and inference.
    #[arg(value_enum)]
    subject: Option<Subject>,
    /// The config whose network and training are measured, instead of configs/base.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change a key of the config, such as model.attention.heads=2; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Measure the network of this model.safetensors, instead of one with initial weights; for photographs, instead of the
    /// weights that ship.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Measure on the images of this source, instead of drawn ones.
    #[arg(long, value_name = "NAME", value_parser = source)]
    source: Option<SourceName>,
    /// Measure on the images in this directory, of --source or else of the model or the config, instead of drawn ones; for
    /// photographs, where the files of Fashion-MNIST are.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Batch sizes, such as 1,32,128.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    batch_size: Vec<usize>,
    /// Numbers of threads, such as 1,2.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    threads: Vec<usize>,
    /// Explain by these methods alone.
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    method: Vec<String>,
    /// Blocks of timings of each program, in turn with the others.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Seconds of a block.
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    block_seconds: f64,
    /// Measure other programs that do the same work, too: PyTorch, ONNX Runtime, Captum, lime, shap, networkx.
    #[arg(long)]
    peers: bool,
    /// The Python of the other programs; left out, that of the variable PYTHON, or python3.
    #[arg(long, value_name = "PROGRAM", requires = "peers")]
    python: Option<PathBuf>,
    /// Where the scripts of the other programs are.
    #[arg(long, value_name = "DIR", requires = "peers", hide = true)]
    peer_scripts: Option<PathBuf>,
    /// Photograph this many images instead of 1000.
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// The images that are photographed, instead of those of the test set.
    #[arg(long, value_enum)]
    split: Option<SplitArgument>,
    /// How strong the noise, the shadows and the other conditions of the photographs are, instead of tuned.
    #[arg(long, value_enum)]
    strengths: Option<StrengthsArgument>,
    /// Seed of the photographs, instead of 0.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Be a process that is measured.
    #[arg(long, value_name = "JOB", hide = true, exclusive = true)]
    worker: Option<String>,
}

/// The images that are photographed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SplitArgument {
    /// The part of the training set that configs/base.toml keeps for choices.
    Validation,
    /// The test set.
    Test,
}

/// How strong the conditions of the photographs are.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum StrengthsArgument {
    /// Those that the preparation was tuned on.
    Tuned,
    /// Others, which nothing was tuned on.
    HeldOut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Whole training steps.
    Train,
    /// Evaluation, and a cold start of `classify`.
    Infer,
    /// Attention over more and more tokens.
    Tokens,
    /// Explanations.
    Explain,
    /// The page to explore: how long a visitor waits.
    Explore,
    /// How well photographs are classified, beside the images of Fashion-MNIST that they show.
    Photographs,
}

/// Measures, and prints a table or a document.
pub(crate) fn run(arguments: &BenchArguments) -> Result<()> {
    if let Some(job) = &arguments.worker {
        return Ok(bench::serve(job)?);
    }
    let subjects = arguments.subject.map_or_else(|| vec![Subject::Train, Subject::Infer], |subject| vec![subject]);
    require_effect(arguments, &subjects)?;
    let plan = plan(arguments)?;
    let mut document = Map::new();
    document.insert("machine".to_owned(), serde_json::to_value(Machine::here())?);
    document.insert("revision".to_owned(), serde_json::to_value(git_revision())?);
    for subject in subjects {
        let measured = measure(arguments, &plan, subject)?;
        if !arguments.json {
            say(&measured.words)?;
        }
        document.insert(subject.key().to_owned(), measured.value);
    }
    if arguments.json { say(serde_json::to_string_pretty(&document)?) } else { Ok(()) }
}

/// A report in both forms.
struct Measured {
    words: String,
    value: Value,
}

fn measure(arguments: &BenchArguments, plan: &Plan, subject: Subject) -> Result<Measured> {
    Ok(match subject {
        Subject::Train => {
            let reports = bench::train(plan)?;
            let words: Vec<String> = reports.iter().map(tables::training).collect();
            Measured { words: words.join("\n\n"), value: train_value(&reports)? }
        }
        Subject::Infer => {
            let report = bench::infer(plan)?;
            Measured { words: tables::inference(&report), value: report.to_json()? }
        }
        Subject::Tokens => {
            let report = bench::tokens(plan)?;
            Measured { words: tables::tokens(&report), value: serde_json::to_value(&report)? }
        }
        Subject::Explain => {
            let report = bench::explain(plan)?;
            Measured { words: tables::explanations(&report), value: serde_json::to_value(&report)? }
        }
        Subject::Explore => {
            let report = bench::explore(plan)?;
            Measured { words: tables::exploration(&report), value: serde_json::to_value(&report)? }
        }
        Subject::Photographs => {
            let report = bench::photographs(&photographs_plan(arguments))?;
            Measured { words: tables::photographs(&report), value: serde_json::to_value(&report)? }
        }
    })
}

fn photographs_plan(arguments: &BenchArguments) -> PhotographsPlan {
    PhotographsPlan {
        model: arguments.model.clone(),
        data_dir: arguments.data_dir.clone(),
        images: arguments.images.unwrap_or(1000),
        split: match arguments.split {
            Some(SplitArgument::Validation) => PhotographsSplit::Validation,
            Some(SplitArgument::Test) | None => PhotographsSplit::Test,
        },
        seed: arguments.seed.unwrap_or(0),
        strengths: match arguments.strengths {
            Some(StrengthsArgument::HeldOut) => Strengths::HeldOut,
            Some(StrengthsArgument::Tuned) | None => Strengths::Tuned,
        },
        stop: Arc::default(),
    }
}

/// The last report, which has the most threads, and all of them under `settings`.
fn train_value(reports: &[TrainReport]) -> Result<Value> {
    let mut value = serde_json::to_value(reports.last())?;
    if let Some(object) = value.as_object_mut() {
        object.insert("settings".to_owned(), serde_json::to_value(reports)?);
    }
    Ok(value)
}

/// Refuses options that none of the subjects looks at.
fn require_effect(arguments: &BenchArguments, subjects: &[Subject]) -> Result<()> {
    let has_none = |option: &str, given: bool, effect: &dyn Fn(Subject) -> bool| {
        let text = || format!("{option} has no effect on `bench {}`", subjects[0].key());
        require(!given || subjects.iter().any(|&subject| effect(subject)), &text())
    };
    has_none("--method", !arguments.method.is_empty(), &|subject| match subject {
        Subject::Explain => true,
        Subject::Train | Subject::Infer | Subject::Tokens | Subject::Explore | Subject::Photographs => false,
    })?;
    has_none("--batch-size", !arguments.batch_size.is_empty(), &|subject| match subject {
        Subject::Train | Subject::Infer | Subject::Tokens => true,
        Subject::Explain | Subject::Explore | Subject::Photographs => false,
    })?;
    let reads_images = |subject| match subject {
        Subject::Train | Subject::Infer | Subject::Explain | Subject::Photographs => true,
        Subject::Tokens | Subject::Explore => false,
    };
    has_none("--data-dir", arguments.data_dir.is_some(), &reads_images)?;
    let is_timed = |subject| match subject {
        Subject::Train | Subject::Infer | Subject::Tokens | Subject::Explain => true,
        Subject::Explore | Subject::Photographs => false,
    };
    has_none("--source", arguments.source.is_some(), &|subject| is_timed(subject) && reads_images(subject))?;
    has_none("--peers", arguments.peers, &|subject| is_timed(subject) && reads_images(subject))?;
    has_none("--config", arguments.config.is_some(), &is_timed)?;
    has_none("--set", !arguments.overrides.is_empty(), &is_timed)?;
    has_none("--threads", !arguments.threads.is_empty(), &is_timed)?;
    let is_photographed = |subject| subject == Subject::Photographs;
    has_none("--images", arguments.images.is_some(), &is_photographed)?;
    has_none("--split", arguments.split.is_some(), &is_photographed)?;
    has_none("--strengths", arguments.strengths.is_some(), &is_photographed)?;
    has_none("--seed", arguments.seed.is_some(), &is_photographed)?;
    let takes_one = subjects.contains(&Subject::Explain);
    require(!takes_one || arguments.threads.len() < 2, "`bench explain` takes one number of --threads")?;
    let of_model = arguments.overrides.iter().find(|text| text.trim_start().starts_with("model."));
    match (&arguments.model, of_model) {
        (Some(model), Some(text)) => {
            let model = model.display();
            require(false, &format!("--set {text} has no effect: the network is that of --model {model}"))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

fn plan(arguments: &BenchArguments) -> Result<Plan> {
    let source = config_or_base(arguments.config.as_deref())?;
    let mut config: ExperimentConfig = load(&source, &arguments.overrides, ExperimentConfig::validate)?;
    let loaded = arguments.model.as_deref().map(load_model).transpose()?;
    if let Some(loaded) = &loaded {
        config.model = loaded.metadata.config.clone().into();
    }
    let images = images(arguments, &config, loaded.as_ref().map(|loaded| &loaded.metadata))?;
    require(arguments.rounds >= 1, "--rounds is 0, expected at least 1")?;
    let seconds = arguments.block_seconds;
    require(
        seconds > 0.0 && seconds <= 60.0,
        &format!("--block-seconds is {seconds}, expected more than 0, at most 60"),
    )?;
    require(!arguments.batch_size.contains(&0), "--batch-size is 0, expected at least 1")?;
    require(!arguments.threads.contains(&0), "--threads is 0, expected at least 1")?;
    require(arguments.images != Some(0), "--images is 0, expected at least 1")?;
    let known = bench::case_names();
    for method in &arguments.method {
        let text = format!("--method {method} is unknown, expected one of {}", known.join(", "));
        require(known.contains(&method.as_str()), &text)?;
    }
    let python = || Python::new(arguments.python.as_deref(), arguments.peer_scripts.as_deref());
    Ok(Plan {
        config,
        model: arguments.model.clone(),
        images,
        batch_sizes: arguments.batch_size.clone(),
        threads: arguments.threads.clone(),
        cases: arguments.method.clone(),
        rounds: arguments.rounds,
        block_seconds: seconds,
        peers: arguments.peers.then(python),
        program: std::env::current_exe().context("failed to find this program")?,
    })
}

/// Drawn images, unless a source or a directory is named: then those of the source, of the model or else of the config.
fn images(
    arguments: &BenchArguments,
    config: &ExperimentConfig,
    metadata: Option<&NetworkMetadata>,
) -> Result<MeasuredImages> {
    let request = ImageRequest { source: arguments.source, data_dir: arguments.data_dir.clone() };
    if request == ImageRequest::default() {
        return Ok(MeasuredImages::Drawn);
    }
    let data = match metadata {
        Some(metadata) => ImagesOf { metadata, file: arguments.model.as_deref() }.section(&request)?,
        None => DataConfig { source: request.source.unwrap_or(config.data.source), ..config.data.clone() },
    };
    Ok(MeasuredImages::Of(Box::new(SourceImages { data, data_dir: request.data_dir })))
}

fn require(holds: bool, text: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(UsageError(text.to_owned()).into()) }
}

impl Subject {
    /// The key of the document.
    fn key(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Infer => "infer",
            Self::Tokens => "tokens",
            Self::Explain => "explain",
            Self::Explore => "explore",
            Self::Photographs => "photographs",
        }
    }
}
