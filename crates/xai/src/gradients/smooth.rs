use std::ops::Range;

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tracing::warn;

use crate::attribution::{Attribution, ExplainedScore, Target};
use crate::door::check_differentiable_scorer;
use crate::error::ExplainError;
use crate::execution::Execution;
use crate::gradient::score_gradients;
use crate::image::Image;
use crate::scorer::Scorer;
use crate::watch::ExplainStep;

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

/// Noisy images between two looks at the error, an even number.
const ROUND: usize = 64;

/// How `SmoothGrad` runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmoothGradConfig {
    /// What is averaged.
    pub kind: SmoothGradKind,
    /// Noisy images are drawn until the relative standard error of the map is at most this. Infinity does not ask for
    /// it, and draws all `samples`.
    pub tolerance: f64,
    /// The most noisy images, an even number of at least 4: two of them share one draw of noise. A budget that ends
    /// before the tolerance is met gives a warning.
    pub samples: usize,
    /// Standard deviation of the noise as a share of the image's range, its largest value minus its smallest.
    pub noise: f64,
}

impl Default for SmoothGradConfig {
    /// The mean gradient over up to 4096 images, until its relative standard error is at most 15 %, with noise of 15 % of
    /// the range, the middle of the 10 to 20 % that the paper recommends.
    fn default() -> Self {
        Self { kind: SmoothGradKind::Mean, tolerance: 0.15, samples: 4096, noise: 0.15 }
    }
}

impl SmoothGradConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first one that is outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("tolerance", self.tolerance, 0.0..)?;
        require_within("samples", self.samples, 4..=1 << 24)?;
        let expected = "an even number, since two noisy images share one draw of noise";
        require("samples", self.samples.is_multiple_of(2), || self.samples.to_string(), expected)?;
        require_within("noise", self.noise, 0.0..=10.0)
    }

    /// Refuses what the settings cannot explain: a square has no sign, so that nothing in it speaks for one class rather
    /// than another.
    ///
    /// # Errors
    /// [`InvalidSetting`] for `kind` if a class is to be explained against another.
    pub fn validate_against(&self, against: Option<usize>) -> Result<(), InvalidSetting> {
        let is_signed = match self.kind {
            SmoothGradKind::Mean => true,
            SmoothGradKind::Square => false,
        };
        let expected = "mean where a class is explained against another: a square has no sign";
        require("kind", is_signed || against.is_none(), || "square".to_owned(), expected)
    }
}

/// An attribution by `SmoothGrad`, with what the sampling leaves open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothGrad {
    /// The mean over the noisy images.
    pub attribution: Attribution,
    /// The standard error of each value: the standard deviation over the means of the pairs divided by the square root
    /// of the number of pairs.
    pub standard_error: Vec<f32>,
    /// The Euclidean norm of the standard errors over that of the map without noise, `√(Σ s² / (‖a‖² − Σ s²))`; `None`
    /// if the map is not larger than its standard errors, so that nothing but noise is seen.
    pub relative_standard_error: Option<f64>,
    /// How many noisy images were drawn.
    pub samples: usize,
    /// Whether the relative standard error is at most the tolerance, or none was asked for.
    pub reached: bool,
    /// The standard deviation of the noise that was added: the config's share of the image's range. 0 for an image of
    /// one value, whatever the config says, and the result is then the plain gradient without any smoothing.
    pub noise_deviation: f64,
}

/// `SmoothGrad`: the gradient averaged over images with Gaussian noise, as many as its error asks for.
///
/// Noise is used twice, with either sign: what is odd in it cancels at once. The standard errors are those of the means of
/// such pairs, and are looked at after every 64 images. The noise is relative to the range of the image, so that an image
/// of one value gets none, which the result and a warning say.
///
/// # Errors
/// If a setting is out of range, a class is explained against another by squares, the class does not exist, the scorer
/// gives the image other scores in another batch, the scores carry no gradient, the call is cancelled, or the class's
/// score or a gradient is not finite.
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
    let against = match target {
        Target::Predicted | Target::Class(_) => None,
        Target::Against { other, .. } => Some(other),
    };
    config.validate_against(against)?;
    let target = target.resolve(&check_differentiable_scorer(scorer, image, execution)?)?;
    let deviation = config.noise * range(image);
    if deviation == 0.0 && config.noise > 0.0 {
        warn!("the image has one value, so that its noise is 0 and SmoothGrad is the plain gradient");
    }
    let noisy = NoisyGradients { scorer, image, target, deviation, kind: config.kind, execution };
    let mut moments = Moments::new(image.values().len());
    let mut samples = 0;
    let (error, relative_standard_error) = loop {
        let end = config.samples.min(samples + ROUND);
        noisy.add_to(&mut moments, samples..end)?;
        samples = end;
        let error = moments.standard_error();
        let relative = relative_standard_error(&error, &moments.mean);
        let (done, most) = (samples, config.samples);
        execution.watch.tell(ExplainStep::Estimate {
            what: "noisy images",
            done,
            most,
            relative_standard_error: relative,
        });
        if samples == config.samples || (config.tolerance.is_finite() && is_within(relative, config.tolerance)) {
            break (error, relative);
        }
    };
    let reached = config.tolerance.is_infinite() || is_within(relative_standard_error, config.tolerance);
    if !reached {
        let tolerance = config.tolerance;
        warn!(samples, relative_standard_error, tolerance, "SmoothGrad missed the tolerance");
    }
    let values = moments.mean.iter().map(|&value| value as f32).collect();
    Ok(SmoothGrad {
        attribution: Attribution { values, shape: image.shape(), target },
        standard_error: error.into_iter().map(|value| value as f32).collect(),
        relative_standard_error,
        samples,
        reached,
        noise_deviation: deviation,
    })
}

/// Gradients at the image with noise.
struct NoisyGradients<'a, S: ?Sized> {
    scorer: &'a S,
    image: &'a Image,
    target: ExplainedScore,
    deviation: f64,
    kind: SmoothGradKind,
    execution: &'a Execution,
}

impl<S: Scorer + ?Sized> NoisyGradients<'_, S> {
    /// Adds the means of pairs of samples of an even range: a sample of an even number adds noise to the image, the next
    /// one subtracts the same.
    fn add_to(&self, moments: &mut Moments, samples: Range<usize>) -> Result<(), ExplainError> {
        let mut first = vec![0.0_f64; self.image.values().len()];
        score_gradients(
            self.scorer,
            self.image.shape(),
            samples.len(),
            self.target,
            self.execution,
            |index, values| self.fill(samples.start + index, values),
            |at| {
                let values = at.gradient.iter().copied().map(f64::from).map(|value| match self.kind {
                    SmoothGradKind::Mean => value,
                    SmoothGradKind::Square => value * value,
                });
                if at.index.is_multiple_of(2) {
                    first.iter_mut().zip(values).for_each(|(first, value)| *first = value);
                } else {
                    moments.add(first.iter().zip(values).map(|(&first, second)| f64::midpoint(first, second)));
                }
            },
        )
    }

    fn fill(&self, sample: usize, values: &mut [f32]) {
        let draw = Draw { seed: self.execution.seed, purpose: NOISE, epoch: 0, index: sample as u64 / 2 };
        let deviation = if sample.is_multiple_of(2) { self.deviation } else { -self.deviation };
        let normals = Distribution::<f64>::sample_iter(StandardNormal, draw.generator());
        for ((value, &clean), normal) in values.iter_mut().zip(self.image.values()).zip(normals) {
            *value = (f64::from(clean) + deviation * normal) as f32;
        }
    }
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

/// The relative standard error of a map that is a mean of draws: the norm of its standard errors over that of what they
/// are the errors of. The squared norm of a mean is too large by the sum of the squared standard errors, on average,
/// which is taken away; `None` if nothing is left. A map without any error has the error 0, even if it is 0 itself.
pub(crate) fn relative_standard_error(errors: &[f64], mean: &[f64]) -> Option<f64> {
    let squared_norm = |list: &[f64]| list.iter().map(|value| value * value).sum::<f64>();
    let (noise, signal) = (squared_norm(errors), squared_norm(mean) - squared_norm(errors));
    if noise == 0.0 { Some(0.0) } else { (signal > 0.0).then(|| (noise / signal).sqrt()) }
}

/// Whether a relative standard error is at most the tolerance; one that is not known is not.
pub(crate) fn is_within(relative: Option<f64>, tolerance: f64) -> bool {
    relative.is_some_and(|error| error <= tolerance)
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
