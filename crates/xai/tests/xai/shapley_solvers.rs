//! The Shapley solvers against games whose values are known, and against each other.

use proptest::prelude::*;
use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{
    CoalitionValues, Coalitions, ExactShapleyConfig, ExactShapleyPlan, Execution, ExplainError, KernelShapConfig,
    KernelShapPlan, PermutationShapConfig, PermutationShapPlan, ShapleySolution, exact_shapley_evaluations,
};

type Inside<'a> = &'a dyn Fn(usize) -> bool;
type Game<'a> = &'a dyn Fn(Inside) -> f64;
type Method<'a> = &'a dyn Fn(Game) -> ShapleySolution;

fn values(coalitions: &Coalitions, game: impl Fn(Inside) -> f64) -> CoalitionValues {
    CoalitionValues::of_game(coalitions, 1, |inside, row| row[0] = game(inside)).unwrap()
}

fn seeded(seed: u64) -> Execution {
    Execution { seed, ..Execution::default() }
}

fn exact(players: usize, game: impl Fn(Inside) -> f64) -> ShapleySolution {
    let plan = ExactShapleyPlan::new(players, &ExactShapleyConfig { limit: 16 }, &seeded(0)).unwrap();
    plan.solve(&values(plan.coalitions(), game)).unwrap()
}

fn kernel(players: usize, evaluations: usize, seed: u64, game: impl Fn(Inside) -> f64) -> ShapleySolution {
    let plan = KernelShapPlan::new(players, &KernelShapConfig { evaluations, tolerance: 0.0 }, &seeded(seed)).unwrap();
    plan.solve(&values(plan.coalitions(), game)).unwrap()
}

fn permutation(players: usize, permutations: usize, seed: u64, game: impl Fn(Inside) -> f64) -> ShapleySolution {
    let plan =
        PermutationShapPlan::new(players, &PermutationShapConfig { permutations, tolerance: 0.0 }, &seeded(seed))
            .unwrap();
    plan.solve(&values(plan.coalitions(), game)).unwrap()
}

fn check(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (player, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance, "player {player}: {found} instead of {expected}");
    }
}

fn random(seed: u64, index: u64, count: usize) -> Vec<f64> {
    let mut generator = Draw { seed, purpose: Purpose::new("test game"), epoch: 0, index }.generator();
    (0..count).map(|_| 2.0 * generator.random::<f64>() - 1.0).collect()
}

/// A game without any structure: an independent value for each of the `2^players` coalitions.
fn random_game(players: usize, seed: u64) -> impl Fn(Inside) -> f64 {
    let table = random(seed, 0, 1 << players);
    move |inside| table[(0..players).filter(|&player| inside(player)).map(|player| 1 << player).sum::<usize>()]
}

/// A game that resembles a small network over segments: 24 hidden units see random mixtures of the segments, bend them
/// with a smooth rectifier, and are summed with random weights.
fn network_game(players: usize, seed: u64) -> impl Fn(Inside) -> f64 {
    bent_game(players, seed, 1.0)
}

/// The same with mixtures `steepness` times as large, so that the rectifier looks the sharper.
fn bent_game(players: usize, seed: u64, steepness: f64) -> impl Fn(Inside) -> f64 {
    const HIDDEN: usize = 24;
    let inner = random(seed, 1, HIDDEN * players);
    let offsets = random(seed, 2, HIDDEN);
    let outer = random(seed, 3, HIDDEN);
    move |inside| {
        let unit = |unit: usize| {
            let sum: f64 =
                (0..players).filter(|&player| inside(player)).map(|player| inner[unit * players + player]).sum();
            outer[unit] * (1.0 + (steepness * (sum + offsets[unit])).exp()).ln()
        };
        (0..HIDDEN).map(unit).sum()
    }
}

#[test]
fn glove_game_gives_the_rare_glove_two_thirds() {
    let game = |inside: Inside| f64::from(u8::from(inside(0) && (inside(1) || inside(2))));
    check(exact(3, game).of(0).unwrap(), &[2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0], 1e-14);
}

#[test]
fn airport_game_shares_each_stretch_among_those_who_need_it() {
    let costs = [1.0, 3.0, 3.5, 7.0, 12.0];
    let game = |inside: Inside| (0..5).filter(|&player| inside(player)).map(|player| costs[player]).fold(0.0, f64::max);
    let mut expected = [0.0; 5];
    for (player, value) in expected.iter_mut().enumerate() {
        let stretch = |k: usize| costs[k] - if k == 0 { 0.0 } else { costs[k - 1] };
        *value = (0..=player).map(|k| stretch(k) / (5 - k) as f64).sum();
    }
    check(exact(5, game).of(0).unwrap(), &expected, 1e-13);
}

#[test]
fn majority_game_treats_all_alike() {
    let game = |inside: Inside| f64::from(u8::from((0..9).filter(|&player| inside(player)).count() >= 5));
    check(exact(9, game).of(0).unwrap(), &[1.0 / 9.0; 9], 1e-14);
}

#[test]
fn every_method_is_exact_on_an_additive_game() {
    let shares = random(5, 0, 16);
    let game =
        |inside: Inside| 0.25 + (0..16).filter(|&player| inside(player)).map(|player| shares[player]).sum::<f64>();
    check(exact(16, game).of(0).unwrap(), &shares, 1e-12);
    check(kernel(16, 2080, 1, game).of(0).unwrap(), &shares, 1e-12);
    check(permutation(16, 1, 1, game).of(0).unwrap(), &shares, 1e-12);
}

#[test]
fn several_outputs_are_solved_as_if_each_were_alone() {
    let games = [network_game(8, 1), network_game(8, 2), network_game(8, 3)];
    let plan = KernelShapPlan::new(8, &KernelShapConfig { evaluations: 100, tolerance: 0.0 }, &seeded(4)).unwrap();
    let together = CoalitionValues::of_game(plan.coalitions(), 3, |inside, row| {
        row.iter_mut().zip(&games).for_each(|(value, game)| *value = game(inside));
    });
    let together = plan.solve(&together.unwrap()).unwrap();
    for (output, game) in games.iter().enumerate() {
        check(together.of(output).unwrap(), kernel(8, 100, 4, game).of(0).unwrap(), 1e-13);
    }
}

#[test]
fn kernel_shap_with_all_coalitions_is_the_enumeration() {
    for players in 1..=12 {
        let game = random_game(players, players as u64);
        let found = kernel(players, (1 << players).max(2), 3, &game);
        assert_eq!(found.evaluations, 1 << players, "{players} players");
        check(found.of(0).unwrap(), exact(players, &game).of(0).unwrap(), 1e-9);
        if players > 1 {
            assert_eq!(found.standard_errors, Some(vec![0.0; players]));
        }
    }
}

#[test]
fn kernel_shap_is_additive_at_any_budget_and_never_exceeds_it() {
    for budget in [2, 3, 7, 16, 29, 32, 33, 100, 500, 1000, 5000] {
        let solution = kernel(16, budget, budget as u64, network_game(16, 1));
        assert!(solution.additivity_residuals[0].abs() <= 1e-12, "budget {budget}");
        assert!(solution.evaluations <= budget + 2 && solution.evaluations + 1 >= budget + 2, "budget {budget}");
        // 15 unknowns, and a pair of complements tells no more than one of them; a few pairs more may tell the same twice
        assert!(solution.underdetermined || budget >= 30, "budget {budget}");
        assert!(!solution.underdetermined || budget < 100, "budget {budget}");
    }
}

#[test]
fn too_few_coalitions_give_equal_shares_to_players_that_nothing_tells_apart() {
    let solution = kernel(6, 2, 1, |inside| (0..6).filter(|&player| inside(player)).count() as f64);
    assert!(solution.underdetermined);
    assert_eq!(solution.standard_errors, None);
    check(solution.of(0).unwrap(), &[1.0; 6], 1e-6);
}

#[test]
fn kernel_shap_is_within_two_percent() {
    check_kernel_shap(1.0);
}

#[test]
fn kernel_shap_is_within_two_percent_of_sharply_bent_games() {
    check_kernel_shap(5.0);
}

/// 2080 evaluations of 16 players against the enumeration.
fn check_kernel_shap(steepness: f64) {
    const GAMES: u64 = 20;
    const SEEDS: u64 = 5;
    let (mut errors, mut worst_correlation) = (Vec::new(), 1.0_f64);
    for seed in 0..GAMES {
        let game = bent_game(16, 100 + seed, steepness);
        let truth = exact(16, &game);
        let truth = truth.of(0).unwrap();
        let largest = truth.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        for draw in 0..SEEDS {
            let solution = kernel(16, 2080, draw, &game);
            let found = solution.of(0).unwrap();
            let mean_square = found.iter().zip(truth).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / 16.0;
            errors.push(mean_square.sqrt() / largest);
            worst_correlation = worst_correlation.min(correlation(found, truth));
        }
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    assert!(mean <= 0.02, "mean relative RMSE {mean}");
    assert!(worst_correlation >= 0.998, "correlation {worst_correlation}");
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let product: f64 = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum();
    let squares = |values: &[f64], mean: f64| values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    product / (squares(a, mean_a) * squares(b, mean_b)).sqrt()
}

/// The ratio of the root mean square error over seeds to the root mean square of the standard errors.
fn calibration(truth: &ShapleySolution, estimates: impl Iterator<Item = ShapleySolution>) -> f64 {
    let (mut errors, mut claimed) = (0.0, 0.0);
    for estimate in estimates {
        errors += estimate.values.iter().zip(&truth.values).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        claimed += estimate.standard_errors.unwrap().iter().map(|error| error.powi(2)).sum::<f64>();
    }
    (errors / claimed).sqrt()
}

/// The reverse walk cancels whatever a permutation does to a pair: half of its value goes to each.
#[test]
fn one_permutation_solves_games_of_pairs() {
    let pairs = random(3, 0, 64);
    let game = |inside: Inside| {
        let both = |index: &usize| inside(index / 8) && inside(index % 8);
        (0..64).filter(both).map(|index| pairs[index]).sum::<f64>()
    };
    let share = |player: usize| -> f64 {
        (0..8).map(|other| f64::midpoint(pairs[player * 8 + other], pairs[other * 8 + player])).sum()
    };
    let expected: Vec<f64> = (0..8).map(share).collect();
    check(permutation(8, 1, 2, game).of(0).unwrap(), &expected, 1e-12);
    check(exact(8, game).of(0).unwrap(), &expected, 1e-12);
}

#[test]
fn kernel_shap_is_more_accurate_than_permutation_shap_at_about_the_same_cost() {
    let (mut by_kernel, mut by_permutation) = (0.0, 0.0);
    for seed in 0..4 {
        let game = network_game(16, 200 + seed);
        let truth = exact(16, &game);
        let error = |found: &ShapleySolution| -> f64 {
            found.values.iter().zip(&truth.values).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let (kernel, permutation) = (kernel(16, 1920, seed, &game), permutation(16, 64, seed, &game));
        assert_eq!(kernel.evaluations, permutation.evaluations);
        by_kernel += error(&kernel);
        by_permutation += error(&permutation);
    }
    assert!(by_kernel < by_permutation, "{by_kernel} against {by_permutation}");
}

#[test]
fn standard_errors_are_those_over_seeds() {
    let game = network_game(10, 7);
    let truth = exact(10, &game);
    for budget in [120, 300, 600] {
        let ratio = calibration(&truth, (0..60).map(|seed| kernel(10, budget, seed, &game)));
        assert!((0.8..1.25).contains(&ratio), "budget {budget}: {ratio}");
    }
    let ratio = calibration(&truth, (0..60).map(|seed| permutation(10, 12, seed, &game)));
    assert!((0.8..1.25).contains(&ratio), "permutations: {ratio}");
}

#[test]
fn permutation_shap_converges_as_the_square_root_of_its_walks() {
    // twelve players: 64 walks are less than all coalitions, which would be evaluated instead
    let game = network_game(12, 3);
    let truth = exact(12, &game);
    let error = |permutations: usize| {
        let sum: f64 = (0..20)
            .map(|seed| permutation(12, permutations, seed, &game))
            .map(|found| found.values.iter().zip(&truth.values).map(|(a, b)| (a - b).powi(2)).sum::<f64>())
            .sum();
        sum.sqrt()
    };
    let ratio = error(4) / error(64);
    assert!((2.8..5.7).contains(&ratio), "16 times the walks divide the error by {ratio}");
}

#[test]
fn what_cannot_be_planned_or_solved_is_an_error() {
    let limit = ExactShapleyPlan::new(13, &ExactShapleyConfig::default(), &seeded(0)).unwrap_err();
    assert_eq!(limit, ExplainError::TooManyPlayers { players: 13, evaluations: 8192, limit: 12 });
    assert_eq!(limit.to_string(), "13 segments need 8192 evaluations to enumerate, expected at most 12 segments");
    assert!(matches!(
        ExactShapleyPlan::new(3, &ExactShapleyConfig { limit: 21 }, &seeded(0)),
        Err(ExplainError::Setting(_))
    ));
    assert_eq!(exact_shapley_evaluations(20), 1 << 20);
    assert_eq!(exact_shapley_evaluations(200), u128::MAX);

    let empty = ExplainError::Empty { what: "list of players" };
    assert_eq!(ExactShapleyPlan::new(0, &ExactShapleyConfig::default(), &seeded(0)).unwrap_err(), empty);
    assert_eq!(KernelShapPlan::new(0, &KernelShapConfig::default(), &seeded(0)).unwrap_err(), empty);
    assert_eq!(PermutationShapPlan::new(0, &PermutationShapConfig::default(), &seeded(0)).unwrap_err(), empty);

    let budget = KernelShapConfig { evaluations: 1, tolerance: 0.0 };
    assert!(matches!(KernelShapPlan::new(4, &budget, &seeded(0)), Err(ExplainError::Setting(_))));
    let walks = PermutationShapConfig { permutations: 0, tolerance: 0.0 };
    assert!(matches!(PermutationShapPlan::new(4, &walks, &seeded(0)), Err(ExplainError::Setting(_))));

    let plan = ExactShapleyPlan::new(3, &ExactShapleyConfig::default(), &seeded(0)).unwrap();
    let short = CoalitionValues::new(1, vec![0.0; 7]).unwrap();
    let wrong = ExplainError::ValueCount { what: "list of coalition values", found: 7, expected: 8 };
    assert_eq!(plan.solve(&short).unwrap_err(), wrong);
    assert!(matches!(CoalitionValues::new(1, vec![f64::NAN]), Err(ExplainError::NotFinite { .. })));
    assert!(matches!(CoalitionValues::new(0, vec![1.0]), Err(ExplainError::Empty { .. })));
    assert!(matches!(CoalitionValues::new(2, vec![1.0; 3]), Err(ExplainError::ValueCount { .. })));
    assert!(matches!(Coalitions::new(3).push(&[true]), Err(ExplainError::ValueCount { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn efficiency(players in 1_usize..9, seed in 0_u64..1000) {
        let game = random_game(players, seed);
        for solution in [exact(players, &game), kernel(players, 40, seed, &game), permutation(players, 3, seed, &game)] {
            prop_assert!(solution.additivity_residuals[0].abs() < 1e-12);
            let sum: f64 = solution.values.iter().sum();
            prop_assert!((sum - (game(&|_| true) - game(&|_| false))).abs() < 1e-12);
        }
    }

    /// A player who changes no coalition gets nothing, from every method that asks about it often enough to know.
    #[test]
    fn dummy(players in 2_usize..9, seed in 0_u64..1000) {
        let dummy = seed as usize % players;
        let others = random_game(players, seed);
        let game = |inside: Inside| others(&|player| player != dummy && inside(player));
        prop_assert!(exact(players, game).values[dummy].abs() < 1e-12);
        prop_assert!(permutation(players, 3, seed, game).values[dummy].abs() < 1e-12);
        prop_assert!(kernel(players, 1 << players, seed, game).values[dummy].abs() < 1e-10);
    }

    /// Two players who change every coalition alike get the same.
    #[test]
    fn symmetry(players in 2_usize..9, seed in 0_u64..1000) {
        let table = random(seed, 9, 3 << players);
        let game = |inside: Inside| {
            let pair = usize::from(inside(0)) + usize::from(inside(1));
            let others: usize = (2..players).filter(|&player| inside(player)).map(|player| 1 << player).sum();
            table[others * 3 + pair]
        };
        for solution in [exact(players, game), kernel(players, 1 << players, seed, game)] {
            prop_assert!((solution.values[0] - solution.values[1]).abs() < 1e-10);
        }
    }

    /// The values of a sum of games are the sums of their values, at the same coalitions.
    #[test]
    fn linearity(players in 1_usize..9, seed in 0_u64..1000, scale in -3.0_f64..3.0) {
        let (first, second) = (random_game(players, seed), random_game(players, seed + 1));
        let sum = |inside: Inside| first(inside) + scale * second(inside);
        let methods: [Method; 3] = [
            &|game| exact(players, game),
            &|game| kernel(players, 60, seed, game),
            &|game| permutation(players, 2, seed, game),
        ];
        for method in methods {
            let parts = method(&first).values.into_iter().zip(method(&second).values);
            let expected: Vec<f64> = parts.map(|(first, second)| first + scale * second).collect();
            for (found, expected) in method(&sum).values.iter().zip(expected) {
                prop_assert!((found - expected).abs() < 1e-8);
            }
        }
    }
}
