use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};
use tracing::warn;

use crate::attribution::{Attribution, ExplainedScore, Target};
use crate::error::ExplainError;
use crate::execution::Execution;
use crate::gradient::{ImageGradient, score_gradients};
use crate::gradients::bisection::Bisection;
use crate::gradients::path::{MapChange, Rounds, interpolate, path_ends};
use crate::gradients::quadrature::{PathRule, Quadrature, QuadratureRule};
use crate::image::Image;
use crate::scorer::Scorer;

/// How far a number computed in f32 may be off, relative to its own size. A completeness error below this share of the
/// scores, and a change of the attribution below this share of it, is rounding and no step size can lower it.
const ROUNDING: f64 = 1e-6;

/// How Integrated Gradients runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntegratedGradientsConfig {
    /// Where the gradients of a path are computed.
    pub rule: PathRule,
    /// The fewest gradients of a path, at least 1, or 2 for the adaptive and the trapezoid rule.
    pub steps: usize,
    /// A path is refined until the completeness error is at most this share of the difference of the scores. Infinity
    /// does not ask for it.
    pub tolerance: f64,
    /// A path is refined until its attribution `a₂` differs from that of at most half as many steps, `a₁`, by at most
    /// this share: `‖a₂ − a₁‖ / ‖a₂‖` in Euclidean norms. Infinity does not ask for it. If `tolerance` is infinite,
    /// too, no path is refined.
    pub map_tolerance: f64,
    /// The number of steps at which refinement ends, with a warning; at most 1 048 576.
    pub maximum_steps: usize,
}

impl Default for IntegratedGradientsConfig {
    /// The adaptive rule with 17 to 2048 gradients, until the completeness error is at most 0.5 % and twice as many
    /// gradients change the attribution by at most 0.5 %.
    fn default() -> Self {
        Self { rule: PathRule::Adaptive, steps: 17, tolerance: 0.005, map_tolerance: 0.005, maximum_steps: 2048 }
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
        require_within("map_tolerance", self.map_tolerance, 0.0..)?;
        require_within("maximum_steps", self.maximum_steps, self.steps..=1 << 20)
    }

    fn never_refines(&self) -> bool {
        self.tolerance.is_infinite() && self.map_tolerance.is_infinite()
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
    /// Whether every path reached both tolerances.
    pub converged: bool,
    /// How many gradients were computed.
    pub gradients: usize,
    /// The path from each baseline.
    pub paths: Vec<PathDiagnostics>,
    /// For each path where the gradients were computed that the attribution is the sum of, and how much each counts.
    pub quadratures: Vec<Quadrature>,
}

/// The integral along the straight path from one baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathDiagnostics {
    /// The score of the class for the baseline.
    pub baseline_score: f64,
    /// The completeness error `Σ attribution − (score − baseline score)`.
    pub delta: f64,
    /// By how much the attribution changed since it was computed by at most half as many steps, `‖a₂ − a₁‖ / ‖a₂‖`;
    /// `None` if it never was, or if it became 0 everywhere since.
    pub map_change: Option<f64>,
    /// The gradients that the attribution is the sum of.
    pub steps: usize,
    /// Whether the completeness error and the change of the attribution are at most their tolerances, or as small as
    /// rounding lets them be.
    pub converged: bool,
    /// The Euclidean distance from the baseline to the image. At 0 there is no path: the attribution is 0 everywhere
    /// and says nothing of the model.
    pub length: f64,
}

impl PathDiagnostics {
    /// The completeness error as a share of the difference of the scores, given that of the image: 0 if there is no
    /// error, infinite if there is one and no difference.
    pub fn relative_delta(&self, score: f64) -> f64 {
        if self.delta == 0.0 { 0.0 } else { (self.delta / (score - self.baseline_score)).abs() }
    }
}

/// Integrated Gradients (Sundararajan et al. 2017, equation 1): `(x − b) ⊙ ∫₀¹ ∇f(b + α(x − b)) dα`, averaged over
/// several baselines `b`.
///
/// The gradients are computed in the scorer's precision and added up in f64. Since the integrand of a `ReLU` network
/// has jumps, no fixed number of steps is enough for every image: each path is refined on its own until its
/// attributions sum to the difference of the scores and a refinement hardly changes them, or the budget ends, which the
/// result and a warning say. A sum alone proves little, since the errors of different pixels cancel in it. A baseline
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
    let (mut paths, mut quadratures) = (Vec::new(), Vec::new());
    let mut gradients = 0;
    for (baseline, &baseline_score) in baselines.iter().zip(&ends.baseline_scores) {
        let path = Path { image, baseline, explained: ends.explained, score: ends.score, baseline_score };
        let refined = path.refined(scorer, config, execution)?;
        gradients += refined.gradients;
        paths.push(refined.diagnostics);
        quadratures.push(refined.quadrature);
        mean.iter_mut().zip(refined.attribution).for_each(|(sum, value)| *sum += value / baselines.len() as f64);
    }
    let converged = paths.iter().all(|path| path.converged);
    let delta = paths.iter().map(|path| path.delta).sum::<f64>() / baselines.len() as f64;
    if !converged {
        let missed = || paths.iter().filter(|path| !path.converged);
        let error = missed().map(|path| path.relative_delta(ends.score)).fold(0.0, f64::max);
        let map_change = missed().filter_map(|path| path.map_change).fold(0.0, f64::max);
        let IntegratedGradientsConfig { tolerance, map_tolerance, maximum_steps, .. } = *config;
        warn!(maximum_steps, error, tolerance, map_change, map_tolerance, "integrated gradients missed a tolerance");
    }
    let equal = paths.iter().filter(|path| path.length == 0.0).count();
    if equal > 0 {
        warn!(equal, of = paths.len(), "baselines equal the image, which leaves nothing to attribute along their path");
    }
    let values = mean.into_iter().map(|value| value as f32).collect();
    let attribution = Attribution { values, shape: image.shape(), target: ends.explained };
    Ok(IntegratedGradients { attribution, score: ends.score, delta, converged, gradients, paths, quadratures })
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
    quadrature: Quadrature,
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
        match config.rule.fixed() {
            Some(rule) => self.doubled(scorer, rule, config, execution),
            None => self.bisected(scorer, config, execution),
        }
    }

    /// Rounds of twice as many nodes, which have no gradient in common.
    fn doubled<S: Scorer + ?Sized>(
        &self,
        scorer: &S,
        rule: QuadratureRule,
        config: &IntegratedGradientsConfig,
        execution: &Execution,
    ) -> Result<RefinedPath, ExplainError> {
        let mut rounds = Rounds::default();
        let (mut steps, mut gradients) = (config.steps, 0);
        loop {
            execution.require_memory("the nodes of the quadrature", "maximum_steps", [2, steps])?;
            let quadrature = rule.quadrature(steps)?;
            let mut attribution = vec![0.0_f64; self.image.values().len()];
            self.gradients(scorer, &quadrature.nodes, execution, |at| {
                let weight = quadrature.weights[at.index];
                attribution.iter_mut().zip(at.gradient).for_each(|(sum, &value)| *sum += weight * f64::from(value));
            })?;
            attribution.iter_mut().zip(self.difference()).for_each(|(sum, length)| *sum *= length);
            gradients += steps;
            let diagnostics = self.diagnose(&attribution, rounds.change(steps, &attribution), steps, config);
            if diagnostics.converged || config.never_refines() || steps == config.maximum_steps {
                return Ok(RefinedPath { attribution, quadrature, diagnostics, gradients });
            }
            rounds.push(steps, attribution);
            steps = config.maximum_steps.min(2 * steps);
        }
    }

    /// Rounds that keep every node and add some where the gradient changes most.
    fn bisected<S: Scorer + ?Sized>(
        &self,
        scorer: &S,
        config: &IntegratedGradientsConfig,
        execution: &Execution,
    ) -> Result<RefinedPath, ExplainError> {
        let size = self.image.values().len();
        let gradients_at = |nodes: &[f64]| -> Result<Vec<Vec<f32>>, ExplainError> {
            let mut gradients = Vec::with_capacity(nodes.len());
            self.gradients(scorer, nodes, execution, |at| gradients.push(at.gradient.to_vec()))?;
            Ok(gradients)
        };
        let nodes = Bisection::first_nodes(config.steps);
        let gradients = gradients_at(&nodes)?;
        let mut path = Bisection::new(self.difference().collect(), nodes, gradients);
        let mut rounds = Rounds::default();
        loop {
            let quadrature = path.quadrature();
            let steps = quadrature.nodes.len();
            let attribution = path.attribution(&quadrature);
            let diagnostics = self.diagnose(&attribution, rounds.change(steps, &attribution), steps, config);
            let (is_first, is_enough) = (steps < config.steps, diagnostics.converged || config.never_refines());
            let most = if is_first { config.steps } else { config.maximum_steps } - steps;
            let nodes = path.next_nodes(most);
            if (is_enough && !is_first) || nodes.is_empty() {
                return Ok(RefinedPath { attribution, quadrature, diagnostics, gradients: steps });
            }
            // gradients take half of the eight bytes
            let values = [steps + nodes.len(), size.div_ceil(2)];
            execution.require_memory("the gradients of the path", "maximum_steps", values)?;
            let gradients = gradients_at(&nodes)?;
            path = path.insert(nodes, gradients);
            rounds.push(steps, attribution);
        }
    }

    fn diagnose(
        &self,
        attribution: &[f64],
        change: Option<MapChange>,
        steps: usize,
        config: &IntegratedGradientsConfig,
    ) -> PathDiagnostics {
        let (difference, length) = (self.score - self.baseline_score, self.length());
        let rounding = ROUNDING * self.score.abs().max(self.baseline_score.abs());
        let delta = attribution.iter().sum::<f64>() - difference;
        let is_complete =
            config.tolerance.is_infinite() || delta.abs() <= (config.tolerance * difference.abs()).max(rounding);
        let is_settled = config.map_tolerance.is_infinite()
            || length == 0.0
            || change.as_ref().is_some_and(|change| change.is_within(config.map_tolerance.max(ROUNDING)));
        PathDiagnostics {
            baseline_score: self.baseline_score,
            delta,
            map_change: change.and_then(|change| change.relative()),
            steps,
            converged: is_complete && is_settled,
            length,
        }
    }

    /// The gradients at positions along the path, in their order.
    fn gradients<S: Scorer + ?Sized>(
        &self,
        scorer: &S,
        nodes: &[f64],
        execution: &Execution,
        receive: impl FnMut(ImageGradient),
    ) -> Result<(), ExplainError> {
        score_gradients(
            scorer,
            self.image.shape(),
            nodes.len(),
            self.explained,
            execution,
            |step, values| interpolate(self.baseline, self.image, nodes[step], values),
            receive,
        )
    }

    /// `x − b`.
    fn difference(&self) -> impl Iterator<Item = f64> {
        let ends = self.image.values().iter().zip(self.baseline.values());
        ends.map(|(&end, &start)| f64::from(end) - f64::from(start))
    }

    fn length(&self) -> f64 {
        self.difference().map(|value| value * value).sum::<f64>().sqrt()
    }
}
