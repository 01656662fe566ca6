//! Scores with their intervals, and how they are written.

use serde::{Deserialize, Serialize};

use crate::ReportError;

/// A score with the interval that it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The score.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// Fails on a NaN, an infinite number or ends in the wrong order.
    pub(crate) fn check(&self, figure: &'static str, position: &str) -> Result<(), ReportError> {
        for value in [self.value, self.low, self.high] {
            if !value.is_finite() {
                return Err(ReportError::NotFinite { figure, position: position.to_owned(), value });
            }
        }
        if self.low > self.high {
            return Err(ReportError::OutOfRange {
                figure,
                position: format!("lower end of {position}"),
                value: self.low,
                low: f64::NEG_INFINITY,
                high: self.high,
            });
        }
        Ok(())
    }
}

/// How many digits all numbers of a column or chart have, so that they can be compared at a glance.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Precision {
    Decimals(usize),
    Scientific,
}

impl Precision {
    /// About three digits for the largest of the estimates.
    pub(crate) fn of<'a>(estimates: impl IntoIterator<Item = &'a Estimate>) -> Self {
        let ends = estimates.into_iter().flat_map(|estimate| [estimate.value, estimate.low, estimate.high]);
        let largest = ends.map(f64::abs).fold(0.0, f64::max);
        if largest == 0.0 {
            return Self::Decimals(0);
        }
        let power = largest.log10().floor();
        if (-3.0..5.0).contains(&power) {
            Self::Decimals((2.0 - power).clamp(0.0, 5.0) as usize)
        } else {
            Self::Scientific
        }
    }

    /// Value and interval.
    pub(crate) fn estimate(self, estimate: &Estimate) -> String {
        let text = |value: f64| match self {
            Self::Decimals(decimals) => format!("{value:.decimals$}"),
            Self::Scientific => format!("{value:.1e}"),
        };
        format!("{} [{}, {}]", text(estimate.value), text(estimate.low), text(estimate.high))
    }
}
