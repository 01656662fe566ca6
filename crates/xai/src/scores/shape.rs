use crate::error::{ExplainError, require_finite};

/// How far a score computed in f32 may be off, relative to its own size.
const ROUNDING: f64 = 1e-6;

/// The magnitudes of a map that is finite and not empty.
fn magnitudes(map: &[f32]) -> Result<Vec<f64>, ExplainError> {
    if map.is_empty() {
        return Err(ExplainError::Empty { what: "relevance map" });
    }
    require_finite("the relevance map", map)?;
    Ok(map.iter().map(|&value| f64::from(value).abs()).collect())
}

/// Sparseness (Chalasani et al. 2020, "Concise explanations of neural networks using adversarial training"): the Gini
/// index of the magnitudes, 0 if all are the same and `1 − 1/n` if all but one of `n` are 0. Higher is sparser. `None`
/// if all are 0.
///
/// # Errors
/// If the map is empty or not finite.
pub fn sparseness(map: &[f32]) -> Result<Option<f64>, ExplainError> {
    let mut sorted = magnitudes(map)?;
    sorted.sort_by(f64::total_cmp);
    let total: f64 = sorted.iter().sum();
    let count = sorted.len() as f64;
    let lorenz: f64 = sorted.iter().enumerate().map(|(place, value)| value * (count - place as f64 - 0.5)).sum();
    Ok((total > 0.0).then(|| 1.0 - 2.0 * lorenz / (total * count)))
}

/// Complexity (Bhatt, Weller and Moura 2020, definition 4): the entropy in nats of the magnitudes as shares of their
/// sum, 0 if all but one are 0 and `ln n` if all are the same. Lower is simpler. `None` if all are 0.
///
/// # Errors
/// If the map is empty or not finite.
pub fn complexity(map: &[f32]) -> Result<Option<f64>, ExplainError> {
    let magnitudes = magnitudes(map)?;
    let total: f64 = magnitudes.iter().sum();
    let term = |share: f64| if share > 0.0 { -share * share.ln() } else { 0.0 };
    Ok((total > 0.0).then(|| magnitudes.iter().map(|magnitude| term(magnitude / total)).sum()))
}

/// Completeness (Sundararajan, Taly and Yan 2017, proposition 1): by how much the sum of an attribution misses the
/// difference between the score of the image and that of the baseline, relative to that difference. Lower is better.
/// `None` if the difference is 0 but for the rounding of scores in f32, a millionth of the larger one.
///
/// # Errors
/// If a number is not finite.
pub fn completeness(attribution_sum: f64, score: f64, baseline_score: f64) -> Result<Option<f64>, ExplainError> {
    require_finite("the sum and the two scores", &[attribution_sum, score, baseline_score])?;
    let difference = score - baseline_score;
    let rounding = ROUNDING * score.abs().max(baseline_score.abs());
    Ok((difference.abs() > rounding).then(|| ((attribution_sum - difference) / difference).abs()))
}
