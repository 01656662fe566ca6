use rand::RngExt;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};

use crate::attribution::{Attribution, Target};
use crate::error::ExplainError;
use crate::execution::Execution;
use crate::gradient::score_gradients;
use crate::gradients::path::{interpolate, path_ends};
use crate::gradients::smooth::relative_norm;
use crate::image::Image;
use crate::scorer::Scorer;

const POSITION: Purpose = Purpose::new("expected gradients position");

/// Two draws a stratum: the fewest whose difference estimates the error.
const DRAWS: usize = 2;

/// How expected gradients run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedGradientsConfig {
    /// Into how many equal parts each path is cut, at least 1. Two positions are drawn in each part, so that the method
    /// computes twice this many gradients for every image of the background.
    pub strata: usize,
}

impl Default for ExpectedGradientsConfig {
    /// 10 parts, so that a background of 20 images costs 400 gradients.
    fn default() -> Self {
        Self { strata: 10 }
    }
}

impl ExpectedGradientsConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first one that is outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("strata", self.strata, 1..=1 << 20)
    }
}

/// An attribution by expected gradients, with what the sampling leaves open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedGradients {
    /// The mean over the background and the positions.
    pub attribution: Attribution,
    /// The standard error of each value, given the background: of the draw of positions alone.
    pub standard_error: Vec<f32>,
    /// The Euclidean norm of the standard errors over that of the attribution; `None` if the attribution is 0 everywhere.
    pub relative_standard_error: Option<f64>,
    /// The score of the class for the image.
    pub score: f64,
    /// The mean score of the class over the background.
    pub background_score: f64,
    /// The completeness error `Σ attribution − (score − background score)`.
    pub delta: f64,
    /// How many gradients were computed.
    pub gradients: usize,
}

/// Expected gradients (Erion et al. 2021), which the `shap` package calls `GradientSHAP`: the mean of
/// `(x − b) ⊙ ∇f(b + α(x − b))` over the images `b` of a background and `α` uniform between 0 and 1.
///
/// The exact mean is Integrated Gradients averaged over the background. Every image of the background is used
/// equally often, and the positions are stratified: two are drawn in each of equal parts of the path, which has the same
/// mean as independent draws and a smaller error, and the differences within the parts measure that error.
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
    let size = image.values().len();
    let strata = background.len() * config.strata;
    let per_background = config.strata * DRAWS;
    let position = |sample: usize| {
        let (epoch, index) = ((sample / per_background) as u64, (sample % per_background) as u64);
        let mut generator = Draw { seed: execution.seed, purpose: POSITION, epoch, index }.generator();
        let stratum = (sample % per_background / DRAWS) as f64;
        (stratum + generator.random::<f64>()) / config.strata as f64
    };
    let (mut sums, mut variances) = (vec![0.0_f64; size], vec![0.0_f64; size]);
    let mut first_draw = vec![0.0_f64; size];
    score_gradients(
        scorer,
        image.shape(),
        strata * DRAWS,
        ends.explained,
        execution,
        |sample, values| interpolate(&background[sample / per_background], image, position(sample), values),
        |at| {
            let start = &background[at.index / per_background];
            let ends = image.values().iter().zip(start.values());
            let products = at
                .gradient
                .iter()
                .zip(ends)
                .map(|(&gradient, (&end, &start))| (f64::from(end) - f64::from(start)) * f64::from(gradient));
            if at.index % DRAWS == 0 {
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
    let count = strata as f64;
    let mean: Vec<f64> = sums.into_iter().map(|sum| sum / count).collect();
    let error: Vec<f64> = variances.into_iter().map(|variance| variance.sqrt() / count).collect();
    let background_score = ends.baseline_scores.iter().sum::<f64>() / background.len() as f64;
    let delta = mean.iter().sum::<f64>() - (ends.score - background_score);
    let values = mean.iter().map(|&value| value as f32).collect();
    Ok(ExpectedGradients {
        attribution: Attribution { values, shape: image.shape(), target: ends.explained },
        relative_standard_error: relative_norm(&error, &mean),
        standard_error: error.into_iter().map(|value| value as f32).collect(),
        score: ends.score,
        background_score,
        delta,
        gradients: strata * DRAWS,
    })
}
