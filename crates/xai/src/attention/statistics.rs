use serde::Serialize;

use crate::attention::matrix::TokenMatrix;

/// How sharp an attention matrix is and how much it depends on the query.
///
/// Linear attention tends to be flat: with an entropy near 1 and a query dependence near 0, the map of one query is the
/// map of every query, and an image of it says little.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AttentionStatistics {
    /// The mean over the queries of the entropy of their rows divided by `ln tokens`: 1 for uniform attention, 0 if
    /// every query looks at one token.
    pub relative_entropy: f64,
    /// The smallest relative entropy of a row.
    pub smallest_relative_entropy: f64,
    /// The mean over the queries of the total variation distance `½ Σⱼ |A_ij − c_j|` between a row and the mean row
    /// `c`: 0 if all rows are equal, below 1 always.
    pub query_dependence: f64,
    /// The largest distance of a row from the mean row.
    pub largest_query_dependence: f64,
}

impl AttentionStatistics {
    /// The statistics of a matrix, whose rows are scaled to sum to 1 where they do not (heads fused by maximum or
    /// minimum). A row of zeros has no entropy and counts as uniform.
    pub fn of(matrix: &TokenMatrix) -> Self {
        let tokens = matrix.tokens();
        let rows: Vec<Vec<f64>> = matrix.rows().map(distribution).collect();
        let normalised = TokenMatrix::from_parts(rows.concat(), tokens);
        let mean_row = normalised.mean_row();
        let entropies: Vec<f64> = rows.iter().map(|row| relative_entropy(row)).collect();
        let distances: Vec<f64> = rows
            .iter()
            .map(|row| 0.5 * row.iter().zip(&mean_row).map(|(value, mean)| (value - mean).abs()).sum::<f64>())
            .collect();
        Self {
            relative_entropy: entropies.iter().sum::<f64>() / tokens as f64,
            smallest_relative_entropy: entropies.iter().copied().fold(f64::INFINITY, f64::min),
            query_dependence: distances.iter().sum::<f64>() / tokens as f64,
            largest_query_dependence: distances.iter().copied().fold(0.0, f64::max),
        }
    }
}

/// The row scaled to sum to 1, uniform if it sums to 0.
fn distribution(row: &[f64]) -> Vec<f64> {
    let sum: f64 = row.iter().sum();
    if sum > 0.0 { row.iter().map(|value| value / sum).collect() } else { vec![1.0 / row.len() as f64; row.len()] }
}

/// The entropy of a distribution over tokens, values that are at least 0 and sum to 1, over that of the uniform one; 1 for a
/// single token.
pub fn relative_entropy(row: &[f64]) -> f64 {
    if row.len() == 1 {
        return 1.0;
    }
    let entropy: f64 = row.iter().filter(|&&value| value > 0.0).map(|value| -value * value.ln()).sum();
    entropy / (row.len() as f64).ln()
}
