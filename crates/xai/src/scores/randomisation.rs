use super::statistics::spearman;
use crate::error::{ExplainError, require_count, require_finite};

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

/// Model parameter randomisation (Adebayo et al. 2018, "Sanity checks for saliency maps", section 3): the
/// [`magnitude_rank_correlation`] between an explanation and those of the same image and class after the top 1, 2, …,
/// `layers` layers of the model were initialised again. An explanation that depends on what was learned falls towards 0.
///
/// `explain_randomised(depth)` explains the model whose top `depth` layers are random, each time starting from the
/// trained model; the cascade from the logits downwards is the caller's, who alone knows the layers.
///
/// # Errors
/// The first error of `explain_randomised`, or if a map is empty, of different size, or not finite.
pub fn parameter_randomisation(
    trained: &[f32],
    layers: usize,
    mut explain_randomised: impl FnMut(usize) -> Result<Vec<f32>, ExplainError>,
) -> Result<Vec<Option<f64>>, ExplainError> {
    (1..=layers).map(|depth| magnitude_rank_correlation(trained, &explain_randomised(depth)?)).collect()
}
