use serde::{Deserialize, Serialize};

use super::kind::{Direction, ScoreKind};
use super::statistics::ranks;
use crate::error::ExplainError;

/// What one method reached in one score, such as the mean over images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodScore {
    /// The method's name.
    pub method: String,
    /// Its score; `None` if it is not defined for the method.
    pub score: Option<f64>,
}

/// A method's place among others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedMethod {
    /// The method's name.
    pub method: String,
    /// Its score.
    pub score: f64,
    /// Its place from 1, the best; methods with equal scores share the mean of their places.
    pub rank: f64,
}

/// Methods in order of one score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// The score.
    pub kind: ScoreKind,
    /// Whether more or less of it is better.
    pub direction: Direction,
    /// The methods, the best first; equal ones in the order in which they were given.
    pub methods: Vec<RankedMethod>,
    /// The methods for which the score is not defined.
    pub unranked: Vec<String>,
}

/// Puts methods in order by one score.
///
/// # Errors
/// If a score is NaN or infinite.
pub fn rank_methods(kind: ScoreKind, scores: &[MethodScore]) -> Result<Ranking, ExplainError> {
    let defined: Vec<(&MethodScore, f64)> =
        scores.iter().filter_map(|entry| entry.score.map(|score| (entry, score))).collect();
    let values: Vec<f64> = defined.iter().map(|(_, score)| *score).collect();
    crate::error::require_finite("the list of scores", &values)?;
    let direction = kind.direction();
    let sign = if direction == Direction::Higher { -1.0 } else { 1.0 };
    let places = ranks(&values.iter().map(|value| sign * value).collect::<Vec<f64>>());
    let mut methods: Vec<RankedMethod> = defined
        .into_iter()
        .zip(places)
        .map(|((entry, score), rank)| RankedMethod { method: entry.method.clone(), score, rank })
        .collect();
    methods.sort_by(|a, b| a.rank.total_cmp(&b.rank));
    let undefined = scores.iter().filter(|entry| entry.score.is_none());
    Ok(Ranking { kind, direction, methods, unranked: undefined.map(|entry| entry.method.clone()).collect() })
}
