use nalgebra::{Cholesky, DMatrix, Dyn};
use rayon::prelude::*;

use crate::error::ExplainError;
use crate::execution::Cancellation;

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
    ///
    /// # Errors
    /// If it is cancelled.
    pub(crate) fn new(
        features: &DMatrix<f64>,
        weights: &[f64],
        targets: &DMatrix<f64>,
        cancellation: &Cancellation,
    ) -> Result<Self, ExplainError> {
        let mut weighted = features.clone();
        for mut column in weighted.column_iter_mut() {
            column.iter_mut().zip(weights).for_each(|(value, weight)| *value *= weight);
        }
        Ok(Self {
            gram: transposed_product(&weighted, features, cancellation)?,
            moments: transposed_product(&weighted, targets, cancellation)?,
        })
    }

    /// Whether the rows determine the solution.
    ///
    /// # Errors
    /// If it is cancelled.
    pub(crate) fn is_determined(&self, cancellation: &Cancellation) -> Result<bool, ExplainError> {
        Ok(self.factor(cancellation)?.is_some())
    }

    /// The solution, or `None` if the rows do not determine it.
    ///
    /// # Errors
    /// If it is cancelled.
    pub(crate) fn solve(&self, cancellation: &Cancellation) -> Result<Option<Solved>, ExplainError> {
        let Some(factor) = self.factor(cancellation)? else { return Ok(None) };
        let coefficients = solve_columns(&factor, &self.moments, cancellation)?;
        Ok(Some(Solved { factor, coefficients }))
    }

    /// The factor of the equations, unless a pivot is next to nothing.
    fn factor(&self, cancellation: &Cancellation) -> Result<Option<Cholesky<f64, Dyn>>, ExplainError> {
        let Some(factor) = cholesky(self.gram.clone(), cancellation)? else { return Ok(None) };
        let pivots = factor.l_dirty().diagonal().map(|pivot| pivot * pivot);
        // Written so that a NaN counts as not determined.
        let determined = pivots.is_empty() || pivots.min() > SMALLEST_PIVOT_RATIO * pivots.max();
        Ok(determined.then_some(factor))
    }
}

impl Solved {
    /// `(XᵀWX)⁻¹ rows`, for rows that are stored as columns `[features, count]`.
    ///
    /// # Errors
    /// If it is cancelled.
    pub(crate) fn apply_inverse(
        &self,
        columns: &DMatrix<f64>,
        cancellation: &Cancellation,
    ) -> Result<DMatrix<f64>, ExplainError> {
        solve_columns(&self.factor, columns, cancellation)
    }
}

/// `leftᵀ right`, one dot product for each entry, so that threads change no bit.
fn transposed_product(
    left: &DMatrix<f64>,
    right: &DMatrix<f64>,
    cancellation: &Cancellation,
) -> Result<DMatrix<f64>, ExplainError> {
    let total = right.ncols();
    let column = |index: usize| {
        cancellation.check("columns of the regression", index, total)?;
        Ok(left.column_iter().map(|left| left.dot(&right.column(index))).collect())
    };
    let columns = (0..total).into_par_iter().map(column).collect::<Result<Vec<Vec<f64>>, ExplainError>>()?;
    Ok(DMatrix::from_vec(left.ncols(), total, columns.concat()))
}

/// The Cholesky decomposition of a symmetric matrix, or `None` if it is not positive definite. The same operations in the
/// same order as nalgebra's own, which cannot be cancelled.
fn cholesky(mut matrix: DMatrix<f64>, cancellation: &Cancellation) -> Result<Option<Cholesky<f64, Dyn>>, ExplainError> {
    let size = matrix.ncols();
    for column in 0..size {
        cancellation.check("columns of the factor", column, size)?;
        for earlier in 0..column {
            let factor = -matrix[(column, earlier)];
            let (mut this, that) = matrix.columns_range_pair_mut(column, earlier);
            this.rows_range_mut(column..).axpy(factor, &that.rows_range(column..), 1.0);
        }
        let diagonal = matrix[(column, column)];
        // Written so that a NaN ends here, too.
        if diagonal.is_nan() || diagonal <= 0.0 {
            return Ok(None);
        }
        let root = diagonal.sqrt();
        matrix[(column, column)] = root;
        let mut below = matrix.view_range_mut(column + 1.., column);
        below /= root;
    }
    Ok(Some(Cholesky::pack_dirty(matrix)))
}

/// Solves for each column in turn, as nalgebra does.
fn solve_columns(
    factor: &Cholesky<f64, Dyn>,
    columns: &DMatrix<f64>,
    cancellation: &Cancellation,
) -> Result<DMatrix<f64>, ExplainError> {
    let mut solution = columns.clone();
    let total = solution.ncols();
    for (index, mut column) in solution.column_iter_mut().enumerate() {
        cancellation.check("solutions of the regression", index, total)?;
        factor.solve_mut(&mut column);
    }
    Ok(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A well-conditioned symmetric matrix of numbers without a pattern.
    fn matrix(size: usize) -> DMatrix<f64> {
        let root = DMatrix::from_fn(size + 3, size, |row, column| ((row * 31 + column * 17) % 23) as f64 / 23.0 - 0.4);
        root.tr_mul(&root) + DMatrix::identity(size, size)
    }

    #[test]
    fn factor_products_and_solutions_have_the_bits_of_nalgebra() {
        let never = Cancellation::default();
        for size in [1, 2, 7, 40] {
            let (gram, right) = (matrix(size), DMatrix::from_fn(size, 3, |row, column| (row + 2 * column) as f64));
            let ours = cholesky(gram.clone(), &never).unwrap().unwrap();
            let theirs = gram.clone().cholesky().unwrap();
            assert_eq!(ours.l(), theirs.l());
            assert_eq!(solve_columns(&ours, &right, &never).unwrap(), theirs.solve(&right));
            assert_eq!(transposed_product(&gram, &right, &never).unwrap(), gram.tr_mul(&right));
        }
        assert!(cholesky(DMatrix::from_element(2, 2, 1.0), &never).unwrap().is_none());
        assert!(cholesky(DMatrix::from_element(2, 2, f64::NAN), &never).unwrap().is_none());
    }

    #[test]
    fn every_part_stops_when_it_is_cancelled() {
        let (cancelled, gram) = (Cancellation::default(), matrix(5));
        cancelled.cancel();
        let is_cancelled = |error: ExplainError| matches!(error, ExplainError::Cancelled { done: 0, .. });
        assert!(is_cancelled(cholesky(gram.clone(), &cancelled).unwrap_err()));
        let factor = gram.clone().cholesky().unwrap();
        assert!(is_cancelled(solve_columns(&factor, &gram, &cancelled).unwrap_err()));
        assert!(matches!(transposed_product(&gram, &gram, &cancelled), Err(ExplainError::Cancelled { .. })));
    }
}
