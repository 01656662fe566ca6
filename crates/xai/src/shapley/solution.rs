use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, require_index};
use crate::masker::{CoalitionValues, Players, relative_standard_error};

/// Shapley values of a game, for each of its outputs, with what tells how far to trust them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShapleySolution {
    /// The number of players.
    pub players: usize,
    /// The number of outputs.
    pub outputs: usize,
    /// The values `[outputs, players]`.
    pub values: Vec<f64>,
    /// Standard errors of the values, `[outputs, players]`: 0 where every coalition was evaluated, and `None` where
    /// there are too few samples to tell.
    pub standard_errors: Option<Vec<f64>>,
    /// The value of the empty coalition, `[outputs]`.
    pub empty: Vec<f64>,
    /// The value of the full coalition, `[outputs]`.
    pub full: Vec<f64>,
    /// By how much the sum of the values misses `full - empty`, `[outputs]`. Rounding alone for every method here.
    pub additivity_residuals: Vec<f64>,
    /// How many coalitions were evaluated, the empty and the full one included. Segments that are left out of the game
    /// take no part in them.
    pub evaluations: usize,
    /// Whether the coalitions were too few to determine the values, so that they were drawn towards equal shares.
    pub underdetermined: bool,
}

/// What a plan computes; the rest of a [`ShapleySolution`] follows from it.
pub(super) struct Estimate {
    pub(super) players: usize,
    pub(super) values: Vec<f64>,
    pub(super) standard_errors: Option<Vec<f64>>,
    pub(super) empty: Vec<f64>,
    pub(super) full: Vec<f64>,
    pub(super) evaluations: usize,
    pub(super) underdetermined: bool,
}

impl From<Estimate> for ShapleySolution {
    fn from(estimate: Estimate) -> Self {
        let ends = estimate.full.iter().zip(&estimate.empty);
        let additivity_residuals = estimate
            .values
            .chunks_exact(estimate.players)
            .zip(ends)
            .map(|(values, (full, empty))| values.iter().sum::<f64>() - (full - empty))
            .collect();
        Self {
            players: estimate.players,
            outputs: estimate.full.len(),
            values: estimate.values,
            standard_errors: estimate.standard_errors,
            empty: estimate.empty,
            full: estimate.full,
            additivity_residuals,
            evaluations: estimate.evaluations,
            underdetermined: estimate.underdetermined,
        }
    }
}

impl ShapleySolution {
    /// The values `[players]` of one output.
    ///
    /// # Errors
    /// If there is no such output.
    pub fn of(&self, output: usize) -> Result<&[f64], ExplainError> {
        require_index("output", output, self.outputs)?;
        Ok(&self.values[output * self.players..(output + 1) * self.players])
    }

    /// The same values among those of all segments, where the segments that are no players have 0 without any error.
    pub(super) fn among_segments(self, players: &Players) -> Self {
        let outputs = self.outputs;
        let spread = |values: &[f64]| players.spread(values, outputs);
        Self {
            players: players.all_segments(),
            values: spread(&self.values),
            standard_errors: self.standard_errors.as_deref().map(spread),
            ..self
        }
    }

    /// The solution of a game without players, given the value of its only coalition.
    pub(super) fn without_players(values: &CoalitionValues) -> Self {
        let only = values.of(0).to_vec();
        Self {
            players: 0,
            outputs: values.outputs(),
            values: Vec::new(),
            standard_errors: Some(Vec::new()),
            additivity_residuals: vec![0.0; values.outputs()],
            empty: only.clone(),
            full: only,
            evaluations: values.len(),
            underdetermined: false,
        }
    }

    /// The largest relative standard error of the outputs, if it is known.
    pub(super) fn relative_standard_error(&self) -> Option<f64> {
        let errors = self.standard_errors.as_ref()?;
        relative_standard_error(errors, &self.values, self.players)
    }

    /// The standard errors `[players]` of one output, if they are known.
    ///
    /// # Errors
    /// If there is no such output.
    pub fn standard_errors_of(&self, output: usize) -> Result<Option<&[f64]>, ExplainError> {
        require_index("output", output, self.outputs)?;
        let range = output * self.players..(output + 1) * self.players;
        Ok(self.standard_errors.as_ref().map(|errors| &errors[range]))
    }
}

/// Requires at least one player.
pub(super) fn require_players(players: usize) -> Result<(), ExplainError> {
    if players == 0 { Err(ExplainError::Empty { what: "list of players" }) } else { Ok(()) }
}
