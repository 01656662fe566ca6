use serde::Serialize;
use tracing::warn;

use super::{
    ExactShapleyConfig, ExactShapleyPlan, KernelShapConfig, KernelShapPlan, PermutationShapConfig, PermutationShapPlan,
    ShapleySolution,
};
use crate::attribution::{Attribution, ExplainedScore, Targets};
use crate::error::ExplainError;
use crate::execution::Execution;
use crate::masker::{EvaluatedGame, Game, Masker, Players, Sampled, SampledPlan, Sampling, sample};
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
    /// Segments that look the same hidden and shown: they are left out of the game, and their value is 0.
    pub inert_segments: Vec<usize>,
    /// How many coalitions it took, and how well the values are known.
    pub sampling: Sampling,
    /// What was evaluated.
    #[serde(skip)]
    pub game: EvaluatedGame,
}

/// Exact Shapley values of the segments for one target or several, at the same cost of
/// `2^M` forward passes for each replacement image (see [`exact_shapley_evaluations`](crate::exact_shapley_evaluations)),
/// where `M` counts the segments that look different hidden and shown.
///
/// # Errors
/// If there are more such segments than the config's limit, more memory would be taken than is allowed, the class does not
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
    config.validate()?;
    explain(scorer, masker, &targets.into(), 0.0, execution, |players| {
        ExactShapleyPlan::new(players, config, execution)
    })
}

/// `KernelSHAP` values of the segments for one target or several, at the same cost of
/// at most `config.evaluations + 2` forward passes for each replacement image.
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
    config.validate()?;
    let explanation = explain(scorer, masker, &targets.into(), config.tolerance, execution, |players| {
        KernelShapPlan::new(players, config, execution)
    })?;
    if explanation.solution.underdetermined {
        let evaluations = explanation.solution.evaluations;
        warn!(evaluations, "too few coalitions to determine the Shapley values: drawn towards equal shares");
    }
    Ok(explanation)
}

/// Permutation SHAP values of the segments for one target or several, at the same cost
/// of `2 (M − 1)` forward passes for each permutation and replacement image, and two more, where `M` counts the segments
/// that look different hidden and shown.
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
    config.validate()?;
    explain(scorer, masker, &targets.into(), config.tolerance, execution, |players| {
        PermutationShapPlan::new(players, config, execution)
    })
}

/// Solves the game of the segments that are not inert by the plan that is made for so many players.
fn explain<S: Scorer + ?Sized, P: SampledPlan<Solution = ShapleySolution>>(
    scorer: &S,
    masker: &Masker,
    targets: &Targets,
    tolerance: f64,
    execution: &Execution,
    plan: impl FnOnce(usize) -> Result<P, ExplainError>,
) -> Result<ShapleyExplanation, ExplainError> {
    let players = Players::of(masker);
    let (sampled, explained) = if players.count() == 0 {
        warn!("every segment looks the same hidden and shown, so that every value is 0");
        let mut game = Game::new(masker, &players, scorer, targets, execution)?;
        let game_of_nobody = game.without_players()?;
        let solution = ShapleySolution::without_players(&game_of_nobody.values);
        let sampling = Sampling::complete(solution.evaluations);
        (Sampled { solution, sampling, game: game_of_nobody }, game.explained)
    } else {
        let plan = plan(players.count())?;
        let mut game = Game::new(masker, &players, scorer, targets, execution)?;
        (sample(&plan, tolerance, &mut game, &players)?, game.explained)
    };
    let Sampled { solution, sampling, game } = sampled;
    let solution = solution.among_segments(&players);
    let attributions = explained
        .iter()
        .zip(solution.values.chunks_exact(solution.players))
        .map(|(&score, values)| masker.attribution(values, score))
        .collect::<Result<_, _>>()?;
    Ok(ShapleyExplanation { explained, solution, attributions, inert_segments: players.inert, sampling, game })
}
