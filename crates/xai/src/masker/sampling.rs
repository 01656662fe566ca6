use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};
use tracing::warn;

use super::{CoalitionValues, Coalitions, EvaluatedGame, Game, Players};
use crate::error::ExplainError;
use crate::scorer::Scorer;
use crate::watch::ExplainStep;

/// How many coalitions it took to estimate values, and how well they are known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// How many coalitions were evaluated.
    pub evaluations: usize,
    /// How many the budget would have allowed.
    pub budget: usize,
    /// The root of the summed squared standard errors over the norm of the values, the largest of all outputs; `None`
    /// where it is not known or every value is 0.
    pub relative_standard_error: Option<f64>,
    /// The relative standard error that was asked for; 0 asks for all of the budget.
    pub tolerance: f64,
    /// Whether the relative standard error is at most the tolerance.
    pub converged: bool,
}

impl Sampling {
    /// Of a result without any sampling: all of it was evaluated.
    pub(crate) fn complete(evaluations: usize) -> Self {
        Self { evaluations, budget: evaluations, relative_standard_error: Some(0.0), tolerance: 0.0, converged: true }
    }

    /// Whether the budget ended before the tolerance was reached that was asked for.
    pub fn falls_short(&self) -> bool {
        self.tolerance > 0.0 && !self.converged
    }
}

/// Coalitions that are drawn one after the other, so that the first of them are a smaller plan: a larger budget goes on
/// with the same draws.
pub(crate) trait SampledPlan {
    type Solution;

    /// The coalitions of all of the budget.
    fn coalitions(&self) -> &Coalitions;

    /// After how many coalitions the errors are looked at, ascending; the last is all of them.
    fn stops(&self) -> Vec<usize>;

    /// The relative standard error from the values of the first coalitions, as many as one of the stops.
    fn relative_standard_error(&self, values: &CoalitionValues) -> Result<Option<f64>, ExplainError>;

    /// The solution from the values of the first coalitions, as many as one of the stops.
    fn solve_first(&self, values: &CoalitionValues) -> Result<Self::Solution, ExplainError>;

    /// The weights of the first coalitions in the regression, if there is one.
    fn weights_of_first(&self, coalitions: usize) -> Vec<f64>;
}

/// What sampling found.
pub(crate) struct Sampled<T> {
    pub(crate) solution: T,
    pub(crate) sampling: Sampling,
    pub(crate) game: EvaluatedGame,
}

/// Evaluates the coalitions of a plan in rounds until the relative standard error is at most the tolerance, or all are
/// evaluated. The rounds depend on the plan alone: the same bits at any batch size and number of threads.
pub(crate) fn sample<P: SampledPlan, S: Scorer + ?Sized>(
    plan: &P,
    tolerance: f64,
    game: &mut Game<'_, S>,
    players: &Players,
) -> Result<Sampled<P::Solution>, ExplainError> {
    let (budget, mut stops) = (plan.coalitions().len(), plan.stops());
    if tolerance == 0.0 {
        stops.drain(..stops.len().saturating_sub(1));
    }
    let (mut values, mut relative_standard_error) = (None, None);
    let execution = game.execution;
    let tell = |done, relative_standard_error| {
        let step = ExplainStep::Estimate { what: "coalitions", done, most: budget, relative_standard_error };
        execution.watch.tell(step);
    };
    tell(0, None);
    for stop in stops {
        game.evaluate(plan.coalitions(), stop)?;
        let found = game.values()?;
        relative_standard_error = plan.relative_standard_error(&found)?;
        tell(stop, relative_standard_error);
        values = Some(found);
        if relative_standard_error.is_some_and(|error| error <= tolerance) {
            break;
        }
    }
    let values = values.ok_or(ExplainError::Empty { what: "list of coalitions" })?;
    let converged = relative_standard_error.is_some_and(|error| error <= tolerance);
    let evaluations = values.len();
    let sampling = Sampling { evaluations, budget, relative_standard_error, tolerance, converged };
    if sampling.falls_short() {
        warn!(evaluations, relative_standard_error, tolerance, "the budget ended before the tolerance was reached");
    }
    let game = EvaluatedGame {
        coalitions: plan.coalitions().first(evaluations),
        players: players.segments.clone(),
        weights: plan.weights_of_first(evaluations),
        values,
    };
    Ok(Sampled { solution: plan.solve_first(&game.values)?, sampling, game })
}

/// Numbers from `first` to `last`, each half as large again as the one before, `last` among them.
pub(crate) fn growing(first: usize, last: usize) -> Vec<usize> {
    let next = |&count: &usize| (count < last).then(|| (count + count.div_ceil(2)).min(last));
    std::iter::successors(Some(first.clamp(1, last.max(1)).min(last)), next).collect()
}

/// The norm of the errors `[outputs, players]` over that of the values, the largest of all outputs. 0 where the errors are,
/// even if the values are 0, too.
pub(crate) fn relative_standard_error(errors: &[f64], values: &[f64], players: usize) -> Option<f64> {
    let norm = |list: &[f64]| list.iter().map(|value| value * value).sum::<f64>().sqrt();
    let of_output = |(errors, values): (&[f64], &[f64])| {
        let (error, value) = (norm(errors), norm(values));
        if error == 0.0 { Some(0.0) } else { (value > 0.0).then(|| error / value) }
    };
    errors
        .chunks(players.max(1))
        .zip(values.chunks(players.max(1)))
        .map(of_output)
        .try_fold(0.0, |largest, relative| relative.map(|relative| if relative > largest { relative } else { largest }))
}

/// Checks the setting `tolerance`.
pub(crate) fn require_tolerance(tolerance: f64) -> Result<(), InvalidSetting> {
    require_within("tolerance", tolerance, 0.0..=1.0)
}

/// The relative standard error that the sampling methods aim at: 20 %.
pub(crate) const DEFAULT_TOLERANCE: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_grow_by_a_half_and_end_with_the_budget() {
        assert_eq!(growing(8, 32), [8, 12, 18, 27, 32]);
        assert_eq!(growing(8, 5), [5]);
        assert_eq!(growing(1, 4), [1, 2, 3, 4]);
        assert_eq!(growing(8, 0), [0]);
    }

    #[test]
    fn errors_are_relative_to_the_values_of_their_output() {
        let relative = |errors: &[f64], values: &[f64]| relative_standard_error(errors, values, 2);
        assert_eq!(relative(&[3.0, 4.0], &[6.0, 8.0]), Some(0.5));
        assert_eq!(relative(&[3.0, 4.0, 0.3, 0.4], &[6.0, 8.0, 3.0, 4.0]), Some(0.5));
        assert_eq!(relative(&[0.0, 0.0], &[0.0, 0.0]), Some(0.0));
        assert_eq!(relative(&[1.0, 0.0], &[0.0, 0.0]), None);
    }
}
