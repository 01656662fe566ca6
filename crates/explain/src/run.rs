use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData};
use tinylsa_model::values_of;
use tinylsa_xai::{ExplainError, Picture, check_scorer, exact_shapley_evaluations};
use tracing::{info, info_span};

use super::explainer::{Explainer, Question, seed_of};
use super::result::{MethodExplanation, PictureExplanation, Source};
use super::{Family, Method, segments};

/// A picture that is to be explained, and what is known of it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The name of the picture's folder.
    pub id: String,
    pub source: Source,
    /// Why it was chosen; nothing if it was named.
    pub choice: Option<String>,
    pub picture: Picture,
    pub label: Option<usize>,
    pub truth_mask: Option<Vec<bool>>,
}

/// Watches explanations as they are made.
pub trait ExplainProgress {
    /// This many explanations will be made, one for each image and method.
    fn started(&mut self, _explanations: usize) {}

    /// The image of this name was explained by this method.
    fn explained(&mut self, _image: &str, _method: Method) {}
}

/// Watches nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl ExplainProgress for Unwatched {}

/// What is asked of every picture.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub methods: &'a [Method],
    /// The class to explain, the predicted one if there is none.
    pub target: Option<usize>,
    pub class_names: &'a [String],
    /// The number by which logits are divided to be calibrated, where the model has one.
    pub temperature: Option<f64>,
}

/// Explains pictures in turn and hands over each as soon as it is explained, or why it could not be. Nothing is kept of a
/// picture that was handed over.
///
/// # Errors
/// The first error of `receive`, which decides whether a picture that failed ends the others; that it was cancelled.
pub fn explain_pictures(
    explainer: &Explainer<'_>,
    subjects: Vec<Subject>,
    request: &Request<'_>,
    progress: &mut dyn ExplainProgress,
    mut receive: impl FnMut(Result<PictureExplanation>) -> Result<()>,
) -> Result<()> {
    announce_enumeration(explainer, &subjects, request.methods)?;
    let total = subjects.len();
    progress.started(total * request.methods.len());
    for (done, subject) in subjects.into_iter().enumerate() {
        let explained = explain_picture(explainer, subject, request, progress);
        if explainer.execution.cancellation.is_cancelled() {
            return Err(ExplainError::Cancelled { what: "images", done, total }.into());
        }
        receive(explained)?;
    }
    Ok(())
}

/// Says what the enumeration of all coalitions will cost, before it begins.
fn announce_enumeration(explainer: &Explainer<'_>, subjects: &[Subject], methods: &[Method]) -> Result<()> {
    let Some(first) = subjects.first().filter(|_| methods.contains(&Method::ExactShapley)) else {
        return Ok(());
    };
    let cancellation = &explainer.execution.cancellation;
    let segments = segments::segmentation(explainer.config, &first.picture, cancellation)?.count();
    let evaluations = exact_shapley_evaluations(segments);
    info!("exact Shapley values take {evaluations} evaluations an image ({segments} segments)");
    Ok(())
}

/// What the model says of a picture, checked: the same in any batch, no number among them that is none.
struct Prediction {
    logits: Vec<f32>,
    probabilities: Vec<f32>,
    calibrated: Option<Vec<f32>>,
    class: usize,
}

fn predict(explainer: &Explainer<'_>, picture: &Picture, temperature: Option<f64>) -> Result<Prediction> {
    let scores = check_scorer(&explainer.scorer(), picture, &explainer.execution)?;
    let logits = scores.of(0).to_vec();
    let data = TensorData::new(logits.clone(), [1, logits.len()]);
    let probabilities = values_of(&softmax(Tensor::<2>::from_data(data, &explainer.execution.device), 1));
    let calibrated = temperature.map(|temperature| {
        let mut calibrated: Vec<f32> = logits.iter().map(|logit| logit / temperature as f32).collect();
        softmax_in_place(&mut calibrated);
        calibrated
    });
    Ok(Prediction { class: scores.predicted(0), logits, probabilities, calibrated })
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

/// Explains one picture by every method that is asked for.
fn explain_picture(
    explainer: &Explainer<'_>,
    subject: Subject,
    request: &Request<'_>,
    progress: &mut dyn ExplainProgress,
) -> Result<PictureExplanation> {
    let found = predict(explainer, &subject.picture, request.temperature)
        .with_context(|| format!("failed to score {}", subject.id))?;
    let classes = found.logits.len();
    if let Some(label) = subject.label.filter(|&label| label >= classes) {
        bail!("{} is of class {label}, the model knows {classes} classes", subject.id);
    }
    let target = request.target.unwrap_or(found.class);
    if let Some(&value) = found.logits.get(target).filter(|logit| !logit.is_finite()) {
        let error = ExplainError::Score { class: target, value };
        return Err(anyhow::Error::from(error).context(format!("failed to score {}", subject.id)));
    }
    let seed = seed_of(explainer.execution.seed, &subject.id);
    let question = Question { picture: &subject.picture, class: target, seed };
    let needs_attention = request.methods.iter().any(|method| method.family() == Family::Attention);
    let traced = needs_attention.then(|| explainer.trace(&subject.picture)).transpose();
    let traced = traced.with_context(|| format!("failed to trace the attention on {}", subject.id))?;
    let mut methods = Vec::with_capacity(request.methods.len());
    for &method in request.methods {
        let (what, done, total) = ("methods", methods.len(), request.methods.len());
        if explainer.execution.cancellation.is_cancelled() {
            return Err(ExplainError::Cancelled { what, done, total }.into());
        }
        let started = Instant::now();
        // warnings of the libraries name neither the picture nor the method
        let explained = info_span!("explaining", picture = %subject.id, %method)
            .in_scope(|| explainer.explain_traced(method, question, traced.as_ref()))
            .with_context(|| format!("failed to explain {} by {method}", subject.id))?;
        progress.explained(&subject.id, method);
        methods.push(MethodExplanation {
            method,
            seconds: started.elapsed().as_secs_f64(),
            maps: explained.maps,
            diagnostics: explained.diagnostics,
            settings: explained.settings,
            warnings: explained.warnings,
            evidence: explained.evidence,
        });
    }
    Ok(PictureExplanation {
        id: subject.id,
        source: subject.source,
        choice: subject.choice,
        picture: subject.picture,
        label: subject.label,
        predicted: found.class,
        target,
        logits: found.logits,
        probabilities: found.probabilities,
        calibrated: found.calibrated,
        temperature: request.temperature,
        class_names: request.class_names.to_vec(),
        truth_mask: subject.truth_mask,
        seed,
        methods,
    })
}
