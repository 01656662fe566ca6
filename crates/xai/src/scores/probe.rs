use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};

use crate::attribution::Target;
use crate::door::check_scorer;
use crate::error::{ExplainError, require_count, require_finite};
use crate::execution::Execution;
use crate::image::Image;
use crate::masker::{Fill, FillConfig, score_in_pipeline};
use crate::scorer::Scorer;
use crate::segmentation::Segmentation;
use tinylsa_shape::ImageShape;

const TIES: Purpose = Purpose::new("order of equal relevances");

/// In what the scores of a class are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreScale {
    /// The scorer's own numbers, logits as a rule.
    #[default]
    Logits,
    /// Their softmax over the classes.
    Probabilities,
}

/// What stands for missing pixels when an explanation is scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// Black. Weak where the background is black too: removing it changes nothing.
    #[default]
    Black,
    /// The mean of the data set.
    Mean,
    /// The image itself behind a Gaussian blur.
    Blur,
}

impl Baseline {
    /// The fill that makes it. [`FillConfig::validate_for`] says beforehand whether a config gives what the fill needs.
    pub fn fill(self) -> Fill {
        match self {
            Self::Black => Fill::Black,
            Self::Mean => Fill::DatasetMean,
            Self::Blur => Fill::Blur,
        }
    }

    /// The image that stands for missing pixels.
    fn image(self, image: &Image, fill: &FillConfig, execution: &Execution) -> Result<Image, ExplainError> {
        let ImageShape { height, width, .. } = image.shape();
        let whole = Segmentation::grid(height, width, 1, 1)?;
        let mut images = FillConfig { kind: self.fill(), ..fill.clone() }.replacements(image, &whole, execution)?;
        images.pop().ok_or(ExplainError::Empty { what: "list of baselines" })
    }
}

/// What the scores that probe a model need beside an explanation: the model, the image, the class it was explained
/// for, on which scale the class is scored, and what stands for missing pixels.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a, S: ?Sized> {
    /// The model.
    pub scorer: &'a S,
    /// The image.
    pub image: &'a Image,
    /// What was explained.
    pub target: Target,
    /// Logits or probabilities.
    pub scale: ScoreScale,
    /// What stands for missing pixels.
    pub baseline: Baseline,
    /// Black, mean and blur in the units of the image; its `kind` is not used.
    pub fill: &'a FillConfig,
    /// Batch size, seed and cancellation.
    pub execution: &'a Execution,
}

impl<S: Scorer + ?Sized> Probe<'_, S> {
    /// The number of pixels.
    pub(super) fn pixels(&self) -> usize {
        let ImageShape { height, width, .. } = self.image.shape();
        height * width
    }

    pub(super) fn baseline_image(&self) -> Result<Image, ExplainError> {
        self.baseline.image(self.image, self.fill, self.execution)
    }

    /// How far the class score falls when the pixels of each region in turn are replaced by the baseline, each time in the
    /// untouched image.
    ///
    /// # Errors
    /// As [`class_scores`](Self::class_scores).
    pub(super) fn falls<'r, R: Sync, P: Iterator<Item = usize>>(
        &self,
        baseline: &Image,
        regions: &'r [R],
        pixels: impl Fn(&'r R) -> P + Sync,
    ) -> Result<Vec<f64>, ExplainError> {
        let plane = self.pixels();
        let scores = self.class_scores(regions.len() + 1, |row, values| {
            values.copy_from_slice(self.image.values());
            if row > 0 {
                for pixel in pixels(&regions[row - 1]) {
                    for value in (pixel..values.len()).step_by(plane) {
                        values[value] = baseline.values()[value];
                    }
                }
            }
        })?;
        Ok(scores[1..].iter().map(|score| scores[0] - score).collect())
    }

    /// The class scores of `count` images, on the scale that was asked for.
    ///
    /// # Errors
    /// If the scorer is not stable, the class does not exist, its probability is 1 whatever the image because no other
    /// class has a score, the call is cancelled, or a score is not finite.
    pub(super) fn class_scores(
        &self,
        count: usize,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Result<Vec<f64>, ExplainError> {
        let own = check_scorer(self.scorer, self.image, self.execution)?;
        let explained = self.target.resolve(&own)?;
        let mut scores = Vec::with_capacity(count);
        let mut has_rival = false;
        let shape = self.image.shape();
        let classes = score_in_pipeline(self.scorer, shape, count, self.execution, fill, |_, row| {
            let score = explained.of(row)?;
            has_rival |= row.iter().enumerate().any(|(class, score)| class != explained.class && score.is_finite());
            scores.push(match self.scale {
                ScoreScale::Logits => score,
                ScoreScale::Probabilities => {
                    probability(row, explained.class) - explained.against.map_or(0.0, |other| probability(row, other))
                }
            });
            Ok(())
        })?;
        require_count("list of classes", classes, own.classes())?;
        if self.scale == ScoreScale::Probabilities && !has_rival {
            let reason = "it is 1 for every image, since no other class has a score: score the logits";
            return Err(ExplainError::Undefined { what: "the probability of the class", reason });
        }
        Ok(scores)
    }

    /// The pixels by falling relevance; equal ones in an order drawn from the seed, so that a flat map is not scored
    /// for the order of its pixels.
    pub(super) fn by_relevance(&self, map: &[f64]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..map.len()).collect();
        order.shuffle(&mut Draw { seed: self.execution.seed, purpose: TIES, epoch: 0, index: 0 }.generator());
        order.sort_by(|&a, &b| map[b].total_cmp(&map[a]));
        order
    }
}

/// Requires a finite relevance for every pixel and returns them in f64.
pub(super) fn relevances(map: &[f32], pixels: usize) -> Result<Vec<f64>, ExplainError> {
    require_count("the relevance map", map.len(), pixels)?;
    require_finite("the relevance map", map)?;
    // Adding 0 makes a negative zero a positive one, so that the two are ties.
    Ok(map.iter().map(|&value| f64::from(value) + 0.0).collect())
}

/// Copies from `source` the pixels for which `chosen` is true, in every channel.
pub(super) fn copy_pixels(values: &mut [f32], source: &Image, chosen: impl Fn(usize) -> bool) {
    let ImageShape { height, width, .. } = source.shape();
    let planes = source.values().chunks_exact(height * width);
    for (values, source) in values.chunks_exact_mut(height * width).zip(planes) {
        for (pixel, (value, &source)) in values.iter_mut().zip(source).enumerate() {
            if chosen(pixel) {
                *value = source;
            }
        }
    }
}

/// The softmax of the scores at one class.
fn probability(scores: &[f32], class: usize) -> f64 {
    let sum: f64 = scores.iter().map(|&score| (f64::from(score) - f64::from(scores[class])).exp()).sum();
    1.0 / sum
}
