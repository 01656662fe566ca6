use nalgebra::DMatrix;

use super::KernelShapPlan;
use crate::error::ExplainError;
use crate::execution::Cancellation;
use crate::masker::{CoalitionValues, SampledPlan};
use crate::shapley::ShapleySolution;
use crate::shapley::solution::Estimate;
use crate::surrogate::{NormalEquations, Solved};

/// How strongly values that the coalitions do not determine are drawn towards equal shares, as a fraction of the mean
/// diagonal of the normal equations: too little to move what is determined.
const PULL: f64 = 1e-9;

impl KernelShapPlan {
    /// The estimated Shapley values, given the value of every coalition.
    ///
    /// The regression `min Σ w (v(S) − v(∅) − Σ_{i ∈ S} φᵢ)²` is solved under `Σ φᵢ = v(N) − v(∅)` by expressing the
    /// last player through the others, so the values sum exactly at any number of evaluations. Where these are too few
    /// to determine the values, the solution nearest to equal shares is taken, and the result says so.
    ///
    /// Standard errors are those of a weighted regression whose rows are drawn pair by pair from each class of sizes
    /// without replacement: linearised, with the finite population correction, so that enumerated classes add nothing
    /// and the error at the full number of evaluations is 0.
    ///
    /// # Errors
    /// If there is not one row of values for each coalition, or the execution of the plan is cancelled.
    pub fn solve(&self, values: &CoalitionValues) -> Result<ShapleySolution, ExplainError> {
        values.require_rows(&self.coalitions)?;
        self.regress(values)
    }

    /// As [`KernelShapPlan::solve`], given the values of the first coalitions alone.
    pub(super) fn regress(&self, values: &CoalitionValues) -> Result<ShapleySolution, ExplainError> {
        let weights = self.weights_of_first(values.len());
        let (players, outputs) = (self.coalitions.players(), values.outputs());
        let (empty, full) = (values.of(0), values.of(1));
        let change: Vec<f64> = full.iter().zip(empty).map(|(full, empty)| full - empty).collect();
        let equal_shares: Vec<f64> = change.iter().map(|change| change / players as f64).collect();

        let last = players - 1;
        let rows = weights.len();
        let member = |row: usize, player: usize| f64::from(u8::from(self.coalitions.contains(row + 2, player)));
        let features = DMatrix::from_fn(rows, last, |row, player| member(row, player) - member(row, last));
        // What equal shares leave unexplained, so that the unknowns are the deviations from them.
        let targets = DMatrix::from_fn(rows, outputs, |row, output| {
            let size = self.coalitions.size(row + 2) as f64;
            values.of(row + 2)[output] - empty[output] - size * equal_shares[output]
        });

        let equations = NormalEquations::new(&features, &weights, &targets, &self.cancellation)?;
        let (solved, underdetermined) = match equations.solve(&self.cancellation)? {
            Some(solved) => (Some(solved), false),
            None => (drawn_to_equal_shares(equations, &self.cancellation)?, true),
        };
        let deviations =
            solved.as_ref().map_or_else(|| DMatrix::zeros(last, outputs), |solved| solved.coefficients.clone());
        let mut shapley = Vec::with_capacity(outputs * players);
        for output in 0..outputs {
            let start = shapley.len();
            shapley.extend(deviations.column(output).iter().map(|deviation| deviation + equal_shares[output]));
            let others: f64 = shapley[start..].iter().sum();
            shapley.push(change[output] - others);
        }
        let standard_errors = match (&solved, underdetermined) {
            (Some(solved), false) => Some(self.standard_errors(&features, &weights, &targets, solved)?),
            _ => None,
        };
        Ok(ShapleySolution::from(Estimate {
            players,
            values: shapley,
            standard_errors,
            empty: empty.to_vec(),
            full: full.to_vec(),
            evaluations: values.len(),
            underdetermined,
        }))
    }

    /// `[outputs, players]`.
    fn standard_errors(
        &self,
        features: &DMatrix<f64>,
        weights: &[f64],
        targets: &DMatrix<f64>,
        solved: &Solved,
    ) -> Result<Vec<f64>, ExplainError> {
        // A coalition and its complement have opposite features, so that a pair counts as one observation.
        let (observed, unknowns, outputs) = (features.nrows() / 2, features.ncols(), targets.ncols());
        let players = unknowns + 1;
        let mut variances = vec![0.0; outputs * players];
        let residuals = targets - features * &solved.coefficients;
        // The residuals of a fit are smaller than the errors, by this factor if they all have the same variance.
        let fitted = observed as f64 / (observed as f64 - unknowns as f64).max(1.0);
        for stratum in self.strata(observed) {
            let pairs = stratum.pairs.len();
            for output in 0..outputs {
                let pulls = DMatrix::from_fn(unknowns, pairs, |player, pair| {
                    let first = 2 * stratum.pairs[pair];
                    let pull = |row: usize| weights[row] * residuals[(row, output)] * features[(row, player)];
                    pull(first) + pull(first + 1)
                });
                let influences = solved.apply_inverse(&pulls, &self.cancellation)?;
                let last = influences.row_sum();
                for player in 0..players {
                    let influence = |pair: usize| {
                        if player < unknowns { influences[(player, pair)] } else { -last[pair] }
                    };
                    let mean = (0..pairs).map(influence).sum::<f64>() / pairs as f64;
                    let spread: f64 = (0..pairs).map(|pair| (influence(pair) - mean).powi(2)).sum();
                    // A single pair tells nothing of the spread but its own size.
                    let spread = if pairs == 1 { mean * mean } else { spread * pairs as f64 / (pairs - 1) as f64 };
                    variances[output * players + player] += fitted * (1.0 - stratum.fraction).max(0.0) * spread;
                }
            }
        }
        Ok(variances.into_iter().map(f64::sqrt).collect())
    }
}

/// The deviations from equal shares of least norm, the last player's included, among those that fit.
fn drawn_to_equal_shares(
    mut equations: NormalEquations,
    cancellation: &Cancellation,
) -> Result<Option<Solved>, ExplainError> {
    let unknowns = equations.gram.nrows();
    let pull = PULL * equations.gram.trace() / unknowns as f64;
    for (row, column) in (0..unknowns).flat_map(|row| (0..unknowns).map(move |column| (row, column))) {
        equations.gram[(row, column)] += if row == column { 2.0 * pull } else { pull };
    }
    equations.solve(cancellation)
}
