//! What a table of scores is made of: intervals that cover, rankings, ties, and one order over all kinds of score.

#![expect(clippy::float_cmp, reason = "ranks are whole or half numbers")]

use std::collections::BTreeSet;

use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{
    Direction, ExplainError, MethodScore, OverallRanking, Ranking, ScoreKind, mean_interval, overall_ranking,
    rank_methods,
};

/// How often, of 6000 times, the 95 % interval of `count` scores covers their true mean.
fn coverage(count: usize, mean: f64, score: impl Fn(&mut dyn FnMut() -> f64) -> f64) -> f64 {
    const TRIALS: u64 = 6000;
    let covers = |trial: u64| {
        let draw = Draw { seed: 1, purpose: Purpose::new("coverage"), epoch: count as u64, index: trial };
        let mut generator = draw.generator();
        let scores: Vec<f64> = (0..count).map(|_| score(&mut || generator.random::<f64>())).collect();
        let interval = mean_interval(&scores, 0.95).unwrap();
        assert!(interval.low <= interval.mean && interval.mean <= interval.high, "{interval:?}");
        (interval.low..=interval.high).contains(&mean)
    };
    (0..TRIALS).filter(|&trial| covers(trial)).count() as f64 / TRIALS as f64
}

fn normal(uniform: &mut dyn FnMut() -> f64) -> f64 {
    let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform()).cos()
}

/// The table of the page on scores says more than this: the methods that were not chosen are there, too.
#[test]
fn intervals_cover_the_mean_as_often_as_they_say() {
    for count in [5, 8, 30] {
        let of_normal = coverage(count, 0.0, normal);
        assert!((0.93..=0.97).contains(&of_normal), "normal, {count}: {of_normal}");
        let exponential = coverage(count, 1.0, |uniform| -(1.0 - uniform()).ln());
        assert!((0.93..=0.97).contains(&exponential), "exponential, {count}: {exponential}");
        // skewed and bounded, as correlations and shares are
        let bounded = coverage(count, 1.0 / 3.0, |uniform| uniform().powi(2));
        assert!((0.93..=0.975).contains(&bounded), "bounded, {count}: {bounded}");
    }
}

#[test]
fn methods_are_ranked_in_the_direction_of_the_score() {
    let entry = |method: &str, score: Option<f64>| MethodScore { method: method.to_owned(), score };
    let entries =
        [entry("a", Some(0.2)), entry("b", Some(0.7)), entry("c", None), entry("d", Some(0.2)), entry("e", Some(0.1))];
    let ranked = |kind: ScoreKind| {
        let ranking = rank_methods(kind, &entries).unwrap();
        assert_eq!(ranking.unranked, ["c"]);
        ranking.methods.iter().map(|method| (method.method.clone(), method.rank)).collect::<Vec<_>>()
    };
    let owned = |pairs: [(&str, f64); 4]| pairs.map(|(method, rank)| (method.to_owned(), rank)).to_vec();
    assert_eq!(ranked(ScoreKind::InsertionArea), owned([("b", 1.0), ("a", 2.5), ("d", 2.5), ("e", 4.0)]));
    assert_eq!(ranked(ScoreKind::DeletionArea), owned([("e", 1.0), ("a", 2.5), ("d", 2.5), ("b", 4.0)]));
    let titles: BTreeSet<&str> = ScoreKind::ALL.into_iter().map(ScoreKind::title).collect();
    let headings: BTreeSet<&str> = ScoreKind::ALL.into_iter().map(ScoreKind::heading).collect();
    assert_eq!((titles.len(), headings.len()), (13, 13));
    let lower = ScoreKind::ALL.into_iter().filter(|kind| kind.direction() == Direction::Lower).count();
    assert_eq!((lower, ScoreKind::ALL.len()), (6, 13));
    assert!(matches!(
        rank_methods(ScoreKind::Infidelity, &[entry("a", Some(f64::NAN))]),
        Err(ExplainError::NotFinite { .. })
    ));
}

#[test]
fn what_differs_by_rounding_is_tied() {
    let entry = |method: &str, score: f64| MethodScore { method: method.to_owned(), score: Some(score) };
    let ranks = |kind: ScoreKind, scores: [f64; 3]| {
        let entries: Vec<MethodScore> = ["a", "b", "c"].into_iter().zip(scores).map(|(m, s)| entry(m, s)).collect();
        let ranking = rank_methods(kind, &entries).unwrap();
        ["a", "b", "c"].map(|method| ranking.rank(method).unwrap())
    };
    // relative to the scores where the model decides their size
    assert_eq!(ranks(ScoreKind::DeletionArea, [1000.0, 1000.001, 1001.0]), [1.5, 1.5, 3.0]);
    assert_eq!(ranks(ScoreKind::Infidelity, [1e-9, 2e-9, 3e-9]), [1.0, 2.0, 3.0]);
    // completeness errors of rounding alone are all the same
    assert_eq!(ranks(ScoreKind::Completeness, [1e-9, 3e-6, 1e-3]), [1.5, 1.5, 3.0]);
    assert_eq!(ranks(ScoreKind::MuFidelity, [0.5, 0.4999, 0.500_001]), [1.5, 3.0, 1.5]);
}

const CONTROLS: [&str; 2] = ["random", "sobel"];

/// The order over all of: kind, then the scores of lime, shap, random and sobel.
fn overall(columns: &[(ScoreKind, [Option<f64>; 4])]) -> OverallRanking {
    let ranking = |(kind, scores): &(ScoreKind, [Option<f64>; 4])| {
        let names = ["lime", "shap", "random", "sobel"].into_iter();
        let entry = |(method, &score): (&str, &Option<f64>)| MethodScore { method: method.to_owned(), score };
        rank_methods(*kind, &names.zip(scores).map(entry).collect::<Vec<_>>()).unwrap()
    };
    overall_ranking(&columns.iter().map(ranking).collect::<Vec<Ranking>>(), &CONTROLS).unwrap()
}

fn places(ranking: &OverallRanking) -> Vec<(&str, f64, f64)> {
    ranking.methods.iter().map(|method| (method.method.as_str(), method.mean_rank, method.place)).collect()
}

#[test]
fn each_kind_has_one_vote_whatever_the_number_of_its_variants() {
    let some = |scores: [f64; 4]| scores.map(Some);
    // lime is ahead in three variants of one kind, shap in two kinds of one variant each
    let deletion = (ScoreKind::DeletionArea, some([0.1, 0.2, 0.4, 0.3]));
    let found = overall(&[
        deletion,
        deletion,
        deletion,
        (ScoreKind::MuFidelity, some([0.5, 0.6, 0.0, 0.1])),
        (ScoreKind::Sparseness, some([0.5, 0.6, 0.0, 0.1])),
    ]);
    assert_eq!(found.kinds, [ScoreKind::DeletionArea, ScoreKind::MuFidelity, ScoreKind::Sparseness]);
    let mean = |ranks: [f64; 3]| ranks.iter().sum::<f64>() / 3.0;
    let expected = [
        ("shap", mean([2.0, 1.0, 1.0]), 1.0),
        ("lime", mean([1.0, 2.0, 2.0]), 2.0),
        ("sobel", 3.0, 3.0),
        ("random", 4.0, 4.0),
    ];
    for (found, expected) in places(&found).iter().zip(expected) {
        assert!(found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-9, "{found:?}, {expected:?}");
        assert!((found.2 - expected.2).abs() < 1e-9, "{found:?}, {expected:?}");
    }

    // variants that disagree are averaged: the kind is then tied
    let found = overall(&[
        (ScoreKind::DeletionArea, some([0.1, 0.2, 0.4, 0.3])),
        (ScoreKind::DeletionArea, some([0.2, 0.1, 0.4, 0.3])),
    ]);
    assert_eq!(places(&found)[..2], [("lime", 1.5, 1.5), ("shap", 1.5, 1.5)]);
}

#[test]
fn methods_are_compared_only_where_all_have_a_score() {
    let found = overall(&[
        (ScoreKind::DeletionArea, [0.1, 0.2, 0.3, 0.4].map(Some)),
        // the controls promise no completeness: the kind has no vote
        (ScoreKind::Completeness, [Some(0.1), Some(0.0), None, None]),
        // shap was not measured in a kind that votes: it has no place, and the others move up
        (ScoreKind::MaxSensitivity, [Some(0.3), None, Some(0.0), Some(0.1)]),
    ]);
    assert_eq!(found.kinds, [ScoreKind::DeletionArea, ScoreKind::MaxSensitivity]);
    assert_eq!(places(&found), [("random", 1.5, 1.0), ("lime", 2.0, 2.0), ("sobel", 2.5, 3.0)]);
    assert_eq!(found.unplaced.len(), 1);
    assert_eq!(
        (found.unplaced[0].method.as_str(), &found.unplaced[0].lacks[..]),
        ("shap", &[ScoreKind::MaxSensitivity][..])
    );
    let nothing = overall(&[(ScoreKind::Completeness, [Some(0.1), Some(0.0), None, None])]);
    assert!(nothing.kinds.is_empty() && nothing.methods.is_empty(), "{nothing:?}");
}
