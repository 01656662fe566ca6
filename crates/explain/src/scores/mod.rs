//! Scores the explanations of several images and ranks the methods.

mod collected;
mod fold;
mod measure;
mod relevance;
mod rerun;
mod table;

pub use fold::{ImageScores, ScoreFold};
pub use table::{Comparison, ControlDifference, ImageSample, MeanCurves, ScoreColumn, ScoreEntry, ScoreTable, Verdict};

use crate::config::ScoresConfig;
use fold::{MethodScores, spread};
pub(crate) use fold::{RANDOM, SOBEL};
use measure::{Column, Measured, Subject, ask, measure, variant_name};
use relevance::Relevance;
use rerun::{MapOf, Rerun};
use tinylsa_xai::{Execution, ScoreKind, random_map, sobel_edge_map};

use crate::background::Background;
use crate::error::{Context, Result};
use crate::explainable::RandomisedModel;
use crate::explainer::Explainer;
use crate::explanation::ImageExplanation;
use crate::methods::InputGradient;
use crate::registry::MethodId;

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
    fold: ScoreFold,
}

impl<'a> Scoring<'a> {
    /// Prepares the scores of this many images, which somebody chose unless [`drawn_at_random`](Self::drawn_at_random)
    /// says otherwise.
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
        let fold = ScoreFold::new(config, images);
        Ok(Self { explainer, background, cascade, sensitive, randomisable, fold })
    }

    /// Says that the images were drawn at random, so that the means hold for those that they were drawn from.
    #[must_use]
    pub fn drawn_at_random(self) -> Self {
        Self { fold: self.fold.of(ImageSample::Random), ..self }
    }

    /// Scores the next image.
    ///
    /// # Errors
    /// The first error of a score, with the image; that it was cancelled.
    pub fn add(&mut self, explanation: &ImageExplanation) -> Result<()> {
        let scores = self.measure(self.fold.images(), explanation)?;
        self.fold.add(scores);
        Ok(())
    }

    /// Scores the image that has this place among all images, and keeps nothing of it: a [`ScoreFold`] makes the table.
    ///
    /// # Errors
    /// The first error of a score, with the image; that it was cancelled.
    pub fn measure(&self, place: usize, explanation: &ImageExplanation) -> Result<ImageScores> {
        let again = Again {
            rerun: Rerun {
                explainer: self.explainer,
                background: &self.background,
                image: &explanation.image,
                explained: explanation.target,
                seed: explanation.seed,
            },
            cascade: if self.randomisable.contains(&place) { &self.cascade } else { &[] },
            sensitivity: self.sensitive.contains(&place),
        };
        let methods = score_image(self.explainer, &again, explanation)
            .with_context(|| format!("failed to score the explanations of {}", explanation.id))?;
        Ok(ImageScores { place, methods })
    }

    /// The means over the images, their intervals, the ranks of the methods and their differences to the controls.
    ///
    /// # Errors
    /// If a mean is not finite.
    pub fn table(self) -> Result<ScoreTable> {
        self.fold.table(&self.explainer.config.scores)
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

impl Again<'_> {
    /// The scores of a map that take it to be made again.
    fn measure(&self, map_of: &MapOf<'_>) -> Result<Vec<Measured>> {
        let mut scores = Vec::new();
        if self.sensitivity {
            scores.push((Column::only(ScoreKind::MaxSensitivity, ""), self.rerun.sensitivity(map_of)?));
        }
        if self.cascade.is_empty() {
            return Ok(scores);
        }
        let kind = ScoreKind::ParameterRandomisation;
        let found = self.rerun.randomisation(map_of, self.cascade)?;
        for (depth, (random, found)) in self.cascade.iter().zip(found).enumerate() {
            let (layers, headline) = (&random.layers, depth + 1 == self.cascade.len());
            scores.push((Column { kind, variant: layers.clone(), headline }, found.all_pixels));
            let variant = format!("{layers}, lit pixels");
            scores.push((Column { kind, variant, headline: false }, found.lit_pixels));
        }
        Ok(scores)
    }
}

/// A map that is scored, and how it is made again; nothing where the config leaves that out.
struct Candidate<'a> {
    name: &'static str,
    relevance: Relevance,
    map_of: Option<Box<MapOf<'a>>>,
}

fn score_image(
    explainer: &Explainer<'_>,
    again: &Again<'_>,
    explanation: &ImageExplanation,
) -> Result<Vec<MethodScores>> {
    let (config, image) = (&explainer.config.scores, &explanation.image);
    let execution = Execution { seed: explanation.seed, ..explainer.execution.clone() };
    let scorer = |images| explainer.model.scores(images);
    let subject = Subject {
        scorer: &scorer,
        image,
        target: explanation.target.into(),
        truth_mask: explanation.truth_mask.as_deref(),
        fill: &explainer.config.shared.fill,
        execution: &execution,
    };
    let answers = ask(&subject, config)?;
    let mut methods = Vec::new();
    for Candidate { name, relevance, map_of } in candidates(explainer, again, explanation)? {
        let (mut scores, curves) = measure(&subject, &answers, &relevance, config)?;
        if let Some(map_of) = map_of {
            scores.extend(again.measure(map_of.as_ref())?);
        }
        methods.push(MethodScores { method: name.to_owned(), scores, curves });
    }
    Ok(methods)
}

/// The controls, and every method of the explanation that gives a map of the class.
fn candidates<'a>(
    explainer: &Explainer<'_>,
    again: &'a Again<'_>,
    explanation: &ImageExplanation,
) -> Result<Vec<Candidate<'a>>> {
    let (image, seed) = (&explanation.image, explanation.seed);
    let shape = image.shape();
    // a control that no model has a part in is the same for every model
    let random: Box<MapOf<'_>> = Box::new(move |_, image| Ok(random_map(image.shape().pixels(), seed)?));
    let sobel: Box<MapOf<'_>> = Box::new(|_, image| Ok(sobel_edge_map(image)));
    let mut candidates = vec![
        Candidate { name: RANDOM, relevance: Relevance::random(image, seed)?, map_of: Some(random) },
        Candidate { name: SOBEL, relevance: Relevance::sobel(image), map_of: Some(sobel) },
    ];
    let mut maps: Vec<(MethodId, Option<Relevance>)> =
        explanation.methods.iter().map(|found| (found.method, Relevance::of(&found.maps, shape))).collect();
    let gradient = MethodId::of::<InputGradient>();
    if maps.iter().all(|(method, _)| *method != gradient) {
        // the third control, whether or not it was asked for
        let context = explainer.context(&explainer.config.shared, image, explanation.target, seed);
        let explained = explainer.config.method(gradient).explain(&context)?;
        maps.push((gradient, Relevance::of(&explained.maps, shape)));
    }
    let is_rerun = |method: &MethodId| !explainer.config.scores.rerun.skip.contains(method);
    candidates.extend(maps.into_iter().filter_map(|(method, relevance)| {
        let map_of = is_rerun(&method).then(|| again.rerun.method(method));
        Some(Candidate { name: method.name(), relevance: relevance?, map_of })
    }));
    Ok(candidates)
}
