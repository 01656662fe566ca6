use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};
use tracing::warn;

use crate::attribution::{Attribution, Target};
use crate::door::check_differentiable_scorer;
use crate::error::ExplainError;
use crate::execution::Execution;
use crate::gradient::score_gradients;
use crate::image::Image;
use crate::scorer::Scorer;

const NOISE: Purpose = Purpose::new("smooth grad noise");

/// What is averaged over the noisy images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmoothGradKind {
    /// The gradient, with its sign (Smilkov et al. 2017).
    #[default]
    Mean,
    /// The square of the gradient, without sign (Hooker et al. 2019).
    Square,
}

/// How `SmoothGrad` runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmoothGradConfig {
    /// What is averaged.
    pub kind: SmoothGradKind,
    /// How many noisy images are drawn, at least 2.
    pub samples: usize,
    /// Standard deviation of the noise as a share of the image's range, its largest value minus its smallest.
    pub noise: f64,
}

impl Default for SmoothGradConfig {
    /// The mean gradient over 64 images with noise of 15 % of the range, the middle of the 10 to 20 % that the paper
    /// recommends.
    fn default() -> Self {
        Self { kind: SmoothGradKind::Mean, samples: 64, noise: 0.15 }
    }
}

impl SmoothGradConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first one that is outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("samples", self.samples, 2..=1 << 24)?;
        require_within("noise", self.noise, 0.0..=10.0)
    }
}

/// An attribution by `SmoothGrad`, with what the sampling leaves open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothGrad {
    /// The mean over the noisy images.
    pub attribution: Attribution,
    /// The standard error of each value: the standard deviation over the samples divided by the square root of their
    /// number.
    pub standard_error: Vec<f32>,
    /// The Euclidean norm of the standard errors over that of the attribution; `None` if the attribution is 0 everywhere.
    pub relative_standard_error: Option<f64>,
    /// The standard deviation of the noise that was added: the config's share of the image's range. 0 for an image of
    /// one value, whatever the config says, and the result is then the plain gradient without any smoothing.
    pub noise_deviation: f64,
}

/// `SmoothGrad`: the gradient averaged over images with Gaussian noise.
///
/// The noise is relative to the range of the image, so that an image of one value gets none, which the result and a
/// warning say.
///
/// # Errors
/// If a setting is out of range, the class does not exist, the scorer gives the image other scores in another batch,
/// the scores carry no gradient, the call is cancelled, or the class's score or a gradient is not finite.
///
#[doc = include_str!("../../docs/methods/gradient-controls.md")]
pub fn smooth_grad<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    target: Target,
    config: &SmoothGradConfig,
    execution: &Execution,
) -> Result<SmoothGrad, ExplainError> {
    config.validate()?;
    let target = target.resolve(&check_differentiable_scorer(scorer, image, execution)?)?;
    let deviation = config.noise * range(image);
    if deviation == 0.0 && config.noise > 0.0 {
        warn!("the image has one value, so that its noise is 0 and SmoothGrad is the plain gradient");
    }
    let mut moments = Moments::new(image.values().len());
    score_gradients(
        scorer,
        image.shape(),
        config.samples,
        target,
        execution,
        |sample, values| {
            let draw = Draw { seed: execution.seed, purpose: NOISE, epoch: 0, index: sample as u64 };
            let normals = Distribution::<f64>::sample_iter(StandardNormal, draw.generator());
            for ((value, &clean), normal) in values.iter_mut().zip(image.values()).zip(normals) {
                *value = (f64::from(clean) + deviation * normal) as f32;
            }
        },
        |at| {
            let gradient = at.gradient.iter().copied().map(f64::from);
            match config.kind {
                SmoothGradKind::Mean => moments.add(gradient),
                SmoothGradKind::Square => moments.add(gradient.map(|value| value * value)),
            }
        },
    )?;
    let error = moments.standard_error();
    let relative_standard_error = relative_norm(&error, &moments.mean);
    let values = moments.mean.iter().map(|&value| value as f32).collect();
    Ok(SmoothGrad {
        attribution: Attribution { values, shape: image.shape(), target },
        standard_error: error.into_iter().map(|value| value as f32).collect(),
        relative_standard_error,
        noise_deviation: deviation,
    })
}

/// The largest value of an image minus its smallest.
fn range(image: &Image) -> f64 {
    let values = || image.values().iter().copied().map(f64::from);
    values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min)
}

/// The norm of the errors over that of the values, `None` if the values are all 0.
pub(crate) fn relative_norm(errors: &[f64], values: &[f64]) -> Option<f64> {
    let norm = |list: &[f64]| list.iter().map(|value| value * value).sum::<f64>().sqrt();
    (norm(values) > 0.0).then(|| norm(errors) / norm(values))
}

/// Mean and squared deviations of a stream of maps (Welford 1962).
pub(crate) struct Moments {
    count: usize,
    pub(crate) mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    pub(crate) fn new(size: usize) -> Self {
        Self { count: 0, mean: vec![0.0; size], squares: vec![0.0; size] }
    }

    pub(crate) fn add(&mut self, values: impl Iterator<Item = f64>) {
        self.count += 1;
        for ((mean, square), value) in self.mean.iter_mut().zip(&mut self.squares).zip(values) {
            let before = value - *mean;
            *mean += before / self.count as f64;
            *square += before * (value - *mean);
        }
    }

    /// The standard error of the mean of at least two maps.
    pub(crate) fn standard_error(&self) -> Vec<f64> {
        let count = self.count as f64;
        self.squares.iter().map(|square| (square / (count - 1.0) / count).sqrt()).collect()
    }
}
