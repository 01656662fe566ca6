//! Explains images one after the other.

use std::time::Instant;

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use tinylsa_model::values_of;
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::UsageError;
use tinylsa_system::available_memory;
use tinylsa_xai::{Cancellation, Execution, ExplainError, ExplainedScore, Image, Scores, Target, check_scorer};
use tracing::{info, info_span};

use crate::background::Background;
use crate::config::ExplainConfig;
use crate::error::{Context, Result};
use crate::explainable::{AttentionSource, Explainable};
use crate::explanation::{ImageExplanation, MethodExplanation, Source};
use crate::method::{Explained, Method, MethodContext};
use crate::needs::Given;
use crate::needs::Needs;
use crate::registry::MethodId;
use crate::shared::SharedSettings;

/// Explains images by any method: a model, the settings of the methods, and how to run.
#[derive(Clone, Debug)]
pub struct Explainer<'a> {
    /// The model.
    pub model: &'a dyn Explainable,
    /// The settings of the methods.
    pub config: &'a ExplainConfig,
    /// The images over which expected gradients take their mean.
    pub background: &'a Background,
    /// Device, batch size and cancellation. Its seed is that of the run; every image has its own.
    pub execution: Execution,
}

/// An image that is to be explained, and what is known of it.
#[derive(Clone, Debug)]
pub struct ImageToExplain {
    /// The name of the image's folder.
    pub id: String,
    /// Where the image is from.
    pub source: Source,
    /// Why it was chosen; nothing if it was named.
    pub choice: Option<String>,
    /// The image.
    pub image: Image,
    /// The true class, where it is known.
    pub label: Option<usize>,
    /// The pixels that decide the class, where they are known.
    pub truth_mask: Option<Vec<bool>>,
}

impl ImageToExplain {
    /// An image of which nothing else is known.
    pub fn new(id: impl Into<String>, image: Image) -> Self {
        let id = id.into();
        let source = Source { from: id.clone(), number: None };
        Self { id, source, choice: None, image, label: None, truth_mask: None }
    }
}

/// What is asked of every image.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The methods, each once.
    pub methods: &'a [MethodId],
    /// The class to explain.
    pub target: RequestedClass,
    /// The class that it is set against: what is explained is the difference of the two scores.
    pub against: Option<usize>,
    /// The names of the classes.
    pub class_names: &'a [String],
    /// The number by which logits are divided to be calibrated, where the model has one.
    pub temperature: Option<f64>,
}

/// Which class of an image is explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestedClass {
    /// The predicted one.
    #[default]
    Predicted,
    /// The one of this number.
    Class(usize),
    /// Each in turn, with the same random draws, so that their maps compare.
    Every,
}

impl<'a> Request<'a> {
    /// The predicted class of every image, by a model that is not calibrated.
    pub fn new(methods: &'a [MethodId], class_names: &'a [String]) -> Self {
        Self { methods, target: RequestedClass::Predicted, against: None, class_names, temperature: None }
    }

    /// The names of the explanations of an image: its own, or one for each class.
    pub fn names(&self, image: &str) -> Vec<String> {
        match self.target {
            RequestedClass::Predicted | RequestedClass::Class(_) => vec![image.to_owned()],
            RequestedClass::Every => (0..self.class_names.len()).map(|class| name_of_class(image, class)).collect(),
        }
    }

    /// What is asked of an image, one request an explanation.
    fn of_one_image(&self) -> Vec<Self> {
        match self.target {
            RequestedClass::Predicted | RequestedClass::Class(_) => vec![*self],
            RequestedClass::Every => {
                let of_class = |class| Self { target: RequestedClass::Class(class), ..*self };
                (0..self.class_names.len()).filter(|class| self.against != Some(*class)).map(of_class).collect()
            }
        }
    }

    /// The score that is meant, given the scores of an image.
    fn explained(&self, scores: &Scores) -> Result<ExplainedScore, ExplainError> {
        let class = match self.target {
            RequestedClass::Class(class) => class,
            RequestedClass::Predicted | RequestedClass::Every => scores.predicted(0),
        };
        let target = self.against.map_or(Target::Class(class), |other| Target::Against { class, other });
        target.resolve(scores)
    }
}

/// Watches explanations as they are made.
pub trait ExplainProgress {
    /// This many explanations will be made, one for each image and method.
    fn started(&mut self, _explanations: usize) {}

    /// The image of this name was explained by this method.
    fn explained(&mut self, _image: &str, _method: MethodId) {}
}

/// Watches nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl ExplainProgress for Unwatched {}

/// How explanations run on this machine: at most half of the memory that is available goes to what grows with the
/// settings of a method.
pub fn execution(device: Device, batch_size: usize, seed: u64, cancellation: Cancellation) -> Execution {
    let standard = Execution::default();
    let memory_limit = available_memory().map_or(standard.memory_limit, |bytes| bytes / 2);
    Execution { device, batch_size, seed, cancellation, memory_limit, ..standard }
}

impl Explainer<'_> {
    /// Explains one image by some methods.
    ///
    /// # Errors
    /// What the model or a method says; that it was cancelled.
    pub fn explain(&self, image: ImageToExplain, request: &Request<'_>) -> Result<ImageExplanation> {
        self.explain_watched(image, request, &mut Unwatched)
    }

    /// Explains images in turn, each class of an image in turn if every class is asked for, and hands over each explanation
    /// as soon as it is made, or why it could not be. Nothing is kept of what was handed over.
    ///
    /// # Errors
    /// The first error of `receive`, which decides whether an image that failed ends the others; that it was cancelled.
    pub fn explain_all<E: From<crate::ExplanationError>>(
        &self,
        images: Vec<ImageToExplain>,
        request: &Request<'_>,
        progress: &mut dyn ExplainProgress,
        mut receive: impl FnMut(Result<ImageExplanation>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.announce(images.first(), request.methods)?;
        let total = images.len();
        let requests = request.of_one_image();
        progress.started(total * requests.len() * request.methods.len());
        for (done, image) in images.into_iter().enumerate() {
            for one in &requests {
                let explained = self.explain_watched(image.clone(), one, progress);
                if self.execution.cancellation.is_cancelled() {
                    let error = ExplainError::Cancelled { what: "images", done, total };
                    return Err(crate::ExplanationError::from(error).into());
                }
                receive(explained.map(|explained| named(explained, request.target)))?;
            }
        }
        Ok(())
    }

    /// Everything that methods may ask about one class of one image.
    pub(crate) fn context<'b>(
        &'b self,
        shared: &'b SharedSettings,
        image: &'b Image,
        explained: ExplainedScore,
        seed: u64,
    ) -> MethodContext<'b> {
        let execution = Execution { seed, ..self.execution.clone() };
        MethodContext::new(self.model, shared, self.background, execution, image, explained)
    }

    /// Says what is expensive before it begins.
    fn announce(&self, first: Option<&ImageToExplain>, methods: &[MethodId]) -> Result<()> {
        let Some(first) = first else { return Ok(()) };
        let context = self.context(&self.config.shared, &first.image, 0.into(), 0);
        for &method in methods {
            if let Some(announcement) = self.config.method(method).announcement(&context)? {
                info!("{announcement}");
            }
        }
        Ok(())
    }

    fn explain_watched(
        &self,
        image: ImageToExplain,
        request: &Request<'_>,
        progress: &mut dyn ExplainProgress,
    ) -> Result<ImageExplanation> {
        Given::by(self.model).require(request.methods)?;
        let found = self.predict(&image.image, request.temperature);
        let found = found.with_context(|| format!("failed to score {}", image.id))?;
        let classes = found.scores.classes();
        if let Some(label) = image.label.filter(|&label| label >= classes) {
            let id = &image.id;
            return Err(UsageError(format!("{id} is of class {label}, the model knows {classes} classes")).into());
        }
        let target = request.explained(&found.scores).with_context(|| format!("failed to score {}", image.id))?;
        let seed = seed_of(self.execution.seed, &image.id);
        let context = self.context(&self.config.shared, &image.image, target, seed);
        let mut methods = Vec::with_capacity(request.methods.len());
        for &method in request.methods {
            let (what, done, total) = ("methods", methods.len(), request.methods.len());
            if self.execution.cancellation.is_cancelled() {
                return Err(ExplainError::Cancelled { what, done, total }.into());
            }
            // warnings of the libraries name neither the image nor the method
            let explained = info_span!("explaining", image = %image.id, %method)
                .in_scope(|| explain_timed(self.config.method(method).as_ref(), method, &context))
                .with_context(|| format!("failed to explain {} by {method}", image.id))?;
            progress.explained(&image.id, method);
            methods.push(explained);
        }
        Ok(ImageExplanation {
            predicted: found.scores.predicted(0),
            target,
            logits: found.scores.of(0).to_vec(),
            probabilities: found.probabilities,
            calibrated: found.calibrated,
            temperature: request.temperature,
            class_names: request.class_names.to_vec(),
            attention: self.model.attention().map(AttentionSource::facts).unwrap_or_default(),
            seed,
            methods,
            id: image.id,
            source: image.source,
            choice: image.choice,
            label: image.label,
            truth_mask: image.truth_mask,
            image: image.image,
        })
    }

    fn predict(&self, image: &Image, temperature: Option<f64>) -> Result<Prediction> {
        let scores = check_scorer(&|images| self.model.scores(images), image, &self.execution)?;
        let logits = scores.of(0).to_vec();
        let calibrated = temperature.map(|temperature| {
            let mut calibrated: Vec<f32> = logits.iter().map(|logit| logit / temperature as f32).collect();
            softmax_in_place(&mut calibrated);
            calibrated
        });
        let classes = logits.len();
        let data = TensorData::new(logits, [1, classes]);
        let probabilities = values_of(&softmax(Tensor::<2>::from_data(data, &self.execution.device), 1));
        Ok(Prediction { scores, probabilities, calibrated })
    }
}

/// The explanation of one class among those of all classes has a name of its own.
fn named(explained: ImageExplanation, target: RequestedClass) -> ImageExplanation {
    match target {
        RequestedClass::Predicted | RequestedClass::Class(_) => explained,
        RequestedClass::Every => {
            let id = name_of_class(&explained.id, explained.target.class);
            ImageExplanation { id, ..explained }
        }
    }
}

fn name_of_class(image: &str, class: usize) -> String {
    format!("{image}-class-{class}")
}

/// What the model says of an image, checked: the same in any batch, no number among them that is none.
struct Prediction {
    scores: Scores,
    probabilities: Vec<f32>,
    calibrated: Option<Vec<f32>>,
}

fn softmax_in_place(logits: &mut [f32]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for logit in &mut *logits {
        *logit = (*logit - largest).exp();
    }
    let sum: f32 = logits.iter().sum();
    for value in logits {
        *value /= sum;
    }
}

fn explain_timed(settings: &dyn Method, method: MethodId, context: &MethodContext<'_>) -> Result<MethodExplanation> {
    if settings.facts().needs == Needs::Attention {
        // Shared by the methods of the image, and no part of what each of them costs.
        context.attention()?;
    }
    let started = Instant::now();
    let Explained { maps, diagnostics, warnings, evidence } = settings.explain(context)?;
    Ok(MethodExplanation {
        method,
        seconds: started.elapsed().as_secs_f64(),
        maps,
        sentences: diagnostics.sentences(),
        diagnostics: serde_json::to_value(diagnostics.as_ref())?,
        settings: context.settings_of(settings)?,
        warnings,
        evidence,
    })
}

/// The seed of an image's explanations: by the name of the image, so that it does not depend on the other images.
pub(crate) fn seed_of(run_seed: u64, id: &str) -> u64 {
    let purpose = Purpose::new(&format!("explanation of {id}"));
    Draw { seed: run_seed, purpose, epoch: 0, index: 0 }.generator().random()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_has_a_seed_of_its_own() {
        assert_ne!(seed_of(0, "test-1"), seed_of(0, "test-2"));
        assert_ne!(seed_of(0, "test-1"), seed_of(1, "test-1"));
        assert_eq!(seed_of(7, "shirt"), seed_of(7, "shirt"));
    }
}
