use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use tinylsa_data::{Dataset, SyntheticConfig, load_fashion_mnist, synthetic_garments, to_unit};
use tinylsa_model::LoadedModel;
use tinylsa_system::write_atomically;
use tinylsa_xai::Picture;
use tracing::{info, warn};

use super::load_model_or_pretrained;
use crate::dataset::{DEFAULT_DIRECTORY, Pictures, fashion_mnist, find_directory, require_size};
use crate::explain::page::DrawnExplanation;
use crate::explain::result::{PictureExplanation, Source};
use crate::explain::{
    ExplainConfig, ExplainedNetwork, Explainer, Family, Method, Origin, Request, Subject, background, execution,
    explain_pictures, noise_background, page, pictures, subject, write_picture,
};
use crate::machine::set_threads;
use crate::outcome::{UsageError, say, stop_on_interrupt};
use crate::picture::{SIDE, load_picture};
use crate::schema::ExperimentConfig;
use crate::settings::{ConfigSource, load};

/// The page of all explanations.
const PAGE: &str = "explanations.html";
/// The settings of the methods unless a config says otherwise.
const BASE_CONFIG: &str = include_str!("../../../configs/base.toml");

/// What stands behind `explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArguments {
    /// PNG or JPEG pictures of one garment each.
    #[arg(required_unless_present = "index", conflicts_with = "index", value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Pictures of the dataset by their number, such as 0,17.
    #[arg(long, value_delimiter = ',', value_name = "I,J,…")]
    index: Vec<u32>,
    /// A model.safetensors of a run; without it, the weights that ship with the program.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Where the files of Fashion-MNIST are.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The half of the dataset that --index counts in.
    #[arg(long, value_enum, default_value_t = Half::Test, requires = "index")]
    split: Half,
    /// Take the synthetic garments instead of Fashion-MNIST.
    #[arg(long, conflicts_with = "data_dir")]
    synthetic: bool,
    /// The methods, such as lime,kernel-shap, or all.
    #[arg(long = "method", value_delimiter = ',', value_name = "M,…")]
    methods: Vec<String>,
    /// The class to explain, by number or name, instead of the predicted one.
    #[arg(long, value_name = "CLASS")]
    target: Option<String>,
    /// Seed of everything that is drawn, instead of the config's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Take the methods and their settings from the `[explain]` part of this config instead of configs/base.toml.
    #[arg(long, value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Change a key of the config, such as explain.lime.samples=200; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Threads; 0 takes every core. The result has the same bits whatever the number.
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
    /// Where to put a folder for each picture.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Half {
    Train,
    Test,
}

/// Explains pictures, a folder each.
pub(crate) fn run(arguments: &ExplainArguments) -> Result<()> {
    let settings = Settings::of(arguments)?;
    set_threads(arguments.threads)?;
    let LoadedModel { model, metadata, sha256 } = load_model_or_pretrained(arguments.model.as_deref())?;
    if metadata.model.image_size != SIDE {
        return Err(UsageError(format!("the model does not take pictures of {SIDE}×{SIDE}")).into());
    }
    if metadata.model.attention.blocks == 0
        && let Some(method) = settings.methods.iter().find(|method| method.family() == Family::Attention)
    {
        return Err(UsageError(format!("the model has no attention for {} to show", method.name())).into());
    }
    let target = arguments.target.as_deref().map(|class| class_of(class, &metadata.class_names)).transpose()?;
    let collection = collection(arguments, &metadata.dataset, &settings)?;
    let subjects = match &collection {
        Some(pictures) if !arguments.index.is_empty() => from_dataset(arguments, pictures)?,
        _ => from_files(&arguments.images)?,
    };
    let stop = stop_on_interrupt("stopping after the batch")?;
    let execution = execution(Device::flex(), settings.explain.batch_size, settings.seed, stop.into());
    let first = &subjects.first().context("no picture was named")?.picture;
    let background = match &collection {
        Some(pictures) => background(&pictures.train, &settings.explain.background, settings.seed)?,
        None => noise_background(first, &settings.explain.baseline, &settings.explain.background, &execution)?,
    };
    let origin = Origin {
        model: sha256,
        dataset: (!arguments.index.is_empty())
            .then(|| collection.as_ref().map(|from| from.name().title().to_owned()))
            .flatten(),
        seed: settings.seed,
    };
    let network = ExplainedNetwork::from(model);
    let explainer = Explainer { model: &network, config: &settings.explain, background: &background, execution };
    let request = Request { methods: &settings.methods, target, class_names: &metadata.class_names };
    let (mut explained, mut drawn) = (Vec::new(), Vec::new());
    explain_pictures(&explainer, subjects, &request, |explanation| {
        let folder = arguments.out.join(&explanation.id);
        let written = write_picture(&folder, &explanation, &origin)?;
        drawn.push(DrawnExplanation::new(&explanation, &written.pictures)?);
        tell(&explanation, &folder)?;
        explained.push(explanation);
        Ok(())
    })?;
    let side_by_side = pictures::side_by_side(&explained)?;
    let subtitle = format!("{} pictures, seed {}", explained.len(), settings.seed);
    let html = page::index(subtitle, None, &drawn, Some(&side_by_side))?;
    let path = arguments.out.join(PAGE);
    write_atomically(&path, html.as_bytes()).with_context(|| format!("failed to write {}", path.display()))?;
    say(format!("page {}", path.display()))
}

/// The settings of the methods, from a config or by default.
struct Settings {
    explain: ExplainConfig,
    methods: Vec<Method>,
    seed: u64,
}

impl Settings {
    fn of(arguments: &ExplainArguments) -> Result<Self> {
        let source = match &arguments.config {
            Some(path) => ConfigSource::read(path)?,
            None => ConfigSource::new("configs/base.toml", BASE_CONFIG),
        };
        let ExperimentConfig { explain, run, .. } = load(&source, &arguments.overrides, ExperimentConfig::validate)?;
        let methods =
            if arguments.methods.is_empty() { explain.methods.clone() } else { Method::chosen(&arguments.methods)? };
        Ok(Self { explain, methods, seed: arguments.seed.unwrap_or(run.seed) })
    }
}

/// The class with this number or name.
fn class_of(class: &str, names: &[String]) -> Result<usize, UsageError> {
    if let Ok(number) = class.parse::<usize>() {
        let last = names.len().saturating_sub(1);
        return if number < names.len() {
            Ok(number)
        } else {
            Err(UsageError(format!("there is no class {number}, expected 0 to {last}")))
        };
    }
    let same = |name: &String| name.eq_ignore_ascii_case(class);
    names.iter().position(same).ok_or_else(|| {
        let wanted = class.to_lowercase();
        // a part of a name, such as boot, is nearer than any other name
        let likeness = |name: &String| {
            let name = name.to_lowercase();
            f64::from(u8::from(name.contains(&wanted))) + strsim::jaro_winkler(&name, &wanted)
        };
        let nearest = names.iter().max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
        let nearest = nearest.map_or("", String::as_str);
        UsageError(format!("there is no class {class}, did you mean {nearest}? The classes are {}", names.join(", ")))
    })
}

/// The pictures that --index counts in, or that serve as the background: those that the model was trained on, unless
/// the command line says otherwise. Nothing for files whose model's pictures are not on this machine.
fn collection(arguments: &ExplainArguments, trained_on: &str, settings: &Settings) -> Result<Option<Pictures>> {
    let is_synthetic = arguments.synthetic || (arguments.index.is_empty() && trained_on == "synthetic-garments");
    if is_synthetic {
        let garments = synthetic_garments(&SyntheticConfig::default())?;
        let (train, test) = (garments.train, garments.test);
        return Ok(Some(Pictures { train, test, checksums: Vec::new(), substitution: None }));
    }
    let directory = find_directory(arguments.data_dir.as_deref(), Path::new(DEFAULT_DIRECTORY));
    if !arguments.index.is_empty() {
        return Ok(Some(fashion_mnist(&directory)?));
    }
    if !settings.methods.contains(&Method::ExpectedGradients) {
        return Ok(None);
    }
    match load_fashion_mnist(&directory) {
        Ok(loaded) => Ok(Some(Pictures {
            train: loaded.train,
            test: loaded.test,
            checksums: loaded.checksums,
            substitution: None,
        })),
        Err(error) => {
            warn!("the background of expected-gradients is noise, since there are no training pictures: {error}");
            Ok(None)
        }
    }
}

fn from_dataset(arguments: &ExplainArguments, pictures: &Pictures) -> Result<Vec<Subject>> {
    let dataset: &Dataset = if arguments.split == Half::Test { &pictures.test } else { &pictures.train };
    require_size(dataset, SIDE)?;
    arguments.index.iter().map(|&index| Ok(subject(dataset, index, None)?)).collect()
}

/// One subject a file, called by its stem, with a number behind it if that is taken.
fn from_files(images: &[PathBuf]) -> Result<Vec<Subject>> {
    let mut subjects: Vec<Subject> = Vec::new();
    for path in images {
        let picture = load_picture(path)?;
        let stem = path.file_stem().map_or_else(|| "picture".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let mut names = std::iter::once(stem.clone()).chain((2..).map(|number| format!("{stem}-{number}")));
        let is_free = |name: &String| subjects.iter().all(|subject| subject.id != *name);
        subjects.push(Subject {
            id: names.find(is_free).unwrap_or(stem),
            source: Source { from: path.display().to_string(), number: None },
            choice: None,
            picture: Picture::new(to_unit(&picture.pixels), [1, SIDE, SIDE])?,
            label: None,
            truth_mask: None,
        });
    }
    Ok(subjects)
}

fn tell(explanation: &PictureExplanation, folder: &Path) -> Result<()> {
    let named = |class: usize| {
        let name = explanation.class_names.get(class).map_or_else(|| class.to_string(), Clone::clone);
        format!("{name} {:.1} %", 100.0 * explanation.probabilities[class])
    };
    let truth = explanation.label.map(|label| format!(", is {}", explanation.class_names[label])).unwrap_or_default();
    let seconds: f64 = explanation.methods.iter().map(|method| method.seconds).sum();
    for method in &explanation.methods {
        for warning in &method.warnings {
            info!("{} by {}: {warning}", explanation.id, method.method);
        }
    }
    let methods = match explanation.methods.len() {
        1 => "1 method".to_owned(),
        count => format!("{count} methods"),
    };
    say(format!(
        "{}: predicted {}{truth}, explained {}: {methods} in {seconds:.2} s, {}",
        explanation.id,
        named(explanation.predicted),
        named(explanation.target),
        folder.display()
    ))
}
