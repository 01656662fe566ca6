//! Images with some of their segments hidden.
//!
//! What is put in place of a hidden segment is taken from a *replacement* image of the same shape: its mean, black, a
//! blurred copy, noise, or images of a given background set. With several replacements the value of a coalition is
//! the mean of the scores over all of them, which is the interventional expectation of Lundberg and Lee 2017
//! (equation 11).

mod coalitions;
mod fill;
mod game;
mod pipeline;
mod sampling;

pub(crate) use coalitions::words_each;
pub use coalitions::{CoalitionValues, Coalitions, EvaluatedGame};
pub use fill::{Fill, FillConfig};
pub(crate) use fill::{channel_value, gaussian_blur, require_channel_values, require_given, require_no_negative};
pub use game::ExplainedValues;
pub(crate) use game::{Game, Players};
pub(crate) use pipeline::score_in_pipeline;
pub use sampling::Sampling;
pub(crate) use sampling::{
    DEFAULT_TOLERANCE, Sampled, SampledPlan, growing, relative_standard_error, require_tolerance, sample,
};

use crate::attribution::{Attribution, ExplainedScore};
use crate::error::{ExplainError, require_shape};
use crate::execution::Execution;
use crate::image::Image;
use crate::segmentation::Segmentation;
use tinylsa_shape::ImageShape;

/// An image, its segments, and what stands in for them when they are hidden.
#[derive(Clone, Debug)]
pub struct Masker {
    image: Image,
    segmentation: Segmentation,
    replacements: Vec<Image>,
}

impl Masker {
    /// Hides segments behind what `fill` makes of the image; noise is drawn from the seed of the execution.
    ///
    /// # Errors
    /// If the segmentation is of another size than the image, the fill does not fit its channels or would take more
    /// memory than is allowed, or the call is cancelled.
    pub fn new(
        image: Image,
        segmentation: Segmentation,
        fill: &FillConfig,
        execution: &Execution,
    ) -> Result<Self, ExplainError> {
        require_size(&image, &segmentation)?;
        let replacements = fill.replacements(&image, &segmentation, execution)?;
        Self::with_backgrounds(image, segmentation, replacements)
    }

    /// Hides segments behind the same pixels of each background in turn, and averages the scores.
    ///
    /// # Errors
    /// If there is no background, or a shape differs.
    pub fn with_backgrounds(
        image: Image,
        segmentation: Segmentation,
        backgrounds: Vec<Image>,
    ) -> Result<Self, ExplainError> {
        require_size(&image, &segmentation)?;
        if backgrounds.is_empty() {
            return Err(ExplainError::Empty { what: "background set" });
        }
        for background in &backgrounds {
            require_shape("a background", &background.shape().dims(), &image.shape().dims())?;
        }
        Ok(Self { image, segmentation, replacements: backgrounds })
    }

    /// The image that is explained.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The segments, one for each player.
    pub fn segmentation(&self) -> &Segmentation {
        &self.segmentation
    }

    /// What stands in for hidden pixels.
    pub fn replacements(&self) -> &[Image] {
        &self.replacements
    }

    /// The segments that look the same hidden and shown, such as a flat region under its own mean. Their value is 0
    /// whatever the model sees in them, and the methods leave them out of the game.
    pub fn inert_segments(&self) -> Vec<usize> {
        let mut inert = vec![true; self.segmentation.count()];
        for replacement in &self.replacements {
            let pairs = self.image.values().iter().zip(replacement.values());
            for (&label, (shown, hidden)) in self.segmentation.labels().iter().cycle().zip(pairs) {
                inert[label] &= shown.to_bits() == hidden.to_bits();
            }
        }
        (0..inert.len()).filter(|&segment| inert[segment]).collect()
    }

    /// An attribution of this image in which every segment's value is shared equally by its values.
    pub(crate) fn attribution(
        &self,
        segment_values: &[f64],
        target: ExplainedScore,
    ) -> Result<Attribution, ExplainError> {
        let shape = self.image.shape();
        let map = self.segmentation.spread(segment_values)?;
        let channels = shape.channels;
        let plane = map.iter().map(|&value| (value / channels as f64) as f32);
        let values = std::iter::repeat_n(plane, channels).flatten().collect();
        Ok(Attribution { values, shape, target })
    }
}

fn require_size(image: &Image, segmentation: &Segmentation) -> Result<(), ExplainError> {
    let ImageShape { height, width, .. } = image.shape();
    require_shape("the segmentation", &[segmentation.height(), segmentation.width()], &[height, width])
}
