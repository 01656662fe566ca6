//! What stands around the maps: captions, what a method's map means, and how far to trust it.

use crate::explainable::AttentionFacts;
use crate::explanation::ImageExplanation;
use crate::explanation::MethodExplanation;
use crate::maps::Maps;

/// The unit of attention weights: rows, and what is made of rows, sum to 1.
pub(super) const ATTENTION_UNIT: &str = "share of a query's attention";
/// As [`ATTENTION_UNIT`], for one head alone.
pub(super) const HEAD_UNIT: &str = "share of a query's attention in one head";
/// The unit of what is left of them without the mean over the queries.
pub(super) const DEVIATION_UNIT: &str = "share above or below the mean over all queries";
/// The unit of rollout and flow: a share of attention over the share of a token to which all attend alike, less 1.
pub(super) const MULTIPLE_UNIT: &str = "times an even share of the attention, less 1";
/// The unit of gradient-weighted rollout.
pub(super) const GRADIENT_ROLLOUT_UNIT: &str = "attention weighted by the gradient of the logit";
/// What a reader of any map over tokens must know.
pub(super) const RECEPTIVE_FIELD: &str =
    "tokens see more than their patch where convolutions have mixed in what lies around it";

/// How places are numbered, in images, warnings and files alike.
pub(super) const COUNTING: &str = "layers, heads, rows and columns count from 0";

/// "predicted Coat (probability 0.913), true label Pullover", with "wrong" or "right" where the label is known; the
/// calibrated probability where the model has a temperature.
pub fn verdict(explanation: &ImageExplanation) -> String {
    let calibrated = if explanation.temperature.is_some() { "calibrated " } else { "" };
    let probability = |class: usize| format!("{calibrated}probability {:.3}", explanation.shown_probability(class));
    let predicted = explanation.predicted;
    let mut words = format!("predicted {} ({})", explanation.class_name(predicted), probability(predicted));
    match explanation.label {
        Some(label) if label == predicted => words += ", which is right",
        Some(label) => words = format!("{words}, true label {}", explanation.class_name(label)),
        None => words += ", true label unknown",
    }
    let target = explanation.target;
    let what = if target.against.is_some() { "the difference of the logits, " } else { "the logit of " };
    words = format!("{words}; explained is {what}{}", explanation.target_name());
    if target.class != predicted {
        words = format!("{words} ({})", probability(target.class));
    }
    words
}

/// What a reader of maps over tokens must know: what a token sees, and what is in no map of attention.
pub(super) fn about_tokens(facts: &AttentionFacts) -> Vec<String> {
    let beside = facts.beside.join(", ");
    let beside = (!beside.is_empty()).then(|| format!("beside the attention, in no map of it: {beside}"));
    [RECEPTIVE_FIELD.to_owned()].into_iter().chain(beside).collect()
}

/// The question that a figure answers. Attention does not know the class, so that its maps say nothing of a "why".
pub(super) fn question(maps: &Maps, explained: &str) -> String {
    match maps {
        Maps::Pixels(_) => format!("why {explained}?"),
        Maps::Rollout(rollout) if rollout.gradient_weighted => format!("why {explained}?"),
        Maps::Attention(attention) if attention.layers.len() == 1 => "where the layer looks".to_owned(),
        Maps::Attention(_) => "where each layer looks".to_owned(),
        Maps::Rollout(_) | Maps::Flow(_) => "where all layers together look".to_owned(),
        Maps::FixedQueries(_) => "where some tokens look".to_owned(),
    }
}

/// Whether the maps are the same whatever class is explained.
pub(super) fn is_same_for_every_class(maps: &Maps, facts: &AttentionFacts) -> bool {
    match maps {
        Maps::Pixels(_) => false,
        Maps::Rollout(rollout) => !rollout.gradient_weighted && !facts.reads_by_class,
        Maps::Flow(_) => !facts.reads_by_class,
        Maps::Attention(_) | Maps::FixedQueries(_) => true,
    }
}

/// What stands under the title of every figure of an image.
pub(super) fn caption(explanation: &ImageExplanation) -> String {
    let mut caption = format!("{}: {}", explanation.id, verdict(explanation));
    if let Some(choice) = &explanation.choice {
        caption = format!("{caption}; chosen as {choice}");
    }
    format!("{caption}. {}", explanation.source)
}

/// What a figure says at its foot: how far to trust the map, then what speaks against it.
pub(super) fn notes(method: &MethodExplanation) -> Vec<String> {
    // attention and flow say it in the headings and with the scale
    let shown_beside = matches!(method.maps, Maps::Attention(_) | Maps::Flow(_));
    let diagnosis = if shown_beside { Vec::new() } else { method.sentences.clone() };
    diagnosis.into_iter().chain(method.warnings.iter().map(|warning| format!("warning: {warning}"))).collect()
}
