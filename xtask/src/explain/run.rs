use std::time::Instant;

use anyhow::{Context, Result};
use burn::tensor::activation::softmax;
use tinylsa_model::values_of;
use tinylsa_xai::{Picture, exact_shapley_evaluations};
use tracing::{info, info_span};

use super::explainer::{Explainer, Question, seed_of};
use super::result::{MethodExplanation, PictureExplanation, Source};
use super::{Family, Method, segments};
use crate::logging::ProgressBar;
use crate::outcome::UsageError;

/// A picture that is to be explained, and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The name of the picture's folder.
    pub(crate) id: String,
    pub(crate) source: Source,
    /// Why it was chosen; nothing if it was named.
    pub(crate) choice: Option<String>,
    pub(crate) picture: Picture,
    pub(crate) label: Option<usize>,
    pub(crate) truth_mask: Option<Vec<bool>>,
}

/// What is asked of every picture.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) methods: &'a [Method],
    /// The class to explain, the predicted one if there is none.
    pub(crate) target: Option<usize>,
    pub(crate) class_names: &'a [String],
}

/// Explains pictures in turn and hands over each as soon as it is explained.
///
/// # Errors
/// The first error of a method with the picture and the method, or of `receive`; that it was cancelled.
pub(crate) fn explain_pictures(
    explainer: &Explainer<'_>,
    subjects: Vec<Subject>,
    request: &Request<'_>,
    mut receive: impl FnMut(PictureExplanation) -> Result<()>,
) -> Result<()> {
    announce_enumeration(explainer, &subjects, request.methods)?;
    let steps = subjects.len() * request.methods.len();
    let mut bar = ProgressBar::start("explaining", steps as u64, "explanations");
    for subject in subjects {
        receive(explain_picture(explainer, subject, request, &mut bar)?)?;
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
    let limit = segments::exact_config(explainer.config).limit;
    let evaluations = exact_shapley_evaluations(segments);
    if segments > limit {
        return Err(UsageError(format!(
            "exact-shapley would need {evaluations} evaluations a picture for its {segments} segments; take fewer \
             segments, raise explain.exact-shapley.limit from {limit} to at most 20, or leave the method out"
        ))
        .into());
    }
    info!("exact Shapley values cost {evaluations} evaluations a picture ({segments} segments)");
    Ok(())
}

/// Explains one picture by every method that is asked for.
fn explain_picture(
    explainer: &Explainer<'_>,
    subject: Subject,
    request: &Request<'_>,
    bar: &mut ProgressBar,
) -> Result<PictureExplanation> {
    let logits = explainer.model.folded.forward(explainer.pair(&subject.picture)).narrow(0, 0, 1);
    let probabilities = values_of(&softmax(logits.clone(), 1));
    let logits = values_of(&logits);
    let predicted = (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best });
    let target = request.target.unwrap_or(predicted);
    let seed = seed_of(explainer.execution.seed, &subject.id);
    let question = Question { picture: &subject.picture, class: target, seed };
    let needs_attention = request.methods.iter().any(|method| method.family() == Family::Attention);
    let traced = needs_attention.then(|| explainer.trace(&subject.picture)).transpose();
    let traced = traced.with_context(|| format!("failed to trace the attention on {}", subject.id))?;
    let mut methods = Vec::with_capacity(request.methods.len());
    for &method in request.methods {
        let started = Instant::now();
        // warnings of the libraries name neither the picture nor the method
        let explained = info_span!("explaining", picture = %subject.id, %method)
            .in_scope(|| explainer.explain_traced(method, question, traced.as_ref()))
            .with_context(|| format!("failed to explain {} by {method}", subject.id))?;
        bar.advance(1, &format!("{} by {method}", subject.id));
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
        predicted,
        target,
        logits,
        probabilities,
        class_names: request.class_names.to_vec(),
        truth_mask: subject.truth_mask,
        seed,
        methods,
    })
}
