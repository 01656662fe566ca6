use serde::{Deserialize, Serialize};
use tinylsa_settings::require_within;

use super::student::student_quantile;
use crate::error::{ExplainError, require_count, require_finite};

/// Skewness below this is treated by the first terms of its series, which are then exact to eleven digits.
const SMALL_SKEWNESS: f64 = 1e-5;

/// A spread below this share of the largest score is what rounding leaves of scores that are all the same.
const NO_SPREAD: f64 = 1e-12;

/// The mean of a score over images, and where the true mean probably lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanInterval {
    /// The mean over the images.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The level that was asked for: how often the interval is meant to cover the true mean.
    pub level: f64,
    /// How many images there are.
    pub count: usize,
}

impl MeanInterval {
    /// The part of the interval that lies within what the score can be, such as [`ScoreKind::bounds`](crate::ScoreKind::bounds):
    /// no true mean lies beyond.
    #[must_use]
    pub fn within(self, [least, largest]: [f64; 2]) -> Self {
        Self { low: self.low.max(least), high: self.high.min(largest), ..self }
    }

    /// Whether the true mean is probably not this value: the interval leaves it out.
    ///
    /// A single score never says so. Scores that are all the same have no spread to go by and an interval without width;
    /// they say so if as many coins would fall on the same side with a probability of at most `1 − level` (the sign
    /// test; six scores at 95 %).
    pub fn excludes(&self, value: f64) -> bool {
        if (self.low..=self.high).contains(&value) || self.count < 2 {
            return false;
        }
        let all_on_one_side = 2.0 * 0.5_f64.powi(self.count.min(1000) as i32);
        self.low < self.high || all_on_one_side <= 1.0 - self.level
    }
}

/// The mean of the scores of several images, with its interval by Student's t after Hall's removal of the skewness (Hall
/// 1992, "On the removal of skewness by transformation", Journal of the Royal Statistical Society B 54, equation 2.3).
///
/// With *m* the mean, *s* the standard deviation, *γ* = m₃ / m₂^1.5 the skewness of *n* scores, and *t* the quantile of
/// Student's distribution, the ends are *m* − *s* *h*(± *t* / √*n*), where *h*(x) = 3 ((1 + *γ* (x − *γ* / 6n))^⅓ − 1) / *γ*
/// undoes the cubic that makes the studentised mean symmetric; *h*(x) = x for *γ* = 0. The degrees of freedom of *t* are
/// *n* − 2, since one is spent on the mean and one on the skewness; of two scores, which have no skewness, 1. Nothing is
/// drawn. The page on scores has the coverage, and that of the intervals that were not chosen.
///
/// The ends of a single score, and of scores that are all the same, are the mean: see [`MeanInterval::excludes`].
///
/// # Errors
/// If there are no scores, one is not finite or so large that their powers are not, or `level` lies outside 0.5 to 0.9999.
pub fn mean_interval(scores: &[f64], level: f64) -> Result<MeanInterval, ExplainError> {
    require_within("level", level, 0.5..=0.9999)?;
    if scores.is_empty() {
        return Err(ExplainError::Empty { what: "list of scores" });
    }
    require_finite("the list of scores", scores)?;
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let moment = |power: i32| scores.iter().map(|score| (score - mean).powi(power)).sum::<f64>() / n;
    let variance = moment(2);
    let largest = scores.iter().fold(0.0_f64, |largest, score| largest.max(score.abs()));
    let interval = |low, high| MeanInterval { mean, low, high, level, count: scores.len() };
    if variance.sqrt() <= NO_SPREAD * largest {
        return Ok(interval(mean, mean));
    }
    let deviation = (variance * n / (n - 1.0)).sqrt();
    let (skewness, freedom) = match scores.len() {
        2 => (0.0, 1),
        count => (moment(3) / variance.powf(1.5), count - 2),
    };
    let end = student_quantile(f64::midpoint(1.0, level), freedom) / n.sqrt();
    let symmetric = |x: f64| {
        let x = x - skewness / (6.0 * n);
        if skewness.abs() < SMALL_SKEWNESS {
            return x - skewness * x * x / 3.0;
        }
        3.0 * ((1.0 + skewness * x).cbrt() - 1.0) / skewness
    };
    let (low, high) = (mean - deviation * symmetric(end), mean - deviation * symmetric(-end));
    require_finite("the interval of the mean", &[low, high])?;
    Ok(interval(low, high))
}

/// The mean difference `first − second` of two lists of scores over the images that have both, with its interval; `None`
/// if no image has both. It tells more than two intervals side by side: what makes an image hard for both cancels.
///
/// # Errors
/// If the lists have different lengths, a score is not finite, or `level` lies outside 0.5 to 0.9999.
pub fn paired_difference(
    first: &[Option<f64>],
    second: &[Option<f64>],
    level: f64,
) -> Result<Option<MeanInterval>, ExplainError> {
    require_count("the second list of scores", second.len(), first.len())?;
    let difference = |(first, second): (&Option<f64>, &Option<f64>)| Some((*first)? - (*second)?);
    let differences: Vec<f64> = first.iter().zip(second).filter_map(difference).collect();
    if differences.is_empty() {
        return Ok(None);
    }
    mean_interval(&differences, level).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
    }

    #[test]
    fn an_interval_ends_where_the_score_does() {
        let wide = mean_interval(&[0.0, 0.9, 0.1, 0.05], 0.95).unwrap();
        assert!(wide.low < 0.0 || wide.high > 1.0, "{wide:?}");
        let found = wide.clone().within(crate::ScoreKind::ParameterRandomisation.bounds());
        assert!((0.0..=found.mean).contains(&found.low) && (found.mean..=1.0).contains(&found.high), "{found:?}");
        assert_eq!(wide.clone().within(crate::ScoreKind::DeletionArea.bounds()), wide);
    }

    #[test]
    fn symmetric_scores_have_the_interval_of_student() {
        // mean 3, deviation √2.5, t = 3.1824463052837078 with three degrees of freedom
        let found = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        let half = 3.182_446_305_283_707_8 * 2.5_f64.sqrt() / 5.0_f64.sqrt();
        close(found.low, 3.0 - half);
        close(found.high, 3.0 + half);
        // two scores: t = 12.706204736174694
        let found = mean_interval(&[0.0, 2.0], 0.95).unwrap();
        close(found.high, 1.0 + 12.706_204_736_174_694);
    }

    #[test]
    fn skewed_scores_have_the_longer_end_where_the_tail_is() {
        let scores = [0.0, 0.1, 0.1, 0.2, 1.6];
        let found = mean_interval(&scores, 0.95).unwrap();
        assert!(found.high - found.mean > 2.0 * (found.mean - found.low), "{found:?}");
        let mirrored = mean_interval(&scores.map(|score| -score), 0.95).unwrap();
        close(mirrored.low, -found.high);
        close(mirrored.high, -found.low);
        let scaled = mean_interval(&scores.map(|score| 1e6 * score + 3.0), 0.95).unwrap();
        assert!((scaled.high / 1e6 - found.high).abs() < 1e-5, "{scaled:?}");
    }

    #[test]
    fn the_series_for_a_small_skewness_meets_the_formula() {
        // the skewness crosses the threshold somewhere between these
        let high = |shift: f64| mean_interval(&[-1.0, 0.0, 1.0 + shift], 0.9).unwrap().high;
        let ends: Vec<f64> = (0..8).map(|step| high(f64::from(step) * 1e-6)).collect();
        for pair in ends.windows(3) {
            close(pair[1] - pair[0], pair[2] - pair[1]);
        }
    }

    #[test]
    fn one_score_and_equal_scores_have_no_width() {
        let one = mean_interval(&[0.3], 0.95).unwrap();
        assert!(one.low.to_bits() == one.high.to_bits() && !one.excludes(0.0));
        let equal = |count: usize| mean_interval(&vec![0.1; count], 0.95).unwrap();
        assert!(equal(5).low.to_bits() == equal(5).high.to_bits());
        assert!(!equal(5).excludes(0.0) && equal(6).excludes(0.0) && !equal(6).excludes(equal(6).mean));
        let spread = mean_interval(&[1.0, 1.1, 0.9], 0.95).unwrap();
        assert!(spread.excludes(0.0) && !spread.excludes(1.05));
    }

    #[test]
    fn differences_are_taken_where_both_are_there() {
        let (first, second) = ([Some(1.0), None, Some(3.0), Some(2.0)], [Some(0.5), Some(9.0), None, Some(1.0)]);
        let found = paired_difference(&first, &second, 0.95).unwrap().unwrap();
        assert_eq!((found.count, found.mean.to_bits()), (2, 0.75_f64.to_bits()));
        assert_eq!(paired_difference(&first[1..2], &second[1..2], 0.95), Ok(None));
        assert!(matches!(paired_difference(&first, &[], 0.95), Err(ExplainError::ValueCount { .. })));
    }
}
