use serde::{Deserialize, Serialize};

/// Two-sided 95 % quantile of the normal distribution.
pub(crate) const NORMAL_QUANTILE: f64 = 1.959_963_984_540_054;

/// A figure and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The figure itself.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A share with Wilson's interval; `count` is at least 1.
pub(crate) fn wilson(right: u64, count: u64) -> Interval {
    let (n, share) = (count as f64, right as f64 / count as f64);
    let square = NORMAL_QUANTILE * NORMAL_QUANTILE;
    let centre = (share + square / (2.0 * n)) / (1.0 + square / n);
    let half = NORMAL_QUANTILE / (1.0 + square / n) * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
    Interval { value: share, low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}
