use nalgebra::DMatrix;

use super::{NormalEquations, Solved};
use crate::error::{ExplainError, require_count};
use crate::execution::Cancellation;
use crate::masker::{CoalitionValues, Coalitions};

/// A linear function of coalition membership for each output: intercept plus the coefficients of the players inside.
#[derive(Clone, Debug, PartialEq)]
pub struct RidgeSurrogate {
    /// Coefficients `[outputs, players]`.
    pub coefficients: Vec<f64>,
    /// Intercepts `[outputs]`.
    pub intercepts: Vec<f64>,
    /// Whether the coalitions determine the coefficients without the penalty. Where they do not, the penalty alone
    /// chooses among the functions that fit equally well.
    pub determined: bool,
    players: usize,
}

impl RidgeSurrogate {
    /// The coefficients `[players]` of one output.
    ///
    /// # Panics
    /// If there is no such output.
    pub fn of(&self, output: usize) -> &[f64] {
        &self.coefficients[output * self.players..(output + 1) * self.players]
    }

    /// What the surrogate says of coalition `index` for one output.
    ///
    /// # Panics
    /// If there is no such coalition or output, or the coalition is of another number of players.
    pub fn predict(&self, coalitions: &Coalitions, index: usize, output: usize) -> f64 {
        let inside = |&(player, _): &(usize, &f64)| coalitions.contains(index, player);
        let sum: f64 = self.of(output).iter().enumerate().filter(inside).map(|(_, coefficient)| coefficient).sum();
        self.intercepts[output] + sum
    }

    /// The weighted coefficient of determination `1 − Σw(y − ŷ)² / Σw(y − ȳ)²` of each output over some coalitions;
    /// `None` where the values do not vary, since there is then nothing to determine.
    ///
    /// # Errors
    /// If there is not one weight and one row of values for each coalition.
    pub fn weighted_r2(
        &self,
        coalitions: &Coalitions,
        weights: &[f64],
        values: &CoalitionValues,
    ) -> Result<Vec<Option<f64>>, ExplainError> {
        values.require_rows(coalitions)?;
        require_count("list of weights", weights.len(), coalitions.len())?;
        let total: f64 = weights.iter().sum();
        let of_output = |output: usize| {
            let value = |row: usize| values.of(row)[output];
            let sum = |term: &dyn Fn(usize) -> f64| -> f64 {
                weights.iter().enumerate().map(|(row, weight)| weight * term(row)).sum()
            };
            let mean = sum(&value) / total;
            let spread = sum(&|row| (value(row) - mean).powi(2));
            let residual = sum(&|row| (value(row) - self.predict(coalitions, row, output)).powi(2));
            let scale = sum(&|row| value(row).powi(2));
            (spread > 1e-24 * scale).then(|| 1.0 - residual / spread)
        };
        Ok((0..values.outputs()).map(of_output).collect())
    }
}

/// Fits `min Σ w (y − intercept − coefficients · membership)² + penalty · Σ coefficients²`, the intercept free of the
/// penalty, by centring on the weighted means (Hoerl and Kennard 1970; `sklearn.linear_model.Ridge`).
///
/// # Errors
/// If there is not one weight and one row of values for each coalition, a weight is negative or not finite or they sum
/// to 0, the penalty is negative or not finite, the coalitions do not determine the coefficients, which is an error only
/// without a penalty, or it is cancelled.
pub fn fit_ridge(
    coalitions: &Coalitions,
    weights: &[f64],
    values: &CoalitionValues,
    penalty: f64,
    cancellation: &Cancellation,
) -> Result<RidgeSurrogate, ExplainError> {
    RidgeFit::new(coalitions, weights, values, penalty, cancellation).map(|fit| fit.surrogate)
}

/// A linear function with what its standard errors are made from.
pub(crate) struct RidgeFit {
    pub(crate) surrogate: RidgeSurrogate,
    solved: Solved,
    /// Centred, `[coalitions, players]`.
    features: DMatrix<f64>,
    /// Centred, `[coalitions, outputs]`.
    targets: DMatrix<f64>,
}

impl RidgeFit {
    /// As [`fit_ridge`].
    pub(crate) fn new(
        coalitions: &Coalitions,
        weights: &[f64],
        values: &CoalitionValues,
        penalty: f64,
        cancellation: &Cancellation,
    ) -> Result<Self, ExplainError> {
        values.require_rows(coalitions)?;
        require_count("list of weights", weights.len(), coalitions.len())?;
        require_weights(weights)?;
        tinylsa_settings::require_within("penalty", penalty, 0.0..=f64::MAX)?;
        let (rows, players, outputs) = (coalitions.len(), coalitions.players(), values.outputs());
        let mut features =
            DMatrix::from_fn(rows, players, |row, player| f64::from(u8::from(coalitions.contains(row, player))));
        let mut targets = DMatrix::from_row_slice(rows, outputs, values.as_slice());
        let feature_means = centre(&mut features, weights);
        let target_means = centre(&mut targets, weights);

        let mut equations = NormalEquations::new(&features, weights, &targets, cancellation)?;
        let determined = equations.is_determined(cancellation)?;
        for player in 0..players {
            equations.gram[(player, player)] += penalty;
        }
        let solved = equations.solve(cancellation)?.ok_or(ExplainError::Underdetermined { rows, unknowns: players })?;
        let coefficients = &solved.coefficients;
        let intercepts = (0..outputs)
            .map(|output| {
                let explained: f64 =
                    coefficients.column(output).iter().zip(&feature_means).map(|(c, mean)| c * mean).sum();
                target_means[output] - explained
            })
            .collect();
        // Stored column by column, so the columns, one for each output, follow one another.
        let coefficients = coefficients.as_slice().to_vec();
        let surrogate = RidgeSurrogate { coefficients, intercepts, determined, players };
        Ok(RidgeFit { surrogate, solved, features, targets })
    }

    /// The standard errors of the coefficients, `[outputs, players]`.
    ///
    /// The coalitions are drawn at random, the function is not linear, and the weights are no inverse variances, so that
    /// the variance is that of the sandwich `A⁻¹ (Σ wᵢ² rᵢ² xᵢ xᵢᵀ) A⁻¹` with `A = XᵀWX + penalty` and the residuals `r`
    /// (White 1980, "A heteroskedasticity-consistent covariance matrix estimator"), times `n / (n − players − 1)` since
    /// the residuals of a fit are smaller than the errors (`HC1` of MacKinnon and White 1985). The penalty is taken as
    /// given: the errors say nothing of the bias that it brings.
    pub(crate) fn standard_errors(
        &self,
        weights: &[f64],
        cancellation: &Cancellation,
    ) -> Result<Vec<f64>, ExplainError> {
        let (rows, players, outputs) = (self.features.nrows(), self.features.ncols(), self.targets.ncols());
        let residuals = &self.targets - &self.features * &self.solved.coefficients;
        let fitted = rows as f64 / (rows as f64 - players as f64 - 1.0).max(1.0);
        let mut errors = Vec::with_capacity(outputs * players);
        let none = DMatrix::zeros(rows, 0);
        for output in 0..outputs {
            let pulls: Vec<f64> =
                weights.iter().zip(residuals.column(output).iter()).map(|(w, r)| (w * r).powi(2)).collect();
            let spread = NormalEquations::new(&self.features, &pulls, &none, cancellation)?.gram;
            let half = self.solved.apply_inverse(&spread, cancellation)?.transpose();
            let variances = self.solved.apply_inverse(&half, cancellation)?.diagonal();
            errors.extend(variances.iter().map(|variance| (fitted * variance.max(0.0)).sqrt()));
        }
        Ok(errors)
    }
}

/// Subtracts the weighted mean of every column and returns the means.
fn centre(matrix: &mut DMatrix<f64>, weights: &[f64]) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    let mut means = Vec::with_capacity(matrix.ncols());
    for mut column in matrix.column_iter_mut() {
        let mean = column.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>() / total;
        column.iter_mut().for_each(|value| *value -= mean);
        means.push(mean);
    }
    means
}

fn require_weights(weights: &[f64]) -> Result<(), ExplainError> {
    crate::error::require_finite("list of weights", weights)?;
    if let Some(position) = weights.iter().position(|&weight| weight < 0.0) {
        let value = weights[position];
        return Err(ExplainError::Value { what: "list of weights", position, value, expected: "no negative weight" });
    }
    if weights.iter().all(|&weight| weight == 0.0) {
        return Err(ExplainError::Empty { what: "list of weights above 0" });
    }
    Ok(())
}
