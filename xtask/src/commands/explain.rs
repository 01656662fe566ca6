use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use burn::tensor::Device;
use tinylsa_model::LoadedModel;
use tinylsa_model::networks::NetworkConfig;
use tinylsa_system::{ClaimError, OutputDir};
use tinylsa_xai::{BaselineKind, ExplainError, Fill};
use tracing::{error, info};

use super::config_or_base;
use crate::outcome::{UsageError, say, stop_on_interrupt};
use crate::progress::ExplainBar;
use tinylsa_experiment::choice::background;
use tinylsa_experiment::dataset::LoadedDataset;
use tinylsa_experiment::machine::set_threads;
use tinylsa_experiment::matching::require_classes;
use tinylsa_experiment::models::{LoadedNetwork, load_model_or_pretrained};
use tinylsa_experiment::schema::{ExperimentConfig, with_statistics_of};
use tinylsa_explain::page::{DrawnExplanation, Placement};
use tinylsa_explain::scores::{Scoring, first_variant};
use tinylsa_explain::{
    Circumstances, ExplainConfig, Explainer, Given, ImageDirectory, ImageExplanation, ImageToExplain, MethodId, Origin,
    Request, RequestedClass, SharedSetting, class_of, execution, explained, noise_background, shown_beside,
    write_image,
};
use tinylsa_settings::config::{ConfigError, ConfigSource, load};
use tinylsa_settings::{counted, printable};

mod arguments;
mod finished;
mod sources;

pub(crate) use arguments::ExplainArguments;
use finished::{Finished, PAGE, SCORES};
use sources::{collection, from_dataset, from_files};

/// What `--target` asks for every class with.
const EVERY_CLASS: &str = "all";

/// The kind of output that `--out` holds.
const KIND: &str = "explanations";

/// Explains images, a folder each.
pub(crate) fn run(arguments: &ExplainArguments) -> Result<()> {
    let settings = Settings::of(arguments)?;
    settings.require_effect(arguments)?;
    set_threads(arguments.threads)?;
    let loaded = load_model_or_pretrained(arguments.model.as_deref())?;
    let (config, class_names) = (&loaded.metadata.config, &loaded.metadata.class_names);
    let given = Circumstances::of_network(config, None, 0).given;
    let settings = settings.with_statistics_of(config).of_methods_for(given)?;
    let class = |name: &Option<String>| name.as_deref().map(|class| class_of(class, class_names)).transpose();
    let target = Asked {
        class: match arguments.target.as_deref() {
            None => RequestedClass::Predicted,
            Some(EVERY_CLASS) => RequestedClass::Every,
            Some(name) => RequestedClass::Class(class_of(name, class_names)?),
        },
        against: class(&arguments.against)?,
    };
    target.require_two()?;
    if arguments.scores && target.class == RequestedClass::Every {
        return Err(UsageError(
            "--scores ranks methods, and --target all explains every class: ask for one".to_owned(),
        )
        .into());
    }
    let collection = collection(arguments, &loaded.metadata, &settings.methods)?;
    let training = collection.as_ref().map(|images| images.train.len());
    settings.check(&Circumstances::of_network(config, training, 0), arguments.scores)?;
    let mut failures = Vec::new();
    let subjects = match &collection {
        Some(images) if !arguments.index.is_empty() => {
            require_classes(&loaded.metadata, &images.test)?;
            from_dataset(arguments, images, &loaded.metadata)?
        }
        _ => from_files(&arguments.images, &loaded.metadata, &mut failures)?,
    };
    if subjects.is_empty() {
        return Err(told(failures, arguments.images.len()));
    }
    let output = claim(&arguments.out)?;
    explain(&settings, loaded, target, collection.as_ref(), subjects, &output, failures, arguments)
}

/// What is explained of every image.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// The class.
    class: RequestedClass,
    /// The class that it is set against.
    against: Option<usize>,
}

impl Asked {
    /// Refuses a class that is set against itself.
    fn require_two(self) -> Result<(), UsageError> {
        match self.class {
            RequestedClass::Class(class) if Some(class) == self.against => {
                Err(UsageError("--target and --against name the same class, whose difference is 0".to_owned()))
            }
            RequestedClass::Class(_) | RequestedClass::Predicted | RequestedClass::Every => Ok(()),
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "everything that was found out about one call")]
fn explain(
    settings: &Settings,
    loaded: LoadedNetwork,
    target: Asked,
    collection: Option<&LoadedDataset>,
    subjects: Vec<ImageToExplain>,
    output: &OutputDir,
    mut failures: Vec<anyhow::Error>,
    arguments: &ExplainArguments,
) -> Result<()> {
    let LoadedModel { model, metadata, sha256 } = loaded;
    let stop = stop_on_interrupt("stopping; images that are finished stay")?;
    let execution = execution(Device::flex(), settings.explain.batch_size, settings.seed, stop.into());
    let background = if let Some(images) = collection {
        background(&images.train, &settings.explain.shared.background, settings.seed)?
    } else {
        let first = &subjects.first().context("no image was named")?.image;
        noise_background(first, &settings.explain.shared.baseline, &settings.explain.shared.background, &execution)?
    };
    let from_collection = collection.filter(|_| !arguments.index.is_empty());
    let origin = Origin {
        model: sha256,
        dataset: from_collection.map(|images| images.name().title().to_owned()),
        seed: settings.seed,
    };
    let network = explained(&model);
    let explainer =
        Explainer { model: network.as_ref(), config: &settings.explain, background: &background, execution };
    let request = Request {
        methods: &settings.methods,
        target: target.class,
        against: target.against,
        class_names: &metadata.class_names,
        temperature: metadata.temperature,
    };
    let names: Vec<String> = subjects.iter().flat_map(|subject| request.names(&subject.id)).collect();
    let directory = ImageDirectory::begin(output.path(), &names, &[PAGE, SCORES])?;
    let (placement, shown) = (Placement::of(names.len(), ""), shown_beside(names.len()));
    let every_class = target.class == RequestedClass::Every;
    let (mut finished, mut number) = (Finished::default(), 0);
    let mut scoring = arguments.scores.then(|| Scoring::new(&explainer, names.len())).transpose()?;
    let ended: Result<()> = explainer.explain_all(subjects, &request, &mut ExplainBar::default(), |outcome| {
        number += 1;
        let explanation = match outcome {
            Ok(explanation) => explanation,
            // one image that cannot be explained does not keep the others from it
            Err(failure) => {
                failures.push(failure.into());
                return Ok(());
            }
        };
        let folder = directory.folder(&explanation.id);
        let written = write_image(&folder, &explanation, &origin, &explainer.execution.cancellation)?;
        if let Some(scoring) = &mut scoring {
            scoring.add(&explanation)?;
        }
        finished.drawn.push(DrawnExplanation::new(&explanation, &written.drawings, &placement)?);
        tell(&explanation, &folder)?;
        if every_class {
            finished.add_class(explanation)?;
        } else if shown.contains(&(number - 1)) {
            finished.beside.push(explanation);
        }
        Ok(())
    });
    let was_cancelled = ended.as_ref().is_err_and(is_cancelled);
    if (ended.is_ok() || was_cancelled) && !finished.drawn.is_empty() {
        finished.scores = scoring.map(Scoring::table).transpose()?;
        finished.write_scores(output, &first_variant(&settings.explain.scores))?;
        finished.write_page(output, every_class, settings.seed)?;
    }
    if was_cancelled {
        let (done, all) = (finished.drawn.len(), counted(names.len(), "image"));
        bail!("interrupted after {done} of {all}; those that are finished are complete in {}", output.path().display());
    }
    ended?;
    let asked = arguments.images.len() + arguments.index.iter().map(ExactSizeIterator::len).sum::<usize>();
    if failures.is_empty() { Ok(()) } else { Err(told(failures, asked)) }
}

fn is_cancelled(failure: &anyhow::Error) -> bool {
    failure.chain().any(|cause| matches!(cause.downcast_ref(), Some(ExplainError::Cancelled { .. })))
}

/// Tells each failure, and returns the error of all of them: the failure itself where a single image was asked for.
fn told(mut failures: Vec<anyhow::Error>, asked: usize) -> anyhow::Error {
    if asked == 1
        && let Some(only) = failures.pop()
    {
        return only;
    }
    for failure in &failures {
        error!("{failure:#}");
    }
    anyhow!("{} of {} could not be explained", failures.len(), counted(asked, "image"))
}

/// Claims the directory of the output. That it holds something else is a mistake of the command line.
fn claim(out: &Path) -> Result<OutputDir> {
    OutputDir::claim(out, KIND).map_err(|error| match error {
        ClaimError::NotOurs { .. } | ClaimError::OtherKind { .. } => UsageError(error.to_string()).into(),
        other => other.into(),
    })
}

/// The settings of the methods, from a config or by default.
struct Settings {
    source: ConfigSource,
    /// Whether the config is the one that the program brings along.
    is_built_in: bool,
    overrides: Vec<String>,
    explain: ExplainConfig,
    methods: Vec<MethodId>,
    /// Whether the command line named the methods.
    are_named: bool,
    seed: u64,
}

impl Settings {
    fn of(arguments: &ExplainArguments) -> Result<Self> {
        let source = config_or_base(arguments.config.as_deref())?;
        let is_built_in = arguments.config.is_none();
        let overrides = arguments.overrides.clone();
        let ExperimentConfig { explain, run, .. } = load(&source, &overrides, ExperimentConfig::validate_ranges)?;
        let methods =
            if arguments.methods.is_empty() { explain.methods.clone() } else { MethodId::chosen(&arguments.methods)? };
        let are_named =
            !arguments.methods.is_empty() || overrides.iter().any(|change| change.contains("explain.methods"));
        let seed = arguments.seed.unwrap_or(run.seed);
        Ok(Self { source, is_built_in, overrides, explain, methods, are_named, seed })
    }

    /// Mean and deviation of the images are those that the network was trained with, unless the caller gives them: the
    /// config that the program brings along has those of Fashion-MNIST.
    fn with_statistics_of(self, network: &NetworkConfig) -> Self {
        let is_given = |key: &str| {
            !self.is_built_in
                || self.overrides.iter().any(|change| change.trim_start().starts_with(&format!("explain.{key}")))
        };
        Self { explain: with_statistics_of(&self.explain, network, is_given), ..self }
    }

    /// Of the methods that nobody named, those that the network serves; one that was named and that it does not serve is
    /// refused.
    fn of_methods_for(mut self, given: Given) -> Result<Self, UsageError> {
        if self.is_built_in && !self.are_named {
            let (served, others) = given.served(&self.methods);
            if !others.is_empty() {
                info!(
                    "the model does not give what these methods need, so that they are left out: {}",
                    others.join(", ")
                );
            }
            self.methods = served;
        }
        given.require(&self.methods).map(|()| self)
    }

    /// Checks the settings of the chosen methods, and of their scores if they are scored, against the images and the network, and names the line of a mistake.
    fn check(&self, at: &Circumstances, scores: bool) -> Result<(), ConfigError> {
        let fits = |explain: &ExplainConfig| {
            explain.validate_methods(&self.methods, at)?;
            if scores { explain.validate_scoring(&self.methods, at) } else { Ok(()) }
        };
        let validate = |config: &ExperimentConfig| fits(&config.explain).map_err(|error| error.within("explain"));
        load(&self.source, &self.overrides, validate).map(drop)
    }

    /// Refuses options that would change nothing: whoever gives one expects something of it.
    fn require_effect(&self, arguments: &ExplainArguments) -> Result<(), UsageError> {
        let reads = |setting| self.methods.iter().any(|method| method.facts().reads.contains(&setting));
        let shared = &self.explain.shared;
        let draws = self.methods.iter().any(|method| method.facts().draws)
            || (reads(SharedSetting::Baseline) && shared.baseline.kinds.contains(&BaselineKind::Noise))
            || (reads(SharedSetting::Fill) && shared.fill.kind == Fill::Noise);
        let without = |option: &str, reason: &str| Err(UsageError(format!("{option} has no effect here: {reason}")));
        if arguments.split.is_some() && arguments.index.is_empty() {
            return without("--split", "it says in which split --index counts, and files are explained");
        }
        if arguments.seed.is_some() && !draws {
            return without("--seed", "nothing is drawn at random by the methods that are asked for");
        }
        let needs_collection = !arguments.index.is_empty() || reads(SharedSetting::Background);
        if let Some(option) = arguments.collection.first_given().filter(|_| !needs_collection) {
            return without(
                option,
                "files are explained, and expected-gradients, which needs a background, is not asked for",
            );
        }
        for change in &self.overrides {
            let key = change.split('=').next().unwrap_or_default().trim();
            let is_below = |table: &str| key == table || key.starts_with(&format!("{table}."));
            let unread = ["explain.enabled", "explain.images"];
            let unread_scores = is_below("explain.scores") && !arguments.scores;
            if unread_scores
                || unread.iter().any(|table| is_below(table))
                || !(is_below("explain") || key == "run.seed")
            {
                let reason = "explain reads the methods of [explain], with --scores their scores, and run.seed alone";
                return without(&format!("--set {}", printable(change)), reason);
            }
            if key == "explain.methods" && !arguments.methods.is_empty() {
                return without("--set explain.methods", "--method names the methods");
            }
            if key == "run.seed" && arguments.seed.is_some() {
                return without("--set run.seed", "--seed names the seed");
            }
        }
        Ok(())
    }
}

fn tell(explanation: &ImageExplanation, folder: &Path) -> Result<()> {
    let named = |class: usize| {
        format!("{} {:.1} %", explanation.class_name(class), 100.0 * explanation.shown_probability(class))
    };
    let truth = explanation.label.map(|label| format!(", is {}", explanation.class_name(label)));
    let target = match explanation.target.against {
        None => named(explanation.target.class),
        Some(_) => explanation.target_name(),
    };
    let seconds: f64 = explanation.methods.iter().map(|method| method.seconds).sum();
    for method in &explanation.methods {
        for warning in &method.warnings {
            info!("{} by {}: {warning}", explanation.id, method.method);
        }
    }
    say(format!(
        "{}: predicted {}{}, explained {}: {} in {seconds:.2} s, {}",
        explanation.id,
        named(explanation.predicted),
        truth.unwrap_or_default(),
        target,
        counted(explanation.methods.len(), "method"),
        folder.display()
    ))
}
