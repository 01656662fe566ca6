use rand::RngExt;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};
use tracing::warn;

use crate::attribution::{Attribution, ExplainedScore, Target};
use crate::error::ExplainError;
use crate::execution::Execution;
use crate::gradient::score_gradients;
use crate::gradients::path::{interpolate, path_ends};
use crate::gradients::smooth::{is_within, relative_standard_error};
use crate::image::Image;
use crate::scorer::Scorer;
use crate::watch::ExplainStep;

const POSITION: Purpose = Purpose::new("expected gradients position");

/// Two draws a stratum: the fewest whose difference estimates the error.
const DRAWS: usize = 2;

/// How expected gradients run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedGradientsConfig {
    /// Into how many equal parts each path is cut in the first round, at least 1. Two positions are drawn in each part, so
    /// that a round computes twice this many gradients for every image of the background.
    pub strata: usize,
    /// A round of twice as many parts follows until the relative standard error of the map is at most this. Infinity
    /// does not ask for it: there is one round.
    pub tolerance: f64,
    /// The most parts of a round. A round that would have more is not begun, and a warning says what was reached.
    pub maximum_strata: usize,
}

impl Default for ExpectedGradientsConfig {
    /// 10 parts, doubled up to 80 until the relative standard error is at most 20 %. With a background of 20 images the
    /// first round costs 400 gradients, the first two 1200.
    fn default() -> Self {
        Self { strata: 10, tolerance: 0.2, maximum_strata: 80 }
    }
}

impl ExpectedGradientsConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first one that is outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("strata", self.strata, 1..=1 << 20)?;
        require_within("tolerance", self.tolerance, 0.0..)?;
        require_within("maximum_strata", self.maximum_strata, self.strata..=1 << 20)
    }
}

/// An attribution by expected gradients, with what the sampling leaves open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedGradients {
    /// The mean over the background and the positions.
    pub attribution: Attribution,
    /// The standard error of each value, given the background: of the draw of positions alone.
    pub standard_error: Vec<f32>,
    /// The Euclidean norm of the standard errors over that of the map without noise, `√(Σ s² / (‖a‖² − Σ s²))`; `None`
    /// if the map is not larger than its standard errors, so that nothing but noise is seen.
    pub relative_standard_error: Option<f64>,
    /// Whether the relative standard error is at most the tolerance, or none was asked for.
    pub reached: bool,
    /// The score of the class for the image.
    pub score: f64,
    /// The mean score of the class over the background.
    pub background_score: f64,
    /// The completeness error `Σ attribution − (score − background score)`.
    pub delta: f64,
    /// The parts of each path in the last round.
    pub strata: usize,
    /// How many gradients were computed.
    pub gradients: usize,
}

/// Expected gradients (Erion et al. 2021), which the `shap` package calls `GradientSHAP`: the mean of
/// `(x − b) ⊙ ∇f(b + α(x − b))` over the images `b` of a background and `α` uniform between 0 and 1.
///
/// The exact mean is Integrated Gradients averaged over the background. Every image of the background is used
/// equally often, and the positions are stratified: two are drawn in each of equal parts of the path, which has the same
/// mean as independent draws and a smaller error, and the differences within the parts measure that error. Rounds of
/// more and more parts are drawn until it is small.
///
/// # Errors
/// If the background is empty or an image of it has another shape, a setting is out of range, the class does not exist,
/// the scorer gives the image other scores in another batch, the scores carry no gradient, the call is cancelled, or
/// the class's score or a gradient is not finite.
///
#[doc = include_str!("../../docs/methods/expected-gradients.md")]
pub fn expected_gradients<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    background: &[Image],
    target: Target,
    config: &ExpectedGradientsConfig,
    execution: &Execution,
) -> Result<ExpectedGradients, ExplainError> {
    config.validate()?;
    let ends = path_ends(scorer, image, background, target, execution)?;
    let paths = Paths { scorer, image, background, explained: ends.explained, execution };
    let mut pooled = Pooled::new(image.values().len());
    let (mut strata, mut drawn) = (config.strata, 0);
    // rounds of twice as many parts each, the last of at most `maximum_strata`
    let rounds = std::iter::successors(Some(strata), |strata| Some(2 * strata))
        .take_while(|&strata| strata <= config.maximum_strata);
    let most = background.len() * DRAWS * rounds.sum::<usize>().max(strata);
    let relative_standard_error = loop {
        let (weight, round) = ((strata as f64).powi(2), paths.round(strata, drawn)?);
        pooled.add(weight, &round);
        drawn += strata * DRAWS;
        let relative = relative_standard_error(&pooled.standard_error(), &pooled.mean());
        let (done, relative_standard_error) = (background.len() * drawn, relative);
        execution.watch.tell(ExplainStep::Estimate { what: "gradients", done, most, relative_standard_error });
        let is_last = config.tolerance.is_infinite() || 2 * strata > config.maximum_strata;
        if is_last || is_within(relative, config.tolerance) {
            break relative;
        }
        strata *= 2;
    };
    let reached = config.tolerance.is_infinite() || is_within(relative_standard_error, config.tolerance);
    if !reached {
        let tolerance = config.tolerance;
        warn!(strata, relative_standard_error, tolerance, "expected gradients missed the tolerance");
    }
    let mean = pooled.mean();
    let background_score = ends.baseline_scores.iter().sum::<f64>() / background.len() as f64;
    let delta = mean.iter().sum::<f64>() - (ends.score - background_score);
    let values = mean.iter().map(|&value| value as f32).collect();
    Ok(ExpectedGradients {
        attribution: Attribution { values, shape: image.shape(), target: ends.explained },
        relative_standard_error,
        standard_error: pooled.standard_error().into_iter().map(|value| value as f32).collect(),
        reached,
        score: ends.score,
        background_score,
        delta,
        strata,
        gradients: background.len() * drawn,
    })
}

/// The straight paths from the images of the background.
struct Paths<'a, S: ?Sized> {
    scorer: &'a S,
    image: &'a Image,
    background: &'a [Image],
    explained: ExplainedScore,
    execution: &'a Execution,
}

/// An estimate and the variance of each of its values.
struct Estimate {
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl<S: Scorer + ?Sized> Paths<'_, S> {
    /// Two positions in each part of each path; `drawn` positions of each path were drawn before.
    fn round(&self, strata: usize, drawn: usize) -> Result<Estimate, ExplainError> {
        let size = self.image.values().len();
        let per_path = strata * DRAWS;
        let position = |sample: usize| {
            let (path, index) = (sample / per_path, sample % per_path);
            let (epoch, drawn) = (path as u64, (drawn + index) as u64);
            let draw = Draw { seed: self.execution.seed, purpose: POSITION, epoch, index: drawn };
            ((index / DRAWS) as f64 + draw.generator().random::<f64>()) / strata as f64
        };
        let (mut sums, mut variances) = (vec![0.0_f64; size], vec![0.0_f64; size]);
        let mut first_draw = vec![0.0_f64; size];
        score_gradients(
            self.scorer,
            self.image.shape(),
            self.background.len() * per_path,
            self.explained,
            self.execution,
            |sample, values| interpolate(&self.background[sample / per_path], self.image, position(sample), values),
            |at| {
                let start = &self.background[at.index / per_path];
                let ends = self.image.values().iter().zip(start.values());
                let products = at
                    .gradient
                    .iter()
                    .zip(ends)
                    .map(|(&gradient, (&end, &start))| (f64::from(end) - f64::from(start)) * f64::from(gradient));
                if at.index.is_multiple_of(DRAWS) {
                    first_draw.iter_mut().zip(products).for_each(|(first, product)| *first = product);
                    return;
                }
                for (index, second) in products.enumerate() {
                    let first = first_draw[index];
                    sums[index] += f64::midpoint(first, second);
                    // the variance of the mean of two draws, estimated from their difference
                    variances[index] += (first - second).powi(2) / 4.0;
                }
            },
        )?;
        let parts = (self.background.len() * strata) as f64;
        for (sum, variance) in sums.iter_mut().zip(&mut variances) {
            *sum /= parts;
            *variance /= parts * parts;
        }
        Ok(Estimate { mean: sums, variance: variances })
    }
}

/// The weighted mean of independent estimates. The weights are the squares of the numbers of parts: those are what the
/// variance of a round falls with, and being fixed before anything is drawn, they leave the mean without bias.
struct Pooled {
    weight: f64,
    sums: Vec<f64>,
    variances: Vec<f64>,
}

impl Pooled {
    fn new(size: usize) -> Self {
        Self { weight: 0.0, sums: vec![0.0; size], variances: vec![0.0; size] }
    }

    fn add(&mut self, weight: f64, round: &Estimate) {
        self.weight += weight;
        self.sums.iter_mut().zip(&round.mean).for_each(|(sum, mean)| *sum += weight * mean);
        self.variances.iter_mut().zip(&round.variance).for_each(|(sum, variance)| *sum += weight * weight * variance);
    }

    fn mean(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.weight).collect()
    }

    fn standard_error(&self) -> Vec<f64> {
        self.variances.iter().map(|variance| variance.sqrt() / self.weight).collect()
    }
}
