use serde::{Deserialize, Serialize};

use super::kind::{Direction, ScoreKind};
use super::statistics::ranks_with_ties;
use crate::error::{ExplainError, require_finite};

/// Mean ranks closer than this differ by the order of a sum.
const EQUAL_RANKS: f64 = 1e-9;

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

/// Puts methods in order by one score. Scores that differ by no more than rounding ([`ScoreKind::is_tie`]) are equal.
///
/// # Errors
/// If a score is NaN or infinite.
pub fn rank_methods(kind: ScoreKind, scores: &[MethodScore]) -> Result<Ranking, ExplainError> {
    let defined: Vec<(&MethodScore, f64)> =
        scores.iter().filter_map(|entry| entry.score.map(|score| (entry, score))).collect();
    let values: Vec<f64> = defined.iter().map(|(_, score)| *score).collect();
    require_finite("the list of scores", &values)?;
    let direction = kind.direction();
    let sign = if direction == Direction::Higher { -1.0 } else { 1.0 };
    let signed: Vec<f64> = values.iter().map(|value| sign * value).collect();
    let places = ranks_with_ties(&signed, |a, b| kind.is_tie(a, b));
    let mut methods: Vec<RankedMethod> = defined
        .into_iter()
        .zip(places)
        .map(|((entry, score), rank)| RankedMethod { method: entry.method.clone(), score, rank })
        .collect();
    methods.sort_by(|a, b| a.rank.total_cmp(&b.rank));
    let undefined = scores.iter().filter(|entry| entry.score.is_none());
    Ok(Ranking { kind, direction, methods, unranked: undefined.map(|entry| entry.method.clone()).collect() })
}

/// A method's place over all kinds of score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverallPlace {
    /// The method's name.
    pub method: String,
    /// The mean of its ranks, each kind of score counting once.
    pub mean_rank: f64,
    /// Its place from 1, the best; methods with equal mean ranks share the mean of their places.
    pub place: f64,
}

/// A method that has no place over all kinds, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unplaced {
    /// The method's name.
    pub method: String,
    /// The kinds that vote and in which it has no score.
    pub lacks: Vec<ScoreKind>,
}

/// Methods in order of all their scores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OverallRanking {
    /// The kinds of score that vote, each once.
    pub kinds: Vec<ScoreKind>,
    /// The methods, the best first.
    pub methods: Vec<OverallPlace>,
    /// The methods that lack a score of a kind that votes.
    pub unplaced: Vec<Unplaced>,
}

/// Puts methods in order by all their scores at once.
///
/// - Each *kind* of score has one vote, however many rankings (baselines, scales, depths) it comes in: a method's rank by a
///   kind is the mean of its ranks in the rankings of that kind.
/// - A kind votes if every control is ranked in all of its rankings.
/// - Only methods are compared that are ranked wherever a kind votes, the controls among them. The ranks are those among
///   these methods alone.
/// - Methods are put in order by the mean of their ranks over the kinds. Mean ranks that differ by less than 1e-9 are equal.
///
/// A mean of ranks says who is ahead more often, not by how much, and every kind counts alike, those that a random map can
/// win among them. It is a summary to begin with; whether a method beats a control is what [`paired_difference`] says.
///
/// [`paired_difference`]: super::paired_difference
///
/// # Errors
/// If a score is NaN or infinite.
pub fn overall_ranking(rankings: &[Ranking], controls: &[&str]) -> Result<OverallRanking, ExplainError> {
    let mut kinds: Vec<ScoreKind> = Vec::new();
    for ranking in rankings {
        if !kinds.contains(&ranking.kind) {
            kinds.push(ranking.kind);
        }
    }
    let of_kind = |kind: ScoreKind| rankings.iter().filter(move |ranking| ranking.kind == kind);
    let has = |kind: ScoreKind, method: &str| of_kind(kind).all(|ranking| ranking.score(method).is_some());
    kinds.retain(|&kind| controls.iter().all(|control| has(kind, control)));

    let mut names: Vec<&str> = Vec::new();
    for ranking in rankings {
        let ranked = ranking.methods.iter().map(|method| method.method.as_str());
        for method in ranked.chain(ranking.unranked.iter().map(String::as_str)) {
            if !names.contains(&method) {
                names.push(method);
            }
        }
    }
    let lacks = |method: &str| kinds.iter().copied().filter(|&kind| !has(kind, method)).collect::<Vec<ScoreKind>>();
    let (placed, unplaced): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| lacks(name).is_empty());

    let mut sums = vec![0.0; placed.len()];
    for &kind in &kinds {
        for ranking in of_kind(kind) {
            let score = |&method: &&str| MethodScore { method: method.to_owned(), score: ranking.score(method) };
            let among = rank_methods(kind, &placed.iter().map(score).collect::<Vec<_>>())?;
            for (sum, method) in sums.iter_mut().zip(&placed) {
                *sum += among.rank(method).unwrap_or(0.0) / of_kind(kind).count() as f64;
            }
        }
    }
    let mean_ranks: Vec<f64> = sums.iter().map(|sum| sum / kinds.len().max(1) as f64).collect();
    let places = ranks_with_ties(&mean_ranks, |a, b| (a - b).abs() < EQUAL_RANKS);
    let place = |((method, mean_rank), place): ((&&str, f64), f64)| OverallPlace {
        method: (*method).to_owned(),
        mean_rank,
        place,
    };
    let mut methods: Vec<OverallPlace> =
        if kinds.is_empty() { Vec::new() } else { placed.iter().zip(mean_ranks).zip(places).map(place).collect() };
    methods.sort_by(|a, b| a.place.total_cmp(&b.place));
    let unplaced =
        unplaced.iter().map(|&method| Unplaced { method: method.to_owned(), lacks: lacks(method) }).collect();
    Ok(OverallRanking { kinds, methods, unplaced })
}

impl Ranking {
    /// The rank of a method; `None` if it has no score.
    pub fn rank(&self, method: &str) -> Option<f64> {
        Some(self.methods.iter().find(|ranked| ranked.method == method)?.rank)
    }

    /// The score of a method that is ranked.
    fn score(&self, method: &str) -> Option<f64> {
        Some(self.methods.iter().find(|ranked| ranked.method == method)?.score)
    }
}
