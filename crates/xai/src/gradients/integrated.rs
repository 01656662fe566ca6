use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};
use tracing::warn;

use crate::attribution::{Attribution, ExplainedScore, Target};
use crate::door::check_differentiable_scorer;
use crate::error::{ExplainError, require_shape};
use crate::execution::Execution;
use crate::gradient::score_gradients;
use crate::gradients::quadrature::QuadratureRule;
use crate::image::Image;
use crate::scorer::{Scorer, score_images};

/// How far a score computed in f32 may be off, relative to its own size. A completeness error below this is rounding
/// and no step size can lower it.
const ROUNDING: f64 = 1e-6;

/// How Integrated Gradients runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntegratedGradientsConfig {
    /// The rule of integration.
    pub rule: QuadratureRule,
    /// With how many gradients each path is tried first, at least 1, or 2 for the trapezoid rule.
    pub steps: usize,
    /// The number of steps is doubled until the completeness error is at most this share of the difference of the
    /// scores. Infinity never doubles.
    pub tolerance: f64,
    /// The number of steps at which doubling ends, with a warning; at most 1 048 576.
    pub maximum_steps: usize,
}

impl Default for IntegratedGradientsConfig {
    /// 64 Gauss–Legendre steps, doubled up to 1024 until the error is at most 0.5 %.
    fn default() -> Self {
        Self { rule: QuadratureRule::GaussLegendre, steps: 64, tolerance: 0.005, maximum_steps: 1024 }
    }
}

impl IntegratedGradientsConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first one that is outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("steps", self.steps, self.rule.fewest_steps()..=1 << 20)?;
        require_within("tolerance", self.tolerance, 0.0..)?;
        require_within("maximum_steps", self.maximum_steps, self.steps..=1 << 20)
    }
}

/// An attribution by Integrated Gradients, with everything needed to judge it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntegratedGradients {
    /// The mean of the attributions over the baselines.
    pub attribution: Attribution,
    /// The score of the class for the image.
    pub score: f64,
    /// The completeness error `Σ attribution − (score − mean baseline score)` of the mean.
    pub delta: f64,
    /// Whether every path reached the tolerance.
    pub converged: bool,
    /// How many gradients were computed.
    pub gradients: usize,
    /// The path from each baseline.
    pub paths: Vec<PathDiagnostics>,
}

/// The integral along the straight path from one baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathDiagnostics {
    /// The score of the class for the baseline.
    pub baseline_score: f64,
    /// The completeness error `Σ attribution − (score − baseline score)`.
    pub delta: f64,
    /// The steps of the last round.
    pub steps: usize,
    /// Whether the error is at most the tolerance, or as small as rounding lets it be.
    pub converged: bool,
    /// The Euclidean distance from the baseline to the image. At 0 there is no path: the attribution is 0 everywhere
    /// and says nothing of the model.
    pub length: f64,
}

/// Integrated Gradients (Sundararajan et al. 2017, equation 1): `(x − b) ⊙ ∫₀¹ ∇f(b + α(x − b)) dα`, averaged over
/// several baselines `b`.
///
/// The gradients are computed in the scorer's precision and added up in f64. Since the integrand of a `ReLU` network
/// has kinks, no fixed number of steps is enough for every image: each path is refined on its own until its
/// attributions sum to the difference of the scores, or the budget ends, which the result and a warning say. A baseline
/// that equals the image is a path without length, which its diagnostics and a warning say, too.
///
/// # Errors
/// If there is no baseline or one has another shape, a setting is out of range, the class does not exist, the scorer
/// gives the image other scores in another batch, the scores carry no gradient, the call is cancelled, or the class's
/// score or a gradient is not finite.
///
#[doc = include_str!("../../docs/methods/integrated-gradients.md")]
pub fn integrated_gradients<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    baselines: &[Image],
    target: Target,
    config: &IntegratedGradientsConfig,
    execution: &Execution,
) -> Result<IntegratedGradients, ExplainError> {
    config.validate()?;
    let ends = path_ends(scorer, image, baselines, target, execution)?;
    let mut mean = vec![0.0_f64; image.values().len()];
    let mut paths = Vec::with_capacity(baselines.len());
    let mut gradients = 0;
    for (baseline, &baseline_score) in baselines.iter().zip(&ends.baseline_scores) {
        let path = Path { image, baseline, explained: ends.explained, score: ends.score, baseline_score };
        let refined = path.refined(scorer, config, execution)?;
        gradients += refined.gradients;
        paths.push(refined.diagnostics);
        mean.iter_mut().zip(refined.attribution).for_each(|(sum, value)| *sum += value / baselines.len() as f64);
    }
    let converged = paths.iter().all(|path| path.converged);
    let delta = paths.iter().map(|path| path.delta).sum::<f64>() / baselines.len() as f64;
    if !converged {
        let share = |path: &PathDiagnostics| path.delta.abs() / (ends.score - path.baseline_score).abs();
        let error = paths.iter().filter(|path| !path.converged).map(share).fold(0.0, f64::max);
        let IntegratedGradientsConfig { tolerance, maximum_steps, .. } = *config;
        warn!(maximum_steps, tolerance, error, "integrated gradients missed the tolerance");
    }
    let equal = paths.iter().filter(|path| path.length == 0.0).count();
    if equal > 0 {
        warn!(equal, of = paths.len(), "baselines equal the image, which leaves nothing to attribute along their path");
    }
    let values = mean.into_iter().map(|value| value as f32).collect();
    let attribution = Attribution { values, shape: image.shape(), target: ends.explained };
    Ok(IntegratedGradients { attribution, score: ends.score, delta, converged, gradients, paths })
}

/// The score that is explained, with its value at the image and at each baseline.
pub(crate) struct PathEnds {
    pub(crate) explained: ExplainedScore,
    pub(crate) score: f64,
    pub(crate) baseline_scores: Vec<f64>,
}

/// Scores the image and its baselines, all of one shape and at least one of them.
pub(crate) fn path_ends<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    baselines: &[Image],
    target: Target,
    execution: &Execution,
) -> Result<PathEnds, ExplainError> {
    if baselines.is_empty() {
        return Err(ExplainError::Empty { what: "list of baselines" });
    }
    for baseline in baselines {
        require_shape("a baseline", &baseline.shape().dims(), &image.shape().dims())?;
    }
    check_differentiable_scorer(scorer, image, execution)?;
    let scores = score_images(scorer, image.shape(), 1 + baselines.len(), execution, |index, values| {
        values.copy_from_slice(if index == 0 { image } else { &baselines[index - 1] }.values());
    })?;
    let explained = target.resolve(&scores)?;
    let score = explained.of(scores.of(0))?;
    let baseline_scores = (1..scores.len()).map(|index| explained.of(scores.of(index))).collect::<Result<_, _>>()?;
    Ok(PathEnds { explained, score, baseline_scores })
}

/// The straight path from a baseline to the image.
struct Path<'a> {
    image: &'a Image,
    baseline: &'a Image,
    explained: ExplainedScore,
    score: f64,
    baseline_score: f64,
}

struct RefinedPath {
    attribution: Vec<f64>,
    diagnostics: PathDiagnostics,
    gradients: usize,
}

impl Path<'_> {
    fn refined<S: Scorer + ?Sized>(
        &self,
        scorer: &S,
        config: &IntegratedGradientsConfig,
        execution: &Execution,
    ) -> Result<RefinedPath, ExplainError> {
        let difference = self.score - self.baseline_score;
        let rounding = ROUNDING * self.score.abs().max(self.baseline_score.abs());
        let mut steps = config.steps;
        let mut gradients = 0;
        loop {
            let attribution = self.integrated(scorer, config.rule, steps, execution)?;
            gradients += steps;
            let delta = attribution.iter().sum::<f64>() - difference;
            let converged = delta.abs() <= (config.tolerance * difference.abs()).max(rounding);
            if converged || config.tolerance.is_infinite() || steps == config.maximum_steps {
                let length = distance(self.baseline, self.image);
                let diagnostics =
                    PathDiagnostics { baseline_score: self.baseline_score, delta, steps, converged, length };
                return Ok(RefinedPath { attribution, diagnostics, gradients });
            }
            steps = config.maximum_steps.min(2 * steps);
        }
    }

    fn integrated<S: Scorer + ?Sized>(
        &self,
        scorer: &S,
        rule: QuadratureRule,
        steps: usize,
        execution: &Execution,
    ) -> Result<Vec<f64>, ExplainError> {
        execution.require_memory("the nodes of the quadrature", "maximum_steps", [2, steps])?;
        let quadrature = rule.quadrature(steps)?;
        let mut sums = vec![0.0_f64; self.image.values().len()];
        score_gradients(
            scorer,
            self.image.shape(),
            steps,
            self.explained,
            execution,
            |step, values| interpolate(self.baseline, self.image, quadrature.nodes[step], values),
            |at| {
                let weight = quadrature.weights[at.index];
                sums.iter_mut().zip(at.gradient).for_each(|(sum, &value)| *sum += weight * f64::from(value));
            },
        )?;
        let ends = self.image.values().iter().zip(self.baseline.values());
        sums.iter_mut().zip(ends).for_each(|(sum, (&end, &start))| *sum *= f64::from(end) - f64::from(start));
        Ok(sums)
    }
}

/// The Euclidean distance of two images of one shape.
fn distance(left: &Image, right: &Image) -> f64 {
    let squares = left.values().iter().zip(right.values()).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
    squares.sum::<f64>().sqrt()
}

/// Writes the point `start + position (end − start)`.
pub(crate) fn interpolate(start: &Image, end: &Image, position: f64, values: &mut [f32]) {
    for (value, (&start, &end)) in values.iter_mut().zip(start.values().iter().zip(end.values())) {
        let (start, end) = (f64::from(start), f64::from(end));
        *value = (start + position * (end - start)) as f32;
    }
}
