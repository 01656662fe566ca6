use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};

use crate::attribution::{Attribution, Target};
use crate::error::ExplainError;
use crate::execution::Execution;
use crate::gradient::score_gradients;
use crate::normal::standard_normals;
use crate::picture::Picture;
use crate::scorer::{Scorer, score_picture};

const NOISE: Purpose = Purpose::new("smooth grad noise");

/// What is averaged over the noisy pictures.
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
    /// How many noisy pictures are drawn, at least 2.
    pub samples: usize,
    /// Standard deviation of the noise as a share of the picture's range, its largest value minus its smallest.
    pub noise: f64,
}

impl Default for SmoothGradConfig {
    /// The mean gradient over 64 pictures with noise of 15 % of the range, the middle of the 10 to 20 % that the paper
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
    /// The mean over the noisy pictures.
    pub attribution: Attribution,
    /// The standard error of each value: the standard deviation over the samples divided by the square root of their
    /// number.
    pub standard_error: Vec<f32>,
    /// The Euclidean norm of the standard errors over that of the attribution; 0 if both are 0.
    pub relative_standard_error: f64,
}

/// `SmoothGrad`: the gradient averaged over pictures with Gaussian noise.
///
/// # Errors
/// If a setting is out of range, the class does not exist, the scores carry no gradient, the call is cancelled, or a
/// score or gradient is not finite.
pub fn smooth_grad<S: Scorer + ?Sized>(
    scorer: &S,
    picture: &Picture,
    target: Target,
    config: &SmoothGradConfig,
    execution: &Execution,
) -> Result<SmoothGrad, ExplainError> {
    config.validate()?;
    let target = target.class(&score_picture(scorer, picture, execution)?)?;
    let deviation = config.noise * range(picture);
    let mut moments = Moments::new(picture.values().len());
    score_gradients(
        scorer,
        picture.shape(),
        config.samples,
        target,
        execution,
        |sample, values| {
            let draw = Draw { seed: execution.seed, purpose: NOISE, epoch: 0, index: sample as u64 };
            for ((value, &clean), normal) in values.iter_mut().zip(picture.values()).zip(standard_normals(draw)) {
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
        attribution: Attribution { values, shape: picture.shape(), target },
        standard_error: error.into_iter().map(|value| value as f32).collect(),
        relative_standard_error,
    })
}

/// The largest value of a picture minus its smallest.
fn range(picture: &Picture) -> f64 {
    let values = || picture.values().iter().copied().map(f64::from);
    values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min)
}

/// The norm of the errors over that of the values, 0 if there is no error.
pub(crate) fn relative_norm(errors: &[f64], values: &[f64]) -> f64 {
    let norm = |list: &[f64]| list.iter().map(|value| value * value).sum::<f64>().sqrt();
    if norm(errors) == 0.0 { 0.0 } else { norm(errors) / norm(values) }
}

/// Mean and squared deviations of a stream of maps (Welford 1962).
struct Moments {
    count: usize,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn new(size: usize) -> Self {
        Self { count: 0, mean: vec![0.0; size], squares: vec![0.0; size] }
    }

    fn add(&mut self, values: impl Iterator<Item = f64>) {
        self.count += 1;
        for ((mean, square), value) in self.mean.iter_mut().zip(&mut self.squares).zip(values) {
            let before = value - *mean;
            *mean += before / self.count as f64;
            *square += before * (value - *mean);
        }
    }

    /// The standard error of the mean of at least two maps.
    fn standard_error(&self) -> Vec<f64> {
        let count = self.count as f64;
        self.squares.iter().map(|square| (square / (count - 1.0) / count).sqrt()).collect()
    }
}
