use nalgebra::{Cholesky, DMatrix, Dyn};

/// Below this ratio of the smallest to the largest pivot the equations count as not determined: about the rounding of
/// f64 times the number of rows.
const SMALLEST_PIVOT_RATIO: f64 = 1e-11;

/// `XᵀWX β = XᵀWY` of a weighted least-squares problem.
pub(crate) struct NormalEquations {
    /// `XᵀWX`, `[features, features]`.
    pub(crate) gram: DMatrix<f64>,
    /// `XᵀWY`, `[features, outputs]`.
    pub(crate) moments: DMatrix<f64>,
}

/// The solution of normal equations, with the factor that inverts them.
pub(crate) struct Solved {
    factor: Cholesky<f64, Dyn>,
    /// `[features, outputs]`.
    pub(crate) coefficients: DMatrix<f64>,
}

impl NormalEquations {
    /// The normal equations of the features `[rows, features]`, one weight for each row, and the targets
    /// `[rows, outputs]`.
    pub(crate) fn new(features: &DMatrix<f64>, weights: &[f64], targets: &DMatrix<f64>) -> Self {
        let mut weighted = features.clone();
        for mut column in weighted.column_iter_mut() {
            column.iter_mut().zip(weights).for_each(|(value, weight)| *value *= weight);
        }
        Self { gram: weighted.tr_mul(features), moments: weighted.tr_mul(targets) }
    }

    /// The solution, or `None` if the rows do not determine it.
    pub(crate) fn solve(&self) -> Option<Solved> {
        let factor = self.gram.clone().cholesky()?;
        let pivots = factor.l_dirty().diagonal().map(|pivot| pivot * pivot);
        // Written so that a NaN counts as not determined.
        let determined = pivots.is_empty() || pivots.min() > SMALLEST_PIVOT_RATIO * pivots.max();
        determined.then(|| Solved { coefficients: factor.solve(&self.moments), factor })
    }
}

impl Solved {
    /// `(XᵀWX)⁻¹ rows`, for rows that are stored as columns `[features, count]`.
    pub(crate) fn apply_inverse(&self, columns: &DMatrix<f64>) -> DMatrix<f64> {
        self.factor.solve(columns)
    }
}
