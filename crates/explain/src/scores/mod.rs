//! Scores the explanations of several images and ranks the methods.

mod measure;
mod relevance;
mod rerun;
mod table;

pub use table::{MeanCurves, ScoreColumn, ScoreEntry, ScoreTable};

use crate::config::ScoresConfig;
use measure::{Column, Subject, measure, variant_name};
use relevance::Relevance;
use rerun::Rerun;
use table::Collected;
use tinylsa_settings::counted;
use tinylsa_xai::{Execution, ScoreKind};

use crate::background::Background;
use crate::error::{Context, Result};
use crate::explainable::RandomisedModel;
use crate::explainer::Explainer;
use crate::explanation::ImageExplanation;
use crate::method::Needs;
use crate::methods::InputGradient;
use crate::registry::MethodId;

/// The controls that no model has a part in.
pub(crate) const RANDOM: &str = "random";
pub(crate) const SOBEL: &str = "sobel";

/// Scores the maps of images one after the other, beside the three controls: noise, edges and the plain gradient. Of an
/// image that was scored only the scores are kept.
pub struct Scoring<'a> {
    explainer: &'a Explainer<'a>,
    /// The background of methods that explain again and again.
    background: Background,
    cascade: Vec<RandomisedModel>,
    /// Which images max-sensitivity and the randomisation of parameters are measured on, by their number.
    sensitive: Vec<usize>,
    randomisable: Vec<usize>,
    collected: Collected,
    scored: usize,
}

impl<'a> Scoring<'a> {
    /// Prepares the scores of this many images.
    ///
    /// # Errors
    /// If the model cannot be initialised again.
    pub fn new(explainer: &'a Explainer<'a>, images: usize) -> Result<Self> {
        let config = &explainer.config.scores;
        let background = Background {
            images: explainer.background.images.iter().take(config.rerun.background).cloned().collect(),
            ..explainer.background.clone()
        };
        let randomisable = spread(images, config.randomisation_images);
        let execution = &explainer.execution;
        let cascade = if randomisable.is_empty() {
            Vec::new()
        } else {
            explainer.model.randomised(execution.seed, &execution.device)?
        };
        let sensitive = spread(images, config.sensitivity_images);
        let (collected, scored) = (Collected::default(), 0);
        Ok(Self { explainer, background, cascade, sensitive, randomisable, collected, scored })
    }

    /// Scores the next image.
    ///
    /// # Errors
    /// The first error of a score, with the image; that it was cancelled.
    pub fn add(&mut self, explanation: &ImageExplanation) -> Result<()> {
        let again = Again {
            rerun: Rerun {
                explainer: self.explainer,
                background: &self.background,
                image: &explanation.image,
                explained: explanation.target,
                seed: explanation.seed,
            },
            cascade: if self.randomisable.contains(&self.scored) { &self.cascade } else { &[] },
            sensitivity: self.sensitive.contains(&self.scored),
        };
        score_image(self.explainer, &again, explanation, &mut self.collected)
            .with_context(|| format!("failed to score the explanations of {}", explanation.id))?;
        self.scored += 1;
        Ok(())
    }

    /// The means over the images, their intervals and the ranks of the methods.
    ///
    /// # Errors
    /// If a mean is not finite; that it was cancelled.
    pub fn table(self) -> Result<ScoreTable> {
        let (config, execution) = (&self.explainer.config.scores, &self.explainer.execution);
        let notes = notes(config, self.sensitive.len(), self.randomisable.len());
        self.collected.table(self.scored, &config.bootstrap, execution, notes)
    }
}

/// The baseline and the scale of the columns that stand for the scores that replace pixels.
pub fn first_variant(config: &ScoresConfig) -> String {
    variant_name(config.baselines[0], config.scales[0])
}

/// What an image is explained again for.
struct Again<'a> {
    rerun: Rerun<'a>,
    cascade: &'a [RandomisedModel],
    sensitivity: bool,
}

fn score_image(
    explainer: &Explainer<'_>,
    again: &Again<'_>,
    explanation: &ImageExplanation,
    collected: &mut Collected,
) -> Result<()> {
    let (config, image) = (explainer.config, &explanation.image);
    let execution = Execution { seed: explanation.seed, ..explainer.execution.clone() };
    let scorer = |images| explainer.model.scores(images);
    let context = explainer.context(&config.shared, image, explanation.target, explanation.seed);
    let subject = Subject {
        scorer: &scorer,
        image: image,
        target: context.target(),
        truth_mask: explanation.truth_mask.as_deref(),
        fill: &config.shared.fill,
        execution: &execution,
    };
    for (name, control) in [(RANDOM, Relevance::random(image, explanation.seed)?), (SOBEL, Relevance::sobel(image))] {
        let (scores, curves) = measure(&subject, &control, &config.scores)?;
        collected.add(name, scores, curves);
    }
    let of_method =
        |method: &crate::explanation::MethodExplanation| (method.method, Relevance::of(&method.maps, image.shape()));
    let mut maps: Vec<(MethodId, Option<Relevance>)> = explanation.methods.iter().map(of_method).collect();
    let gradient = MethodId::of::<InputGradient>();
    if maps.iter().all(|(method, _)| *method != gradient) {
        // the third control, whether or not it was asked for
        let explained = config.method(gradient).explain(&context)?;
        maps.push((gradient, Relevance::of(&explained.maps, image.shape())));
    }
    for (method, relevance) in maps {
        if let Some(relevance) = relevance {
            let (mut scores, curves) = measure(&subject, &relevance, &config.scores)?;
            if !config.scores.rerun.skip.contains(&method) {
                if again.sensitivity {
                    scores.push((Column::only(ScoreKind::MaxSensitivity, ""), again.rerun.sensitivity(method)?));
                }
                let found = if again.cascade.is_empty() {
                    Vec::new()
                } else {
                    again.rerun.randomisation(method, again.cascade)?
                };
                scores.extend(again.cascade.iter().enumerate().zip(found).map(|((depth, random), value)| {
                    let headline = depth + 1 == again.cascade.len();
                    let kind = ScoreKind::ParameterRandomisation;
                    (Column { kind, variant: random.layers.clone(), headline }, value)
                }));
            }
            collected.add(method.name(), scores, curves);
        }
    }
    Ok(())
}

/// `count` places among `of`, spread evenly from the first on; all of them if there are no more.
fn spread(of: usize, count: usize) -> Vec<usize> {
    let count = count.min(of);
    (0..count).map(|place| place * of / count).collect()
}

/// What a reader of the table must know. These words are part of `scores.json`, and so of the digest of a run.
fn notes(config: &ScoresConfig, sensitivity_images: usize, randomisation_images: usize) -> Vec<String> {
    let rerun = &config.rerun;
    let shares_tokens = |method: &MethodId| method.facts().needs == Needs::Attention && method.facts().is_scored;
    let attention: Vec<&str> = MethodId::all().filter(shares_tokens).map(MethodId::title).collect();
    let left_out: Vec<&str> = rerun.skip.iter().map(|method| method.title()).collect();
    vec![
        format!(
            "The maps of {} are over tokens: every pixel takes an equal share of its token, and no number has a sign. \
             Fixed-query maps are no map of a class and have no score.",
            attention.join(", ")
        ),
        format!(
            "Max-sensitivity is measured on {} with {} within {}, the randomisation of parameters on {}.",
            counted(sensitivity_images, "image"),
            counted(config.max_sensitivity.draws, "change"),
            config.max_sensitivity.radius,
            counted(randomisation_images, "image")
        ),
        format!(
            "For these two, methods run with smaller budgets: {} of Integrated Gradients, {}, {}, {}, {}; {} left out.",
            counted(rerun.steps, "step"),
            counted(rerun.background, "background image"),
            counted(rerun.noisy, "noisy image"),
            counted(rerun.coalitions, "coalition"),
            counted(rerun.permutations, "permutation"),
            if left_out.is_empty() { "none".to_owned() } else { left_out.join(", ") }
        ),
        "Infidelity is that of the optimal scale.".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_spread_evenly() {
        assert_eq!(spread(10, 3), [0, 3, 6]);
        assert_eq!(spread(2, 5), [0, 1]);
        assert!(spread(4, 0).is_empty());
    }
}
