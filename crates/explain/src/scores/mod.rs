//! Scores the explanations of several pictures and ranks the methods.

mod config;
mod measure;
mod relevance;
mod rerun;
mod table;

use anyhow::{Context, Result};

pub use config::ScoresConfig;
use measure::{Subject, baseline_name, column, measure, scale_name};
use relevance::Relevance;
use rerun::{Randomised, randomisation, randomised, sensitivity};
use table::Collected;
use tinylsa_xai::ScoreKind;

use super::config::ExplainConfig;
use super::explainer::{Background, Explainer, Question};
use super::result::{PictureExplanation, ScoreTable};
use super::{Family, Method};
use tinylsa_settings::counted;

/// The controls that no model has a part in.
const RANDOM: &str = "random";
const SOBEL: &str = "sobel";

/// Scores the maps of pictures one after the other, beside the three controls: noise, edges and the plain gradient. Of a
/// picture that was scored only the scores are kept.
pub struct Scoring<'a> {
    explainer: &'a Explainer<'a>,
    /// The settings and the background of methods that explain again and again.
    budgeted: ExplainConfig,
    background: Background,
    cascade: Vec<Randomised>,
    /// Which pictures max-sensitivity and the randomisation of parameters are measured on, by their number.
    sensitive: Vec<usize>,
    randomisable: Vec<usize>,
    collected: Collected,
    scored: usize,
}

impl<'a> Scoring<'a> {
    /// Prepares the scores of `pictures` pictures.
    ///
    /// # Errors
    /// If the network cannot be initialised again.
    pub fn new(explainer: &'a Explainer<'a>, pictures: usize) -> Result<Self> {
        let config = &explainer.config.scores;
        let budgeted = config.rerun.budgeted(explainer.config);
        let background = Background {
            pictures: explainer.background.pictures.iter().take(config.rerun.background).cloned().collect(),
            ..explainer.background.clone()
        };
        let randomisable = spread(pictures, config.randomisation_pictures);
        let cascade =
            if randomisable.is_empty() { Vec::new() } else { randomised(explainer, explainer.execution.seed)? };
        let sensitive = spread(pictures, config.sensitivity_pictures);
        let (collected, scored) = (Collected::default(), 0);
        Ok(Self { explainer, budgeted, background, cascade, sensitive, randomisable, collected, scored })
    }

    /// Scores the next picture.
    ///
    /// # Errors
    /// The first error of a score, with the picture; that it was cancelled.
    pub fn add(&mut self, explanation: &PictureExplanation) -> Result<()> {
        let rerun = Explainer { config: &self.budgeted, background: &self.background, ..self.explainer.clone() };
        let again = Again {
            explainer: &rerun,
            cascade: if self.randomisable.contains(&self.scored) { &self.cascade } else { &[] },
            sensitivity: self.sensitive.contains(&self.scored),
        };
        score_picture(self.explainer, &again, explanation, &mut self.collected)
            .with_context(|| format!("failed to score the explanations of {}", explanation.id))?;
        self.scored += 1;
        Ok(())
    }

    /// The means over the pictures, their intervals and the ranks of the methods.
    ///
    /// # Errors
    /// If a mean is not finite; that it was cancelled.
    pub fn table(self) -> Result<ScoreTable> {
        let (config, execution) = (&self.explainer.config.scores, &self.explainer.execution);
        let notes = notes(config, self.sensitive.len(), self.randomisable.len());
        self.collected.table(self.scored, &config.bootstrap, execution, notes)
    }
}

/// The variant of the scores that a terminal shows.
pub fn first_variant(config: &ScoresConfig) -> String {
    format!("{}, {}", baseline_name(config.baselines[0]), scale_name(config.scales[0]))
}

/// What a picture is explained again for.
struct Again<'a> {
    explainer: &'a Explainer<'a>,
    cascade: &'a [Randomised],
    sensitivity: bool,
}

fn score_picture(
    explainer: &Explainer<'_>,
    again: &Again<'_>,
    explanation: &PictureExplanation,
    collected: &mut Collected,
) -> Result<()> {
    let (config, picture) = (explainer.config, &explanation.picture);
    let execution = explainer.execution(explanation.seed);
    let scorer = explainer.scorer();
    let subject = Subject {
        scorer: &scorer,
        picture,
        class: explanation.target,
        truth_mask: explanation.truth_mask.as_deref(),
        fill: &config.fill,
        execution: &execution,
    };
    for (name, control) in [(RANDOM, Relevance::random(picture, explanation.seed)?), (SOBEL, Relevance::sobel(picture))]
    {
        let (scores, curves) = measure(&subject, &control, &config.scores)?;
        collected.add(name, scores, curves);
    }
    let question = Question { picture, class: explanation.target, seed: explanation.seed };
    let mut maps: Vec<(Method, Option<Relevance>)> = explanation
        .methods
        .iter()
        .map(|method| (method.method, Relevance::of(method.method, &method.maps, picture.shape())))
        .collect();
    if maps.iter().all(|(method, _)| *method != Method::InputGradient) {
        // the third control, whether or not it was asked for
        let gradient = explainer.explain(Method::InputGradient, question)?;
        maps.push((Method::InputGradient, Relevance::of(Method::InputGradient, &gradient.maps, picture.shape())));
    }
    for (method, relevance) in maps {
        if let Some(relevance) = relevance {
            let (mut scores, curves) = measure(&subject, &relevance, &config.scores)?;
            if !config.scores.rerun.skip.contains(&method) {
                if again.sensitivity {
                    let found = sensitivity(again.explainer, method, question)?;
                    scores.push((column(ScoreKind::MaxSensitivity, ""), found));
                }
                if !again.cascade.is_empty() {
                    let found = randomisation(again.explainer, again.cascade, method, question)?;
                    let named = again.cascade.iter().zip(found);
                    scores.extend(
                        named.map(|(random, value)| (column(ScoreKind::ParameterRandomisation, &random.layers), value)),
                    );
                }
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
fn notes(config: &ScoresConfig, sensitivity_pictures: usize, randomisation_pictures: usize) -> Vec<String> {
    let rerun = &config.rerun;
    let attention: Vec<&str> = Method::ALL
        .into_iter()
        .filter(|method| method.family() == Family::Attention && *method != Method::FixedQuery)
        .map(Method::title)
        .collect();
    let left_out: Vec<&str> = rerun.skip.iter().map(|method| method.title()).collect();
    vec![
        format!(
            "The maps of {} are over tokens: every pixel takes an equal share of its token, and no number has a sign. \
             Fixed-query maps are no map of a class and have no score.",
            attention.join(", ")
        ),
        format!(
            "Max-sensitivity is measured on {} with {} within {}, the randomisation of parameters on {}.",
            counted(sensitivity_pictures, "picture"),
            counted(config.max_sensitivity.draws, "change"),
            config.max_sensitivity.radius,
            counted(randomisation_pictures, "picture")
        ),
        format!(
            "For these two, methods run with smaller budgets: {} of Integrated Gradients, {}, {}, {}, {}; {} left out.",
            counted(rerun.steps, "step"),
            counted(rerun.background, "background picture"),
            counted(rerun.noisy, "noisy picture"),
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
