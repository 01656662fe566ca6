use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};

use crate::error::{ExplainError, require_finite};
use crate::execution::Cancellation;

const RESAMPLE: Purpose = Purpose::new("bootstrap resample");

/// Settings of bootstrap intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BootstrapConfig {
    /// How many times the images are drawn again.
    pub resamples: usize,
    /// The probability with which the interval is meant to cover the true mean.
    pub level: f64,
}

impl Default for BootstrapConfig {
    /// 95 % from 2000 resamples.
    fn default() -> Self {
        Self { resamples: 2000, level: 0.95 }
    }
}

impl BootstrapConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("resamples", self.resamples, 20..=1_000_000)?;
        require_within("level", self.level, 0.5..=0.9999)
    }
}

/// The mean of a score over images, and where the true mean probably lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BootstrapInterval {
    /// The mean over the images.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The level that was asked for.
    pub level: f64,
    /// How many images there are.
    pub count: usize,
}

/// The percentile bootstrap interval of the mean (Efron 1979) over the scores of several images.
///
/// # Errors
/// If there are no scores, one is not finite, a setting is out of range, or it is cancelled.
pub fn bootstrap_interval(
    scores: &[f64],
    config: &BootstrapConfig,
    seed: u64,
    cancellation: &Cancellation,
) -> Result<BootstrapInterval, ExplainError> {
    config.validate()?;
    if scores.is_empty() {
        return Err(ExplainError::Empty { what: "list of scores" });
    }
    require_finite("the list of scores", scores)?;
    let count = scores.len();
    let resampled_mean = |index: usize| {
        cancellation.check("resamples", index, config.resamples)?;
        let mut generator = Draw { seed, purpose: RESAMPLE, epoch: 0, index: index as u64 }.generator();
        Ok((0..count).map(|_| scores[generator.random_range(0..count)]).sum::<f64>() / count as f64)
    };
    let means: Result<Vec<f64>, ExplainError> = (0..config.resamples).into_par_iter().map(resampled_mean).collect();
    let mut means = means?;
    means.sort_by(f64::total_cmp);
    let outside = (1.0 - config.level) / 2.0;
    Ok(BootstrapInterval {
        mean: scores.iter().sum::<f64>() / count as f64,
        low: quantile(&means, outside),
        high: quantile(&means, 1.0 - outside),
        level: config.level,
        count,
    })
}

/// The quantile of sorted values, linear between neighbours.
fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let place = probability * (sorted.len() - 1) as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[(place.ceil() as usize).min(sorted.len() - 1)];
    below + (above - below) * place.fract()
}
