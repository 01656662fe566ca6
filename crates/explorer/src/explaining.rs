//! Explanations of an image, made as the command makes them, or remembered.

use std::sync::Arc;

use tinylsa_experiment::choice::background;
use tinylsa_experiment::explain_settings::ExplainSettings;
use tinylsa_explain::{
    Background, Explained, Explainer, ImageExplanation, ImageToExplain, MethodContext, MethodExplanation, MethodId,
    Origin, Request, RequestedClass, SharedSetting, execution, noise_background,
};
use tinylsa_system::sha256_hex;
use tinylsa_xai::{Cancellation, Execution, ExplainedScore, Watch};

use crate::app::App;
use crate::gallery::Images;
use crate::lanes::Desk;
use crate::limits::{BATCH, EXPLANATION_BYTES};
use crate::memory::Key;
use crate::refusal::Refusal;
use crate::subject::Subject;

/// What is explained of which image, and how.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) subject: Subject,
    pub(crate) settings: ExplainSettings,
    /// The class; none for the predicted one.
    pub(crate) target: Option<usize>,
    /// The class that it is set against.
    pub(crate) against: Option<usize>,
}

/// An explanation, and which of its methods were remembered.
pub(crate) struct Made {
    pub(crate) explanation: ImageExplanation,
    pub(crate) remembered: Vec<MethodId>,
}

/// Requires classes that there are, and two different ones.
pub(crate) fn require_target(app: &App, target: Option<usize>, against: Option<usize>) -> Result<(), Refusal> {
    let classes = app.classes();
    for (what, class) in [("target", target), ("against", against)] {
        if let Some(class) = class.filter(|&class| class >= classes) {
            return Err(Refusal::values(format!("{what} is {class}, expected 0 to {}", classes - 1)));
        }
    }
    if target.is_some() && target == against {
        return Err(Refusal::values("target and against name the same class, whose difference is 0"));
    }
    Ok(())
}

/// Requires the images from which a method draws its background to be read, if they are going to be.
pub(crate) fn require_background(app: &App, methods: &[MethodId]) -> Result<(), Refusal> {
    match app.gallery.images() {
        Images::Loading if reads_background(methods) => app.gallery.ready().map(drop),
        Images::Loading | Images::Ready(_) | Images::Without(_) => Ok(()),
    }
}

fn reads_background(methods: &[MethodId]) -> bool {
    methods.iter().any(|method| method.facts().reads.contains(&SharedSetting::Background))
}

impl Asked {
    /// Explains the image by the methods of the settings.
    ///
    /// # Errors
    /// What the model or a method says; that it was cancelled.
    pub(crate) fn explain(
        &self,
        app: &App,
        desk: &Desk,
        cancellation: &Cancellation,
        watch: Watch,
    ) -> Result<Made, Refusal> {
        let methods = &self.settings.methods;
        let background = self.background(app, desk, cancellation)?;
        let explainer = self.explainer(desk, &background, cancellation, watch);
        let mut explanation = self.predicted(app, &explainer)?;
        let mut remembered = Vec::new();
        for &method in methods {
            let key = self.key(app, explanation.target, method);
            if let Some(found) = app.memory.get(&key) {
                remembered.push(method);
                explanation.methods.push(found.as_ref().clone());
                continue;
            }
            let target = RequestedClass::Class(explanation.target.class);
            let request = Request { methods: &[method], target, ..self.request(app) };
            let made = explainer.explain(self.image(), &request)?;
            for method in made.methods {
                let method = Arc::new(method);
                app.memory.keep(key.clone(), &method);
                explanation.methods.push(Arc::unwrap_or_clone(method));
            }
        }
        Ok(Made { explanation, remembered })
    }

    /// A first look: the form of the first method that scores run again and again, which costs a fraction. Nothing for a
    /// method that is remembered.
    ///
    /// # Errors
    /// What the model or the method says; that it was cancelled.
    pub(crate) fn first_look(
        &self,
        app: &App,
        desk: &Desk,
        cancellation: &Cancellation,
        watch: Watch,
    ) -> Result<Option<Explained>, Refusal> {
        let Some(&method) = self.settings.methods.first() else { return Ok(None) };
        let background = self.background(app, desk, cancellation)?;
        let explainer = self.explainer(desk, &background, cancellation, watch);
        let ImageExplanation { target, seed, .. } = self.predicted(app, &explainer)?;
        if app.memory.get(&self.key(app, target, method)).is_some() {
            return Ok(None);
        }
        let config = &self.settings.explain;
        let execution = Execution { seed, ..explainer.execution.clone() };
        let image = &self.subject.image.image;
        let context = MethodContext::new(explainer.model, &config.shared, &background, execution, image, target);
        let cheaper = config.method(method).budgeted(&config.scores.rerun.budget());
        Ok(Some(cheaper.explain(&context)?))
    }

    /// What is remembered of the image by the methods of the settings.
    pub(crate) fn remembered(
        &self,
        app: &App,
        explained: ExplainedScore,
    ) -> Vec<(MethodId, Option<Arc<MethodExplanation>>)> {
        let of_method = |&method: &MethodId| (method, app.memory.get(&self.key(app, explained, method)));
        self.settings.methods.iter().map(of_method).collect()
    }

    /// What the model says of the image, and the score that is explained; no methods.
    ///
    /// # Errors
    /// What the model says; that it was cancelled.
    pub(crate) fn predicted(&self, app: &App, explainer: &Explainer<'_>) -> Result<ImageExplanation, Refusal> {
        Ok(explainer.explain(self.image(), &Request { methods: &[], ..self.request(app) })?)
    }

    /// The explainer of the command, with the settings of this request.
    pub(crate) fn explainer<'a>(
        &'a self,
        desk: &'a Desk,
        background: &'a Background,
        cancellation: &Cancellation,
        watch: Watch,
    ) -> Explainer<'a> {
        let batch = self.settings.explain.batch_size.min(BATCH);
        let usual = execution(desk.device.clone(), batch, self.settings.seed, cancellation.clone());
        let execution = Execution { memory_limit: usual.memory_limit.min(EXPLANATION_BYTES), watch, ..usual };
        Explainer { model: desk.model.as_ref(), config: &self.settings.explain, background, execution }
    }

    /// The background of the methods that need one: training images, or noise where there are none.
    ///
    /// # Errors
    /// If there are too few images.
    pub(crate) fn background(
        &self,
        app: &App,
        desk: &Desk,
        cancellation: &Cancellation,
    ) -> Result<Background, Refusal> {
        if !reads_background(&self.settings.methods) {
            return Ok(Background::default());
        }
        let shared = &self.settings.explain.shared;
        if let Images::Ready(images) = app.gallery.images() {
            return Ok(background(&images.train, &shared.background, self.settings.seed)?);
        }
        let nobody = Background::default();
        let explainer = self.explainer(desk, &nobody, cancellation, Watch::default());
        let image = &self.subject.image.image;
        Ok(noise_background(image, &shared.baseline, &shared.background, &explainer.execution)?)
    }

    /// Where the explanations come from, for their files.
    pub(crate) fn origin(&self, app: &App) -> Origin {
        let dataset = match (app.gallery.images(), self.subject.index) {
            (Images::Ready(images), Some(_)) => Some(images.name().title().to_owned()),
            (Images::Ready(_) | Images::Loading | Images::Without(_), _) => None,
        };
        Origin { model: app.sha256.clone(), dataset, seed: self.settings.seed }
    }

    fn image(&self) -> ImageToExplain {
        self.subject.image.clone()
    }

    fn request<'a>(&self, app: &'a App) -> Request<'a> {
        Request {
            methods: &[],
            target: self.target.map_or(RequestedClass::Predicted, RequestedClass::Class),
            against: self.against,
            class_names: &app.metadata.class_names,
            temperature: app.metadata.temperature,
        }
    }

    /// A digest of everything that the bits of an explanation depend on.
    fn key(&self, app: &App, explained: ExplainedScore, method: MethodId) -> Key {
        let Self { subject, settings, .. } = self;
        let has_images = match app.gallery.images() {
            Images::Ready(_) => subject.index.is_some() || reads_background(&[method]),
            Images::Loading | Images::Without(_) => false,
        };
        let mut overrides = settings.overrides.clone();
        overrides.sort();
        let words = format!(
            "{}\n{:?}\n{has_images}\n{method}\n{explained}\n{}\n{}\n",
            subject.image.id,
            subject.image.label,
            settings.seed,
            overrides.join("\n")
        );
        sha256_hex(&[words.as_bytes(), &subject.pixels].concat())
    }
}
