//! Medians and their spread.

use serde::Serialize;

/// A median, and the smallest and the largest of the values that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let sorted = sorted(values);
        Self { median: percentile(&sorted, 0.5), least: percentile(&sorted, 0.0), most: percentile(&sorted, 1.0) }
    }

    pub(crate) fn map(self, function: impl Fn(f64) -> f64) -> Self {
        Self { median: function(self.median), least: function(self.least), most: function(self.most) }
    }
}

pub(crate) fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value below which lies this share of the sorted values, between two of them in proportion; NaN of none.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
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
    fn percentiles_lie_between_two_values_in_proportion() {
        let values = sorted((0..=20).map(f64::from));
        assert!((percentile(&values, 0.95) - 19.0).abs() < 1e-12);
        assert!((percentile(&[1.0, 3.0], 0.25) - 1.5).abs() < 1e-12);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
