use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};

use super::ShapleySolution;
use super::solution::{Estimate, require_players};
use crate::error::ExplainError;
use crate::execution::{Cancellation, Execution};
use crate::masker::{CoalitionValues, Coalitions, words_each};

const WALK: Purpose = Purpose::new("permutation shap walk");

/// Settings of permutation SHAP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PermutationShapConfig {
    /// How many permutations are walked, each forward and in reverse. Each costs `2 (M − 1)` evaluations.
    pub permutations: usize,
}

impl Default for PermutationShapConfig {
    /// 32 permutations: 3 074 evaluations of the 49 segments of the default grid.
    fn default() -> Self {
        Self { permutations: 32 }
    }
}

impl PermutationShapConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("permutations", self.permutations, 1..=1_000_000)
    }
}

/// Antithetic permutation walks (Mitchell et al. 2022, "Sampling permutations for Shapley value estimation"): players
/// join in the order of a random permutation, then in the reverse order, and each is credited with the mean change of
/// value when it joined. Every walk leads from the empty to the full coalition, so the values sum exactly.
#[derive(Clone, Debug)]
pub struct PermutationShapPlan {
    permutations: Vec<Vec<usize>>,
    coalitions: Coalitions,
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
        let count = config.permutations;
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
        Ok(Self { permutations, coalitions, cancellation: execution.cancellation.clone() })
    }

    /// The coalitions whose values are needed: the empty one, the full one, then those of every walk in turn.
    pub fn coalitions(&self) -> &Coalitions {
        &self.coalitions
    }

    /// The estimated Shapley values, given the value of every coalition. The standard error is that of the mean over
    /// permutations, unknown for a single one.
    ///
    /// # Errors
    /// If there is not one row of values for each coalition, or the execution of the plan is cancelled.
    pub fn solve(&self, values: &CoalitionValues) -> Result<ShapleySolution, ExplainError> {
        values.require_rows(&self.coalitions)?;
        let (players, outputs) = (self.coalitions.players(), values.outputs());
        let count = self.permutations.len() as f64;
        let mut means = vec![0.0; outputs * players];
        let mut squares = vec![0.0; outputs * players];
        let mut credits = vec![0.0; outputs * players];
        for (index, permutation) in self.permutations.iter().enumerate() {
            self.cancellation.check("permutations", index, self.permutations.len())?;
            let first = 2 + index * 2 * (players - 1);
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
            standard_errors: (count > 1.0).then(|| squares.into_iter().map(error).collect()),
            empty: values.of(0).to_vec(),
            full: values.of(1).to_vec(),
            evaluations: values.len(),
            underdetermined: false,
        }))
    }
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
