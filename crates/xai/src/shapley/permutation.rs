use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};

use super::ShapleySolution;
use super::exact::{ExactShapleyConfig, exact_shapley_evaluations, solve_enumerated};
use super::solution::{Estimate, require_players};
use crate::error::ExplainError;
use crate::execution::{Cancellation, Execution};
use crate::masker::{
    CoalitionValues, Coalitions, DEFAULT_TOLERANCE, SampledPlan, growing, require_tolerance, words_each,
};

const WALK: Purpose = Purpose::new("permutation shap walk");

/// Settings of permutation SHAP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PermutationShapConfig {
    /// The most permutations that are walked, each forward and in reverse. Each costs `2 (M − 1)` evaluations.
    pub permutations: usize,
    /// The relative standard error at which sampling ends; 0 walks all of the permutations.
    pub tolerance: f64,
}

impl Default for PermutationShapConfig {
    /// 64 permutations, at most 6 146 evaluations of 49 segments, and 20 %.
    fn default() -> Self {
        Self { permutations: 64, tolerance: DEFAULT_TOLERANCE }
    }
}

impl PermutationShapConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("permutations", self.permutations, 1..=1_000_000)?;
        require_tolerance(self.tolerance)
    }
}

/// After how many permutations the standard errors are looked at first: they are the spread of few numbers before.
const FIRST_ROUND: usize = 8;

/// Antithetic permutation walks (Mitchell et al. 2022, "Sampling permutations for Shapley value estimation"): players
/// join in the order of a random permutation, then in the reverse order, and each is credited with the mean change of
/// value when it joined. Every walk leads from the empty to the full coalition, so the values sum exactly.
///
/// Where the walks would take as many evaluations as there are coalitions, all coalitions are evaluated instead, and the
/// values are the mean over all permutations: exact.
#[derive(Clone, Debug)]
pub struct PermutationShapPlan {
    permutations: Vec<Vec<usize>>,
    coalitions: Coalitions,
    /// The row of each coalition by its number, if all of them are in the plan.
    enumerated: Option<Vec<usize>>,
    cancellation: Cancellation,
}

impl PermutationShapPlan {
    /// Draws the permutations from the seed of the execution.
    ///
    /// # Errors
    /// If there are no players, a setting is out of range, the coalitions would take more memory than is allowed, or the
    /// execution is cancelled.
    pub fn new(players: usize, config: &PermutationShapConfig, execution: &Execution) -> Result<Self, ExplainError> {
        config.validate()?;
        require_players(players)?;
        let is_enumerable = |permutations: usize| {
            players <= ExactShapleyConfig::MOST
                && rows_of(players, permutations) as u128 >= exact_shapley_evaluations(players)
        };
        let first = if config.tolerance == 0.0 { config.permutations } else { FIRST_ROUND };
        let rounds = growing(first, config.permutations);
        // the walks of the rounds before the one that all coalitions cost no more than
        let (count, enumerates) = match rounds.iter().position(|&round| is_enumerable(round)) {
            Some(0) => (0, true),
            Some(round) => (rounds[round - 1], true),
            None => (config.permutations, false),
        };
        // the permutations, and two walks of coalitions for each
        let walks = [count, players, 1 + 2 * words_each(players)];
        execution.require_memory("the walks of permutation SHAP", "permutations", walks)?;
        let mut coalitions = Coalitions::new(players);
        coalitions.push_players([]);
        coalitions.push_players(0..players);
        let mut permutations: Vec<Vec<usize>> = Vec::with_capacity(count);
        for index in 0..count {
            execution.cancellation.check("permutations", index, count)?;
            let draw = Draw { seed: execution.seed, purpose: WALK, epoch: 0, index: index as u64 };
            let mut permutation: Vec<usize> = (0..players).collect();
            permutation.shuffle(&mut draw.generator());
            for joined in 1..players {
                coalitions.push_players(permutation[..joined].iter().copied());
            }
            for joined in 1..players {
                coalitions.push_players(permutation[players - joined..].iter().copied());
            }
            permutations.push(permutation);
        }
        let enumerated = enumerates.then(|| with_the_rest(&mut coalitions));
        Ok(Self { permutations, coalitions, enumerated, cancellation: execution.cancellation.clone() })
    }

    /// The coalitions whose values are needed: the empty one, the full one, then those of every walk in turn, then, if
    /// all are evaluated, the rest.
    pub fn coalitions(&self) -> &Coalitions {
        &self.coalitions
    }

    /// The estimated Shapley values, given the value of every coalition. The standard error is that of the mean over
    /// permutations, unknown for a single one, and 0 if all coalitions are evaluated.
    ///
    /// # Errors
    /// If there is not one row of values for each coalition, or the execution of the plan is cancelled.
    pub fn solve(&self, values: &CoalitionValues) -> Result<ShapleySolution, ExplainError> {
        values.require_rows(&self.coalitions)?;
        self.solve_first(values)
    }

    fn solve_walks(&self, permutations: usize, values: &CoalitionValues) -> Result<ShapleySolution, ExplainError> {
        let (players, outputs) = (self.coalitions.players(), values.outputs());
        let count = permutations as f64;
        let mut means = vec![0.0; outputs * players];
        let mut squares = vec![0.0; outputs * players];
        let mut credits = vec![0.0; outputs * players];
        for (index, permutation) in self.permutations[..permutations].iter().enumerate() {
            self.cancellation.check("permutations", index, permutations)?;
            let first = rows_of(players, index);
            credits.fill(0.0);
            credit_walk(permutation.iter(), first, values, players, &mut credits);
            credit_walk(permutation.iter().rev(), first + players - 1, values, players, &mut credits);
            // Welford 1962: mean and squared deviations in one pass.
            for ((mean, square), credit) in means.iter_mut().zip(&mut squares).zip(&credits) {
                let difference = credit - *mean;
                *mean += difference / (index + 1) as f64;
                *square += difference * (credit - *mean);
            }
        }
        let error = |square: f64| (square / (count - 1.0) / count).sqrt();
        Ok(ShapleySolution::from(Estimate {
            players,
            values: means,
            standard_errors: (permutations > 1).then(|| squares.into_iter().map(error).collect()),
            empty: values.of(0).to_vec(),
            full: values.of(1).to_vec(),
            evaluations: values.len(),
            underdetermined: false,
        }))
    }
}

impl SampledPlan for PermutationShapPlan {
    type Solution = ShapleySolution;

    fn coalitions(&self) -> &Coalitions {
        &self.coalitions
    }

    fn stops(&self) -> Vec<usize> {
        let players = self.coalitions.players();
        let walked = growing(FIRST_ROUND, self.permutations.len()).into_iter().filter(|&round| round > 0);
        let mut stops: Vec<usize> = walked.map(|round| rows_of(players, round)).collect();
        if self.enumerated.is_some() {
            stops.push(self.coalitions.len());
        }
        stops
    }

    fn relative_standard_error(&self, values: &CoalitionValues) -> Result<Option<f64>, ExplainError> {
        Ok(self.solve_first(values)?.relative_standard_error())
    }

    fn solve_first(&self, values: &CoalitionValues) -> Result<ShapleySolution, ExplainError> {
        let players = self.coalitions.players();
        match &self.enumerated {
            Some(rows) if values.len() == self.coalitions.len() => {
                solve_enumerated(players, values, |coalition| rows[coalition], &self.cancellation)
            }
            Some(_) | None => {
                let each = rows_of(players, 1) - rows_of(players, 0);
                self.solve_walks((values.len() - rows_of(players, 0)) / each, values)
            }
        }
    }

    fn weights_of_first(&self, _coalitions: usize) -> Vec<f64> {
        Vec::new()
    }
}

/// The coalitions of so many permutations, the empty and the full one included.
fn rows_of(players: usize, permutations: usize) -> usize {
    permutations.saturating_mul(2 * (players - 1)).saturating_add(2)
}

/// Adds the coalitions that are missing, and returns the row of each coalition by its number. The caller has limited the
/// players to what can be enumerated.
fn with_the_rest(coalitions: &mut Coalitions) -> Vec<usize> {
    let players = coalitions.players();
    let mut rows: Vec<Option<usize>> = vec![None; 1 << players];
    for row in 0..coalitions.len() {
        rows[coalitions.bits(row)[0] as usize].get_or_insert(row);
    }
    let row_of = |(number, row): (usize, Option<usize>)| {
        row.unwrap_or_else(|| {
            coalitions.push_players((0..players).filter(|player| number >> player & 1 == 1));
            coalitions.len() - 1
        })
    };
    rows.into_iter().enumerate().map(row_of).collect()
}

/// Adds half of every player's change of value on one walk, whose inner coalitions start at row `first`.
fn credit_walk<'a>(
    order: impl Iterator<Item = &'a usize>,
    first: usize,
    values: &CoalitionValues,
    players: usize,
    credits: &mut [f64],
) {
    let mut before = values.of(0);
    for (step, &player) in order.enumerate() {
        let after = if step + 1 == players { values.of(1) } else { values.of(first + step) };
        for (output, (after, before)) in after.iter().zip(before).enumerate() {
            credits[output * players + player] += 0.5 * (after - before);
        }
        before = after;
    }
}
