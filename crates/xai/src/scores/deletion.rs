use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};

use super::probe::{Probe, copy_pixels, relevances};
use super::statistics::trapezoid;
use crate::error::ExplainError;
use crate::scorer::Scorer;

/// Settings of deletion and insertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeletionConfig {
    /// In how many equal steps the pixels are replaced or revealed, at least 2: after a single step all of them are, and
    /// every map has the same curve.
    pub steps: usize,
}

impl Default for DeletionConfig {
    /// 28 steps, of 28 pixels each on a 28 x 28 image.
    fn default() -> Self {
        Self { steps: 28 }
    }
}

impl DeletionConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("steps", self.steps, 2..=100_000)
    }
}

/// The class score while the most relevant pixels are replaced by the baseline, and while they are revealed on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeletionInsertion {
    /// The class score after each step of deletion, the whole image first.
    pub deletion: Vec<f64>,
    /// The class score after each step of insertion, the baseline first.
    pub insertion: Vec<f64>,
    /// Area under the deletion curve over fractions of pixels, by the trapezoid rule. Lower is better.
    pub deletion_area: f64,
    /// Area under the insertion curve. Higher is better.
    pub insertion_area: f64,
}

/// Deletion and insertion (Petsiuk, Das and Saenko 2018, "RISE", section 4.3) of a relevance map `[height, width]`.
/// Costs `2 (steps + 1)` forward passes.
///
/// # Errors
/// If the map does not fit the image or is not finite, the image has a single pixel, a setting is out of range, the
/// class does not exist, the scorer gives the image other scores in another batch, the call is cancelled, or the scores
/// are not `[batch, classes]` or those of the class not finite.
pub fn deletion_insertion<S: Scorer + ?Sized>(
    probe: &Probe<'_, S>,
    map: &[f32],
    config: &DeletionConfig,
) -> Result<DeletionInsertion, ExplainError> {
    config.validate()?;
    let map = relevances(map, probe.pixels())?;
    let baseline = probe.baseline_image()?;
    let (image, pixels) = (probe.image, probe.pixels());
    if pixels < 2 {
        let reason = "the image has a single pixel, which leaves no order to score";
        return Err(ExplainError::Undefined { what: "deletion and insertion", reason });
    }
    let mut place = vec![0; pixels];
    for (rank, pixel) in probe.by_relevance(&map).into_iter().enumerate() {
        place[pixel] = rank;
    }
    let points = config.steps + 1;
    let scores = probe.class_scores(2 * points, |row, values| {
        let moved = (row % points) as u128 * pixels as u128 / config.steps as u128;
        let moved = moved as usize;
        let (under, over) = if row < points { (image, &baseline) } else { (&baseline, image) };
        values.copy_from_slice(under.values());
        copy_pixels(values, over, |pixel| place[pixel] < moved);
    })?;
    let (deletion, insertion) = scores.split_at(points);
    Ok(DeletionInsertion {
        deletion_area: trapezoid(deletion),
        insertion_area: trapezoid(insertion),
        deletion: deletion.to_vec(),
        insertion: insertion.to_vec(),
    })
}
