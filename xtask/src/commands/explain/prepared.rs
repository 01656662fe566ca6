//! What one call of `explain` explains with: found out, and checked, before anything is written.

use anyhow::{Context, Result};
use burn::tensor::Device;
use tinylsa_experiment::choice::background;
use tinylsa_experiment::dataset::LoadedDataset;
use tinylsa_experiment::explain_settings::ExplainSettings;
use tinylsa_experiment::machine::set_threads;
use tinylsa_experiment::models::{LoadedNetwork, NetworkMetadata, load_model_or_pretrained};
use tinylsa_explain::{
    Background, Circumstances, Explainable, Explainer, MethodId, Origin, Request, RequestedClass, SharedSetting,
    class_of, execution, explained, noise_background,
};
use tinylsa_model::LoadedModel;
use tinylsa_settings::printable;
use tinylsa_xai::{Cancellation, Execution, Image};

use super::arguments::ExplainArguments;
use super::sources::collection;
use crate::outcome::UsageError;

/// What `--target` asks for every class with.
const EVERY_CLASS: &str = "all";

/// A model, the images that belong to it, and settings that fit both.
pub(super) struct Prepared {
    pub(super) settings: ExplainSettings,
    pub(super) loaded: LoadedNetwork,
    pub(super) asked: Asked,
    pub(super) collection: Option<LoadedDataset>,
}

/// What is explained of every image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// The class.
    pub(super) class: RequestedClass,
    /// The class that it is set against.
    pub(super) against: Option<usize>,
}

/// What explains images.
pub(super) struct Ready {
    pub(super) settings: ExplainSettings,
    pub(super) origin: Origin,
    asked: Asked,
    network: Box<dyn Explainable>,
    metadata: NetworkMetadata,
    background: Background,
    execution: Execution,
}

impl Prepared {
    pub(super) fn of(arguments: &ExplainArguments) -> Result<Self> {
        let methods = (!arguments.methods.is_empty()).then(|| MethodId::chosen(&arguments.methods)).transpose()?;
        let settings =
            ExplainSettings::read(arguments.config.as_deref(), &arguments.overrides, methods, arguments.seed)?;
        require_effect(&settings, arguments)?;
        set_threads(arguments.threads)?;
        let loaded = load_model_or_pretrained(arguments.model.as_deref())?;
        let (config, class_names) = (&loaded.metadata.config, &loaded.metadata.class_names);
        let given = Circumstances::of_network(config, None, 0).given;
        let settings = settings.with_statistics_of(config).of_methods_for(given)?;
        let class = |name: &Option<String>| name.as_deref().map(|class| class_of(class, class_names)).transpose();
        let asked = Asked {
            class: match arguments.target.as_deref() {
                None => RequestedClass::Predicted,
                Some(EVERY_CLASS) => RequestedClass::Every,
                Some(name) => RequestedClass::Class(class_of(name, class_names)?),
            },
            against: class(&arguments.against)?,
        };
        asked.require_two()?;
        if arguments.scores && asked.class == RequestedClass::Every {
            return Err(UsageError(
                "--scores ranks methods, and --target all explains every class: ask for one".to_owned(),
            )
            .into());
        }
        let collection = collection(arguments, &loaded.metadata, &settings.methods)?;
        let training = collection.as_ref().map(|images| images.train.len());
        settings.check(&Circumstances::of_network(config, training, 0), arguments.scores)?;
        Ok(Self { settings, loaded, asked, collection })
    }

    /// The images whose numbers `--index` names, where it does.
    pub(super) fn indexed(&self, arguments: &ExplainArguments) -> Option<&LoadedDataset> {
        self.collection.as_ref().filter(|_| !arguments.index.is_empty())
    }

    /// Gets ready to explain; `first` is the first of the images.
    pub(super) fn ready(
        self,
        arguments: &ExplainArguments,
        first: Option<&Image>,
        stop: Cancellation,
    ) -> Result<(Ready, Option<LoadedDataset>)> {
        let dataset = self.indexed(arguments).map(|images| images.name().title().to_owned());
        let Self { settings, loaded, asked, collection } = self;
        let LoadedModel { model, metadata, sha256 } = loaded;
        let execution = execution(Device::flex(), settings.explain.batch_size, settings.seed, stop);
        let shared = &settings.explain.shared;
        let background = if let Some(images) = &collection {
            background(&images.train, &shared.background, settings.seed)?
        } else {
            noise_background(first.context("no image was named")?, &shared.baseline, &shared.background, &execution)?
        };
        let origin = Origin { model: sha256, dataset, seed: settings.seed };
        let ready = Ready { network: explained(&model), settings, origin, asked, metadata, background, execution };
        Ok((ready, collection))
    }
}

impl Ready {
    pub(super) fn explainer(&self) -> Explainer<'_> {
        Explainer {
            model: self.network.as_ref(),
            config: &self.settings.explain,
            background: &self.background,
            execution: self.execution.clone(),
        }
    }

    pub(super) fn request(&self) -> Request<'_> {
        Request {
            methods: &self.settings.methods,
            target: self.asked.class,
            against: self.asked.against,
            class_names: &self.metadata.class_names,
            temperature: self.metadata.temperature,
        }
    }
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

/// Refuses options that would change nothing: whoever gives one expects something of it.
fn require_effect(settings: &ExplainSettings, arguments: &ExplainArguments) -> Result<(), UsageError> {
    let without = |option: &str, reason: &str| Err(UsageError(format!("{option} has no effect here: {reason}")));
    if arguments.split.is_some() && arguments.index.is_empty() {
        return without("--split", "it says in which split --index counts, and files are explained");
    }
    if arguments.seed.is_some() && !settings.draws() {
        return without("--seed", "nothing is drawn at random by the methods that are asked for");
    }
    let needs_collection = !arguments.index.is_empty() || settings.read_by_methods(SharedSetting::Background);
    if let Some(option) = arguments.collection.first_given().filter(|_| !needs_collection) {
        return without(
            option,
            "files are explained, and expected-gradients, which needs a background, is not asked for",
        );
    }
    for change in &settings.overrides {
        let key = change.split('=').next().unwrap_or_default().trim();
        let is_below = |table: &str| key == table || key.starts_with(&format!("{table}."));
        let unread = ["explain.enabled", "explain.images"];
        let unread_scores = is_below("explain.scores") && !arguments.scores;
        if unread_scores || unread.iter().any(|table| is_below(table)) || !(is_below("explain") || key == "run.seed") {
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
