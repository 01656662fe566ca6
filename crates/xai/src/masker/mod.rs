//! Pictures with some of their segments hidden.
//!
//! What is put in place of a hidden segment is taken from a *replacement* picture of the same shape: its mean, black, a
//! blurred copy, noise, or pictures of a given background set. With several replacements the value of a coalition is
//! the mean of the scores over all of them, which is the interventional expectation of Lundberg and Lee 2017
//! (equation 11).

mod coalitions;
mod fill;
mod pipeline;

use rayon::prelude::*;

pub use coalitions::{CoalitionValues, Coalitions, EvaluatedGame};
pub use fill::{Fill, FillConfig};
pub(crate) use fill::{channel_value, gaussian_blur};
pub(crate) use pipeline::score_in_pipeline;

use crate::attribution::{Attribution, Target};
use crate::error::{ExplainError, require_count, require_index, require_shape};
use crate::execution::Execution;
use crate::picture::Picture;
use crate::scorer::Scorer;
use crate::segmentation::Segmentation;

/// A picture, its segments, and what stands in for them when they are hidden.
#[derive(Clone, Debug)]
pub struct Masker {
    picture: Picture,
    segmentation: Segmentation,
    replacements: Vec<Picture>,
}

impl Masker {
    /// Hides segments behind what `fill` makes of the picture.
    ///
    /// # Errors
    /// If the segmentation is of another size than the picture, or the fill does not fit its channels.
    pub fn new(
        picture: Picture,
        segmentation: Segmentation,
        fill: &FillConfig,
        seed: u64,
    ) -> Result<Self, ExplainError> {
        require_size(&picture, &segmentation)?;
        let replacements = fill.replacements(&picture, &segmentation, seed)?;
        Self::with_backgrounds(picture, segmentation, replacements)
    }

    /// Hides segments behind the same pixels of each background in turn, and averages the scores.
    ///
    /// # Errors
    /// If there is no background, or a shape differs.
    pub fn with_backgrounds(
        picture: Picture,
        segmentation: Segmentation,
        backgrounds: Vec<Picture>,
    ) -> Result<Self, ExplainError> {
        require_size(&picture, &segmentation)?;
        if backgrounds.is_empty() {
            return Err(ExplainError::Empty { what: "background set" });
        }
        for background in &backgrounds {
            require_shape("a background", &background.shape(), &picture.shape())?;
        }
        Ok(Self { picture, segmentation, replacements: backgrounds })
    }

    /// The picture that is explained.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// The segments, one for each player.
    pub fn segmentation(&self) -> &Segmentation {
        &self.segmentation
    }

    /// What stands in for hidden pixels.
    pub fn replacements(&self) -> &[Picture] {
        &self.replacements
    }

    /// The segments that look the same hidden and shown, such as a flat region under its own mean. Their attribution
    /// is 0 whatever the model sees in them.
    pub fn inert_segments(&self) -> Vec<usize> {
        let mut inert = vec![true; self.segmentation.count()];
        for replacement in &self.replacements {
            let pairs = self.picture.values().iter().zip(replacement.values());
            for (&label, (shown, hidden)) in self.segmentation.labels().iter().cycle().zip(pairs) {
                inert[label] &= shown.to_bits() == hidden.to_bits();
            }
        }
        (0..inert.len()).filter(|&segment| inert[segment]).collect()
    }

    /// The mean scores of every coalition, `[coalitions, classes]`. Costs one forward pass for each coalition and
    /// replacement; the next batch is made while the scorer works on the present one.
    ///
    /// # Errors
    /// If the coalitions are not of this picture's segments, there are none, the call is cancelled, or the scores are
    /// not `[batch, classes]` and finite.
    pub fn values<S: Scorer + ?Sized>(
        &self,
        scorer: &S,
        coalitions: &Coalitions,
        execution: &Execution,
    ) -> Result<CoalitionValues, ExplainError> {
        require_count("a coalition", coalitions.players(), self.segmentation.count())?;
        let each = self.replacements.len();
        let mut sums: Vec<f64> = Vec::new();
        let classes = score_in_pipeline(
            scorer,
            self.picture.shape(),
            coalitions.len() * each,
            execution,
            |row, values| self.hide(coalitions.bits(row / each), &self.replacements[row % each], values),
            |row, scores| {
                if row % each == 0 {
                    sums.extend(scores.iter().copied().map(f64::from));
                } else {
                    let start = sums.len() - scores.len();
                    sums[start..].iter_mut().zip(scores).for_each(|(sum, &score)| *sum += f64::from(score));
                }
            },
        )?;
        sums.par_iter_mut().for_each(|sum| *sum /= each as f64);
        CoalitionValues::new(classes, sums)
    }

    /// An attribution of this picture in which every segment's value is shared equally by its values.
    pub(crate) fn attribution(&self, segment_values: &[f64], target: usize) -> Result<Attribution, ExplainError> {
        let shape = self.picture.shape();
        let map = self.segmentation.spread(segment_values)?;
        let channels = shape[0];
        let plane = map.iter().map(|&value| (value / channels as f64) as f32);
        let values = std::iter::repeat_n(plane, channels).flatten().collect();
        Ok(Attribution { values, shape, target })
    }

    fn hide(&self, members: &[u64], replacement: &Picture, values: &mut [f32]) {
        let labels = self.segmentation.labels();
        let planes =
            self.picture.values().chunks_exact(labels.len()).zip(replacement.values().chunks_exact(labels.len()));
        for (out, (shown, hidden)) in values.chunks_exact_mut(labels.len()).zip(planes) {
            for (((out, &shown), &hidden), &label) in out.iter_mut().zip(shown).zip(hidden).zip(labels) {
                let inside = members[label / 64] >> (label % 64) & 1 == 1;
                *out = if inside { shown } else { hidden };
            }
        }
    }
}

/// The classes that a target stands for, given the scores of the whole picture: all of them if it is `None`.
pub(crate) fn classes_of(target: Option<Target>, scores: &[f64]) -> Result<Vec<usize>, ExplainError> {
    match target {
        None => Ok((0..scores.len()).collect()),
        Some(Target::Class(class)) => require_index("class", class, scores.len()).map(|()| vec![class]),
        Some(Target::Predicted) => {
            Ok(vec![(1..scores.len()).fold(0, |best, class| if scores[class] > scores[best] { class } else { best })])
        }
    }
}

fn require_size(picture: &Picture, segmentation: &Segmentation) -> Result<(), ExplainError> {
    let [_, height, width] = picture.shape();
    require_shape("the segmentation", &[segmentation.height(), segmentation.width()], &[height, width])
}
