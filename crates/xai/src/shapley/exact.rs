use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};
use tracing::debug;

use super::ShapleySolution;
use super::solution::{Estimate, require_players};
use crate::error::ExplainError;
use crate::execution::{Cancellation, Execution};
use crate::masker::{CoalitionValues, Coalitions, SampledPlan};

/// After how many coalitions a cancellation is looked for: a fraction of a second even for a thousand classes.
const CHECK_EVERY: usize = 4096;

/// Settings of exact Shapley values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExactShapleyConfig {
    /// The most segments that are enumerated, inert ones not counted, at most 20. Each one more doubles the cost.
    pub limit: usize,
}

impl Default for ExactShapleyConfig {
    /// Twelve segments, 4 096 evaluations.
    fn default() -> Self {
        Self { limit: 12 }
    }
}

impl ExactShapleyConfig {
    /// The most segments that are ever enumerated: a million coalitions.
    pub const MOST: usize = 20;

    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("limit", self.limit, 1..=Self::MOST)
    }
}

/// How many evaluations the enumeration of all coalitions of `players` players costs, for each replacement image;
/// `u128::MAX` if that is more than fits.
pub fn exact_shapley_evaluations(players: usize) -> u128 {
    u32::try_from(players).ok().and_then(|players| 1_u128.checked_shl(players)).unwrap_or(u128::MAX)
}

/// All coalitions of some players.
///
/// `φᵢ = Σ_{S ∌ i} (v(S ∪ i) − v(S)) / (M · C(M − 1, |S|))` (Shapley 1953).
#[derive(Clone, Debug)]
pub struct ExactShapleyPlan {
    coalitions: Coalitions,
    cancellation: Cancellation,
}

impl ExactShapleyPlan {
    /// Plans the enumeration, and says in an event what it costs.
    ///
    /// # Errors
    /// If there are no players or more than the limit, the limit is out of range, or the coalitions would take more memory
    /// than is allowed.
    pub fn new(players: usize, config: &ExactShapleyConfig, execution: &Execution) -> Result<Self, ExplainError> {
        config.validate()?;
        require_players(players)?;
        let evaluations = exact_shapley_evaluations(players);
        if players > config.limit {
            return Err(ExplainError::TooManyPlayers { players, evaluations, limit: config.limit });
        }
        execution.require_memory("all coalitions", "the number of segments", [1_usize << players])?;
        debug!(players, %evaluations, "enumerating all coalitions");
        Ok(Self { coalitions: Coalitions::all(players), cancellation: execution.cancellation.clone() })
    }

    /// The coalitions whose values are needed: number `c` holds player `p` if bit `p` of `c` is set.
    pub fn coalitions(&self) -> &Coalitions {
        &self.coalitions
    }

    /// The Shapley values, given the value of every coalition. Costs `players · 2^(players − 1)` additions an output.
    ///
    /// # Errors
    /// If there is not one row of values for each coalition, or the execution of the plan is cancelled.
    pub fn solve(&self, values: &CoalitionValues) -> Result<ShapleySolution, ExplainError> {
        values.require_rows(&self.coalitions)?;
        solve_enumerated(self.coalitions.players(), values, |coalition| coalition, &self.cancellation)
    }
}

impl SampledPlan for ExactShapleyPlan {
    type Solution = ShapleySolution;

    fn coalitions(&self) -> &Coalitions {
        &self.coalitions
    }

    fn stops(&self) -> Vec<usize> {
        vec![self.coalitions.len()]
    }

    fn relative_standard_error(&self, _values: &CoalitionValues) -> Result<Option<f64>, ExplainError> {
        Ok(Some(0.0))
    }

    fn solve_first(&self, values: &CoalitionValues) -> Result<ShapleySolution, ExplainError> {
        self.solve(values)
    }

    fn weights_of_first(&self, _coalitions: usize) -> Vec<f64> {
        Vec::new()
    }
}

/// The Shapley values, given the values of all coalitions: that of coalition `c` in row `row_of(c)`. There may be further
/// rows.
pub(super) fn solve_enumerated(
    players: usize,
    values: &CoalitionValues,
    row_of: impl Fn(usize) -> usize + Sync,
    cancellation: &Cancellation,
) -> Result<ShapleySolution, ExplainError> {
    let (outputs, coalitions) = (values.outputs(), 1_usize << players);
    let weights = size_weights(players);
    let of_player = |player: usize| {
        let mut sums = vec![0.0; outputs];
        for (number, without) in (0..coalitions).filter(|coalition| coalition >> player & 1 == 0).enumerate() {
            if number.is_multiple_of(CHECK_EVERY) {
                cancellation.check("players", player, players)?;
            }
            let weight = weights[without.count_ones() as usize];
            let pair = values.of(row_of(without | 1 << player)).iter().zip(values.of(row_of(without)));
            sums.iter_mut().zip(pair).for_each(|(sum, (with, without))| *sum += weight * (with - without));
        }
        Ok(sums)
    };
    let by_player = (0..players).into_par_iter().map(of_player).collect::<Result<Vec<Vec<f64>>, ExplainError>>()?;
    let shapley = (0..outputs).flat_map(|output| by_player.iter().map(move |sums| sums[output])).collect();
    Ok(ShapleySolution::from(Estimate {
        players,
        values: shapley,
        standard_errors: Some(vec![0.0; outputs * players]),
        empty: values.of(row_of(0)).to_vec(),
        full: values.of(row_of(coalitions - 1)).to_vec(),
        evaluations: values.len(),
        underdetermined: false,
    }))
}

/// `1 / (M · C(M − 1, k))` for the sizes `k` from 0 to `M − 1`.
fn size_weights(players: usize) -> Vec<f64> {
    let mut subsets = 1.0;
    (0..players)
        .map(|size| {
            let weight = 1.0 / (players as f64 * subsets);
            subsets *= (players - 1 - size) as f64 / (size + 1) as f64;
            weight
        })
        .collect()
}
