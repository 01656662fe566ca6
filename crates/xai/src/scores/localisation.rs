use crate::error::{ExplainError, require_count, require_finite};

/// Requires a finite relevance for every pixel of a mask that holds at least one pixel and not all of them.
fn require_mask(map: &[f32], mask: &[bool]) -> Result<(), ExplainError> {
    require_count("the truth mask", mask.len(), map.len())?;
    require_finite("the relevance map", map)?;
    if !mask.contains(&true) {
        return Err(ExplainError::Empty { what: "truth mask" });
    }
    if !mask.contains(&false) {
        let reason = "the truth mask holds every pixel, so that no map could miss it";
        return Err(ExplainError::Undefined { what: "localisation", reason });
    }
    Ok(())
}

/// The pointing game (Zhang et al. 2016, "Top-down neural attention by excitation backprop"): 1 if the most relevant
/// pixel lies inside the truth mask and 0 if not; where several are equally relevant, the share of them inside.
///
/// # Errors
/// If the mask holds no pixel or all of them or does not fit the map, or the map is not finite.
#[expect(clippy::float_cmp, reason = "ties are values that are exactly equal")]
pub fn pointing_game(map: &[f32], mask: &[bool]) -> Result<f64, ExplainError> {
    require_mask(map, mask)?;
    let largest = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let tops = || map.iter().zip(mask).filter(|(value, _)| **value == largest);
    Ok(tops().filter(|(_, inside)| **inside).count() as f64 / tops().count() as f64)
}

/// Relevance rank accuracy (Arras, Osman and Samek 2022, "CLEVR-XAI", equation 2): the share of the `K` most relevant
/// pixels that lie inside a truth mask of `K` pixels; the mean over all orders of equally relevant pixels.
///
/// # Errors
/// If the mask holds no pixel or all of them or does not fit the map, or the map is not finite.
#[expect(clippy::float_cmp, reason = "ties are values that are exactly equal")]
pub fn relevance_rank_accuracy(map: &[f32], mask: &[bool]) -> Result<f64, ExplainError> {
    require_mask(map, mask)?;
    let size = mask.iter().filter(|inside| **inside).count();
    let mut sorted = map.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let last = sorted[size - 1];
    let inside_where = |holds: &dyn Fn(f32) -> bool| {
        map.iter().zip(mask).filter(|(value, inside)| **inside && holds(**value)).count() as f64
    };
    let above = map.iter().filter(|value| **value > last).count();
    let tied = map.iter().filter(|value| **value == last).count();
    let chosen_of_tied = (size - above) as f64 / tied as f64;
    let hits = inside_where(&|value| value > last) + chosen_of_tied * inside_where(&|value| value == last);
    Ok(hits / size as f64)
}

/// Relevance mass accuracy (Arras, Osman and Samek 2022, equation 1): the share of the positive relevance that lies
/// inside the truth mask. `None` if there is no positive relevance.
///
/// # Errors
/// If the mask holds no pixel or all of them or does not fit the map, or the map is not finite.
pub fn relevance_mass_accuracy(map: &[f32], mask: &[bool]) -> Result<Option<f64>, ExplainError> {
    require_mask(map, mask)?;
    let positive = |value: &f32| f64::from(value.max(0.0));
    let total: f64 = map.iter().map(positive).sum();
    let inside: f64 = map.iter().zip(mask).filter(|(_, inside)| **inside).map(|(value, _)| positive(value)).sum();
    Ok((total > 0.0).then(|| inside / total))
}
