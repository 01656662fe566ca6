use serde::Serialize;
use tracing::warn;

use super::{
    ExactShapleyConfig, ExactShapleyPlan, KernelShapConfig, KernelShapPlan, PermutationShapConfig, PermutationShapPlan,
    ShapleySolution,
};
use crate::attribution::{Attribution, ExplainedScore, Targets};
use crate::error::ExplainError;
use crate::execution::Execution;
use crate::masker::{CoalitionValues, Coalitions, EvaluatedGame, ExplainedValues, Masker};
use crate::scorer::Scorer;

/// Shapley values of the segments of an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShapleyExplanation {
    /// The score of each output of the solution.
    pub explained: Vec<ExplainedScore>,
    /// The values of the segments, one output for each explained score, with their diagnostics.
    pub solution: ShapleySolution,
    /// The values spread over the image, one map for each explained score.
    pub attributions: Vec<Attribution>,
    /// Segments that look the same hidden and shown, whose value is therefore 0.
    pub inert_segments: Vec<usize>,
    /// What was evaluated.
    #[serde(skip)]
    pub game: EvaluatedGame,
}

/// Exact Shapley values of the segments for one target or several, at the same cost of
/// `2^M` forward passes for each replacement image (see [`exact_shapley_evaluations`](crate::exact_shapley_evaluations)).
///
/// # Errors
/// If there are more segments than the config's limit, more memory would be taken than is allowed, the class does not
/// exist, the scorer gives the image other scores in another batch, the call is cancelled, or the scores are not
/// `[batch, classes]` or those of an explained class not finite.
///
#[doc = include_str!("../../docs/methods/exact-shapley.md")]
pub fn exact_shapley<S: Scorer + ?Sized>(
    scorer: &S,
    masker: &Masker,
    targets: impl Into<Targets>,
    config: &ExactShapleyConfig,
    execution: &Execution,
) -> Result<ShapleyExplanation, ExplainError> {
    let plan = ExactShapleyPlan::new(masker.segmentation().count(), config, execution)?;
    explain(scorer, masker, &targets.into(), execution, plan.coalitions(), &[], |values| plan.solve(values))
}

/// `KernelSHAP` values of the segments for one target or several, at the same cost of
/// `config.evaluations + 2` forward passes for each replacement image.
///
/// # Errors
/// If the class does not exist, a setting is out of range, more memory would be taken than is allowed, the scorer gives
/// the image other scores in another batch, the call is cancelled, or the scores are not `[batch, classes]` or those of
/// an explained class not finite.
///
#[doc = include_str!("../../docs/methods/kernel-shap.md")]
pub fn kernel_shap<S: Scorer + ?Sized>(
    scorer: &S,
    masker: &Masker,
    targets: impl Into<Targets>,
    config: &KernelShapConfig,
    execution: &Execution,
) -> Result<ShapleyExplanation, ExplainError> {
    let plan = KernelShapPlan::new(masker.segmentation().count(), config, execution)?;
    let (coalitions, weights) = (plan.coalitions(), plan.weights());
    let explanation =
        explain(scorer, masker, &targets.into(), execution, coalitions, weights, |values| plan.solve(values))?;
    if explanation.solution.underdetermined {
        let evaluations = explanation.solution.evaluations;
        warn!(evaluations, "too few coalitions to determine the Shapley values: drawn towards equal shares");
    }
    Ok(explanation)
}

/// Permutation SHAP values of the segments for one target or several, at the same cost
/// of `2 (M − 1)` forward passes for each permutation and replacement image, and two more.
///
/// # Errors
/// If the class does not exist, a setting is out of range, more memory would be taken than is allowed, the scorer gives
/// the image other scores in another batch, the call is cancelled, or the scores are not `[batch, classes]` or those of
/// an explained class not finite.
///
#[doc = include_str!("../../docs/methods/permutation-shap.md")]
pub fn permutation_shap<S: Scorer + ?Sized>(
    scorer: &S,
    masker: &Masker,
    targets: impl Into<Targets>,
    config: &PermutationShapConfig,
    execution: &Execution,
) -> Result<ShapleyExplanation, ExplainError> {
    let plan = PermutationShapPlan::new(masker.segmentation().count(), config, execution)?;
    explain(scorer, masker, &targets.into(), execution, plan.coalitions(), &[], |values| plan.solve(values))
}

fn explain<S: Scorer + ?Sized>(
    scorer: &S,
    masker: &Masker,
    targets: &Targets,
    execution: &Execution,
    coalitions: &Coalitions,
    weights: &[f64],
    solve: impl Fn(&CoalitionValues) -> Result<ShapleySolution, ExplainError>,
) -> Result<ShapleyExplanation, ExplainError> {
    let ExplainedValues { explained, values } = masker.values(scorer, coalitions, targets, execution)?;
    let solution = solve(&values)?;
    let attributions = explained
        .iter()
        .zip(solution.values.chunks_exact(solution.players))
        .map(|(&score, values)| masker.attribution(values, score))
        .collect::<Result<_, _>>()?;
    let game = EvaluatedGame { coalitions: coalitions.clone(), weights: weights.to_vec(), values };
    Ok(ShapleyExplanation { explained, solution, attributions, inert_segments: masker.inert_segments(), game })
}
