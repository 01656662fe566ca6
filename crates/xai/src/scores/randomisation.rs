use serde::{Deserialize, Serialize};
use tinylsa_shape::ImageShape;

use super::statistics::spearman;
use crate::error::{ExplainError, require_count, require_finite};
use crate::image::Image;
use crate::masker::channel_value;

/// Spearman's correlation between the magnitudes of two maps; `None` if the magnitudes of one do not vary.
///
/// # Errors
/// If the maps are empty, of different size, or not finite.
pub fn magnitude_rank_correlation(before: &[f32], after: &[f32]) -> Result<Option<f64>, ExplainError> {
    if before.is_empty() {
        return Err(ExplainError::Empty { what: "relevance map" });
    }
    require_count("the second relevance map", after.len(), before.len())?;
    require_finite("the relevance map", before)?;
    require_finite("the second relevance map", after)?;
    let magnitudes = |map: &[f32]| -> Vec<f64> { map.iter().map(|&value| f64::from(value).abs()).collect() };
    Ok(spearman(&magnitudes(before), &magnitudes(after)))
}

/// The pixels of which some channel is not black, given black as one value or one for each channel.
///
/// A map that holds the image as a factor, as Integrated Gradients over black does, is 0 on the black ground whatever the
/// model. There its correlation with another such map is of the image's making, and that on the lit pixels tells more.
///
/// # Errors
/// If the values of black are neither one nor as many as the image has channels.
#[expect(clippy::float_cmp, reason = "black is a value that is exactly equal")]
pub fn lit_pixels(image: &Image, black: &[f32]) -> Result<Vec<bool>, ExplainError> {
    let ImageShape { channels, .. } = image.shape();
    let mut lit = vec![false; image.shape().pixels()];
    for (channel, plane) in image.values().chunks_exact(lit.len()).enumerate() {
        let black = channel_value("black", black, channel, channels)?;
        for (lit, &value) in lit.iter_mut().zip(plane) {
            *lit |= value != black;
        }
    }
    Ok(lit)
}

/// How much an explanation is still like itself after layers of the model were initialised again: the magnitude of the
/// [`magnitude_rank_correlation`]. 0 is best. A negative correlation depends on the old explanation as a positive one does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Randomised {
    /// Over all pixels; `None` if the magnitudes of one of the maps do not vary.
    pub all_pixels: Option<f64>,
    /// Over the [`lit_pixels`] alone; `None` if there the magnitudes of one of the maps do not vary, or there are none.
    pub lit_pixels: Option<f64>,
}

/// Model parameter randomisation (Adebayo et al. 2018, "Sanity checks for saliency maps", section 3): how like an
/// explanation is to those of the same image and class after the top 1, 2, …, `layers` layers of the model were
/// initialised again. An explanation that depends on what was learned falls towards 0. `lit` is true for the pixels that
/// are looked at alone besides ([`lit_pixels`]).
///
/// `explain_randomised(depth)` explains the model whose top `depth` layers are random, each time starting from the
/// trained model; the cascade from the logits downwards is the caller's, who alone knows the layers.
///
/// # Errors
/// The first error of `explain_randomised`, or if a map is empty, of different size than the others or `lit`, or not
/// finite.
pub fn parameter_randomisation(
    trained: &[f32],
    lit: &[bool],
    layers: usize,
    mut explain_randomised: impl FnMut(usize) -> Result<Vec<f32>, ExplainError>,
) -> Result<Vec<Randomised>, ExplainError> {
    require_count("the list of lit pixels", lit.len(), trained.len())?;
    let where_lit =
        |map: &[f32]| -> Vec<f32> { map.iter().zip(lit).filter(|(_, lit)| **lit).map(|(value, _)| *value).collect() };
    let of_depth = |depth| {
        let changed = explain_randomised(depth)?;
        let all_pixels = magnitude_rank_correlation(trained, &changed)?.map(f64::abs);
        let lit_pixels = if lit.contains(&true) {
            magnitude_rank_correlation(&where_lit(trained), &where_lit(&changed))?.map(f64::abs)
        } else {
            None
        };
        Ok(Randomised { all_pixels, lit_pixels })
    };
    (1..=layers).map(of_depth).collect()
}
