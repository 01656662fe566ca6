use rand::RngExt;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};

use crate::error::{ExplainError, require_count, require_finite};
use crate::execution::Execution;
use crate::image::Image;

const SHIFT: Purpose = Purpose::new("max sensitivity shift");

/// Beyond any unit that images are measured in, and far from where twice the radius overflows.
const LARGEST_RADIUS: f32 = 1e6;

/// Settings of max-sensitivity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaxSensitivityConfig {
    /// The largest change of a value, in units of the image; at most a million.
    pub radius: f32,
    /// How many changed images are explained.
    pub draws: usize,
}

impl Default for MaxSensitivityConfig {
    /// Ten draws within 0.02, as in Captum.
    fn default() -> Self {
        Self { radius: 0.02, draws: 10 }
    }
}

impl MaxSensitivityConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("radius", self.radius, f32::MIN_POSITIVE..=LARGEST_RADIUS)?;
        require_within("draws", self.draws, 1..=1_000_000)
    }
}

/// Max-sensitivity (Yeh et al. 2019, definition 3.1): the largest relative change `‖a(x′) − a(x)‖ / ‖a(x)‖` of an
/// explanation over images `x′` whose values differ from those of `x` by independent uniform amounts within the
/// radius. Lower is better; `None` if the explanation of the image itself is 0 everywhere.
///
/// `explain` is the method under test, with its seed held fixed and for the class that is explained for `x`. It is
/// called `draws + 1` times.
///
/// # Errors
/// The first error of `explain`, or if a setting is out of range, a map is not finite, their sizes differ, or the call
/// is cancelled.
pub fn max_sensitivity(
    image: &Image,
    config: &MaxSensitivityConfig,
    execution: &Execution,
    mut explain: impl FnMut(&Image) -> Result<Vec<f32>, ExplainError>,
) -> Result<Option<f64>, ExplainError> {
    config.validate()?;
    let original = explain(image)?;
    require_finite("the relevance map", &original)?;
    let norm = original.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    if norm == 0.0 {
        return Ok(None);
    }
    let mut largest = 0.0_f64;
    for index in 0..config.draws {
        execution.cancellation.check("explanations of changed images", index, config.draws)?;
        let draw = Draw { seed: execution.seed, purpose: SHIFT, epoch: 0, index: index as u64 };
        let mut generator = draw.generator();
        let shifted = image.values().iter().map(|value| value + generator.random_range(-config.radius..=config.radius));
        let changed = explain(&Image::new(shifted.collect(), image.shape())?)?;
        require_count("the relevance map of a changed image", changed.len(), original.len())?;
        require_finite("the relevance map of a changed image", &changed)?;
        let square = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
        let distance = changed.iter().zip(&original).map(square).sum::<f64>().sqrt();
        largest = largest.max(distance / norm);
    }
    Ok(Some(largest))
}
