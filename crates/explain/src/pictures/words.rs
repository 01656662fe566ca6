//! What stands around the maps: captions, what a method's map means, and how far to trust it.

use serde_json::Value;

use crate::Method;
use crate::result::{MethodExplanation, MethodMaps, PictureExplanation};
use tinylsa_settings::printable;

/// The unit of attention weights: rows, and what is made of rows, sum to 1.
pub(super) const ATTENTION_UNIT: &str = "share of a query's attention";
/// As [`ATTENTION_UNIT`], for one head alone.
pub(super) const HEAD_UNIT: &str = "share of a query's attention in one head";
/// The unit of what is left of them without the mean over the queries.
pub(super) const DEVIATION_UNIT: &str = "share above or below the mean over all queries";
/// The unit of gradient-weighted rollout.
pub(super) const GRADIENT_ROLLOUT_UNIT: &str = "attention weighted by the gradient of the logit";
/// What a reader of any map over tokens must know.
pub(super) const RECEPTIVE_FIELD: &str =
    "tokens see more than their patch: convolutions have mixed in their surroundings before the first attention layer";

/// How places are numbered, in pictures, warnings and files alike.
pub(super) const COUNTING: &str = "layers, heads, rows and columns count from 0";

/// What the maps of a method mean, and what they do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    pub means: &'static str,
    pub does_not: &'static str,
}

/// The one line under a method, in every page and picture that has it.
pub fn meaning(method: Method) -> Meaning {
    let (means, does_not) = match method {
        Method::SelfAttention => (
            "how each layer mixes tokens, heads fused, exactly as it computes them",
            "which class the mixing speaks for, or what the layers after it make of it",
        ),
        Method::MultiHeadAttention => (
            "how each head of each layer mixes tokens",
            "which heads the prediction depends on; one head that looks sensible proves nothing",
        ),
        Method::AttentionRollout => (
            "what all layers together take from each token, if only attention and residual connections act",
            "anything about the class: the map is the same for all, and ignores values and perceptrons",
        ),
        Method::GradientRollout => (
            "rollout of the attention whose increase would raise the logit of the class",
            "contributions that add up to the logit, or what speaks against the class",
        ),
        Method::AttentionFlow => (
            "how much can flow from each token to the query through all layers, with attention weights as capacities",
            "one flow, since every pair of tokens is a maximum of its own, or anything about the class",
        ),
        Method::FixedQuery => (
            "where chosen tokens look, the same places in every picture",
            "that these tokens matter to the prediction; corners are mostly background",
        ),
        Method::IntegratedGradients => (
            "each pixel's share of the difference between the logits of the picture and of the baseline",
            "the importance of pixels that equal the baseline, which get exactly 0",
        ),
        Method::ExpectedGradients => (
            "each pixel's share of the difference between the logits of the picture and of training pictures on average",
            "a fixed number: it is an estimate, with the standard error beside it",
        ),
        Method::SmoothGrad => (
            "to which pixels the logit is sensitive, averaged over noisy copies of the picture",
            "contributions: the values add up to nothing, and the noisy copies ask about other pictures",
        ),
        Method::InputGradient => (
            "to which pixels the logit is sensitive at this very picture; a control for the others",
            "contributions: where the logit is flat the gradient is 0, even if all of the logit comes from there",
        ),
        Method::InputTimesGradient => (
            "the first-order estimate of what each pixel adds over black; a control for the others",
            "contributions that add up to the logit, unless the model is linear",
        ),
        Method::ExactShapley => (
            "each segment's fair share of the difference between the picture shown and everything hidden",
            "the truth for another segmentation or another fill, which are other questions",
        ),
        Method::KernelShap => (
            "an estimate of the exact Shapley values from part of the coalitions; shares add up exactly",
            "the truth for another segmentation or another fill, which are other questions",
        ),
        Method::PermutationShap => (
            "an estimate of the exact Shapley values from random orders of appearance; shares add up exactly",
            "the truth for another segmentation or another fill, which are other questions",
        ),
        Method::Lime => (
            "the linear function of shown and hidden segments that comes closest to the model",
            "shares of anything, and nothing at all where the held-out R² is low",
        ),
    };
    Meaning { means, does_not }
}

impl Meaning {
    /// Both in one line.
    pub fn line(self) -> String {
        format!("Shows {}. Does not show {}.", self.means, self.does_not)
    }
}

/// The name of a class, as it may be shown.
pub fn class(explanation: &PictureExplanation, class: usize) -> String {
    explanation.class_names.get(class).map_or_else(|| format!("class {class}"), |name| printable(name).into_owned())
}

/// "predicted Coat (probability 0.913), true label Pullover", with "wrong" or "right" where the label is known; the
/// calibrated probability where the model has a temperature.
pub fn verdict(explanation: &PictureExplanation) -> String {
    let calibrated = if explanation.temperature.is_some() { "calibrated " } else { "" };
    let probability = |class: usize| format!("{calibrated}probability {:.3}", explanation.shown_probability(class));
    let predicted = explanation.predicted;
    let mut words = format!("predicted {} ({})", class(explanation, predicted), probability(predicted));
    match explanation.label {
        Some(label) if label == predicted => words += ", which is right",
        Some(label) => words = format!("{words}, true label {}", class(explanation, label)),
        None => words += ", true label unknown",
    }
    let target = explanation.target;
    words = format!("{words}; explained is the logit of {}", class(explanation, target));
    if target != predicted {
        words = format!("{words} ({})", probability(target));
    }
    words
}

/// What stands under the title of every figure of a picture.
pub(super) fn caption(explanation: &PictureExplanation) -> String {
    let mut caption = format!("{}: {}", explanation.id, verdict(explanation));
    if let Some(choice) = &explanation.choice {
        caption = format!("{caption}; chosen as {choice}");
    }
    format!("{caption}. {}", explanation.source)
}

/// What a figure says at its foot: how far to trust the map, then what speaks against it.
pub(super) fn notes(method: &MethodExplanation) -> Vec<String> {
    // attention and flow say it in the headings and with the scale
    let shown_beside = matches!(method.maps, MethodMaps::Attention(_) | MethodMaps::Flow(_));
    let diagnosis = if shown_beside { Vec::new() } else { diagnosis(method) };
    diagnosis.into_iter().chain(method.warnings.iter().map(|warning| format!("warning: {warning}"))).collect()
}

/// The figures that tell how far to trust the maps of a method, in words.
pub fn diagnosis(method: &MethodExplanation) -> Vec<String> {
    let at = |pointer: &str| method.diagnostics.pointer(pointer).and_then(Value::as_f64);
    match &method.maps {
        MethodMaps::Pixels(map) => match &map.segments {
            Some(segments) if method.method == Method::Lime => lime(&at, segments.values.len()),
            Some(segments) => shapley(&at, segments.standard_errors.as_deref()),
            None => gradients(method, &at),
        },
        MethodMaps::Attention(maps) => maps
            .layers
            .iter()
            .enumerate()
            .map(|(index, layer)| {
                let statistics = &layer.fused.statistics;
                format!(
                    "layer {index}: entropy {:.3} of ln N, dependence on the query {:.3}",
                    statistics.relative_entropy, statistics.query_dependence
                )
            })
            .collect(),
        MethodMaps::Flow(map) => vec![saturation(map.flows.saturated_fraction)],
        MethodMaps::Rollout(_) | MethodMaps::FixedQueries(_) => Vec::new(),
    }
}

/// The share of flows that depend on no query.
pub(super) fn saturation(fraction: f64) -> String {
    format!("saturated: {:.1} % of the flows are at their bound and do not depend on the query", 100.0 * fraction)
}

fn gradients(method: &MethodExplanation, at: &dyn Fn(&str) -> Option<f64>) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(delta), Some(score)) = (at("/delta"), at("/score")) {
        let baselines: Vec<f64> = match at("/background_score") {
            Some(background) => vec![background],
            None => paths(&method.diagnostics).filter_map(|path| path.get("baseline_score")?.as_f64()).collect(),
        };
        let mean = baselines.iter().sum::<f64>() / baselines.len().max(1) as f64;
        let difference = score - mean;
        let mut line = format!("contributions miss the difference of {difference:.3} logits by {}", scientific(delta));
        if difference != 0.0 {
            line = format!("{line} ({:.2} %)", 100.0 * (delta / difference).abs());
        }
        lines.push(line);
    }
    let steps: Vec<u64> = paths(&method.diagnostics).filter_map(|path| path.get("steps")?.as_u64()).collect();
    if let (Some(least), Some(most)) = (steps.iter().min(), steps.iter().max()) {
        let steps = if least == most { most.to_string() } else { format!("{least} to {most}") };
        lines.push(format!("{steps} steps along the path from the baseline"));
    }
    if let Some(error) = at("/relative_standard_error") {
        lines.push(format!("relative standard error of the map {:.1} %", 100.0 * error));
    }
    lines
}

fn scientific(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") }
}

fn paths(diagnostics: &Value) -> impl Iterator<Item = &Value> {
    diagnostics.get("paths").and_then(Value::as_array).into_iter().flatten()
}

fn shapley(at: &dyn Fn(&str) -> Option<f64>, standard_errors: Option<&[f64]>) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(empty), Some(full)) = (at("/solution/empty/0"), at("/solution/full/0")) {
        let mut line = format!("shares of the logit's difference of {:.3}", full - empty);
        if let Some(residual) = at("/solution/additivity_residuals/0") {
            line = format!("{line}, additivity residual {}", scientific(residual));
        }
        lines.push(line);
    }
    if let Some(evaluations) = at("/solution/evaluations") {
        let largest = standard_errors.map(|errors| errors.iter().copied().fold(0.0, f64::max));
        lines.push(match largest {
            Some(0.0) => format!("{evaluations} coalitions evaluated, which is all: no standard error"),
            Some(error) => format!("{evaluations} coalitions evaluated, largest standard error {error:.2e} logits"),
            None => format!("{evaluations} coalitions evaluated, standard errors unknown"),
        });
    }
    lines
}

fn lime(at: &dyn Fn(&str) -> Option<f64>, segments: usize) -> Vec<String> {
    let r2 = |pointer: &str| at(pointer).map_or_else(|| "undefined".to_owned(), |r2| format!("{r2:.3}"));
    let (in_sample, held_out) = (r2("/solution/r2_in_sample/0"), r2("/solution/r2_held_out/0"));
    let mut lines = vec![format!("R² {in_sample} in-sample, {held_out} held out, {segments} segments")];
    if let (Some(local), Some(score)) = (at("/solution/local_predictions/0"), at("/solution/scores/0")) {
        lines.push(format!("logit of the whole picture: {local:.3} by the linear function, {score:.3} by the model"));
    }
    lines
}
