//! Medians, means and their spread.

use serde::Serialize;

/// A median, and the smallest and the largest of the values that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The value in the middle, or the mean of the two there.
    pub median: f64,
    /// The smallest value.
    pub least: f64,
    /// The largest value.
    pub most: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let sorted = sorted(values);
        Self { median: percentile(&sorted, 0.5), least: percentile(&sorted, 0.0), most: percentile(&sorted, 1.0) }
    }

    /// With a function applied to all three.
    #[must_use]
    pub fn map(self, function: impl Fn(f64) -> f64) -> Self {
        Self { median: function(self.median), least: function(self.least), most: function(self.most) }
    }
}

/// The mean of several values and their standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanAndDeviation {
    /// How many values there are.
    pub count: usize,
    /// 0 of none.
    pub mean: f64,
    /// Sample standard deviation; none of fewer than two values.
    pub deviation: Option<f64>,
}

impl MeanAndDeviation {
    /// Of these values.
    pub fn of(values: &[f64]) -> Self {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count.max(1) as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { count, mean, deviation: (count > 1).then(|| (squares / (count - 1) as f64).sqrt()) }
    }
}

/// The values in ascending order.
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value below which lies this share of the sorted values, between two of them in proportion; NaN of none.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_with_the_extremes() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert_eq!(Spread::of([7.0]), Spread { median: 7.0, least: 7.0, most: 7.0 });
    }

    #[test]
    fn several_values_have_a_mean_and_a_deviation_and_one_has_none() {
        let over = MeanAndDeviation::of(&[0.90, 0.92, 0.94]);
        assert!((over.mean - 0.92).abs() < 1e-12 && (over.deviation.unwrap() - 0.02).abs() < 1e-12);
        assert_eq!(MeanAndDeviation::of(&[0.9]), MeanAndDeviation { count: 1, mean: 0.9, deviation: None });
        assert_eq!(MeanAndDeviation::of(&[]), MeanAndDeviation { count: 0, mean: 0.0, deviation: None });
    }

    #[test]
    fn percentiles_lie_between_two_values_in_proportion() {
        let values = sorted((0..=20).map(f64::from));
        assert!((percentile(&values, 0.95) - 19.0).abs() < 1e-12);
        assert!((percentile(&[1.0, 3.0], 0.25) - 1.5).abs() < 1e-12);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
