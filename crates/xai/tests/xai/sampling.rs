//! Sampling to an error: rounds that end at a tolerance, the same draws at any budget, and standard errors that hold.

use burn::tensor::{Device, Tensor, TensorData, activation};
use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{
    CoalitionValues, Coalitions, Execution, FillConfig, Image, KernelShapConfig, KernelShapPlan, LimeConfig, LimePlan,
    Masker, PermutationShapConfig, PermutationShapPlan, Sampling, Segmentation, Target, fit_ridge, kernel_shap, lime,
    permutation_shap,
};

const SIDE: usize = 8;

fn seeded(seed: u64) -> Execution {
    Execution { device: Device::flex(), seed, ..Execution::default() }
}

fn random(salt: u64, count: usize) -> Vec<f32> {
    let draw = Draw { seed: salt, purpose: Purpose::new("sampling to an error"), epoch: 0, index: 0 };
    let mut generator = draw.generator();
    (0..count).map(|_| generator.random::<f32>()).collect()
}

fn masker() -> Masker {
    let image = Image::new(random(1, SIDE * SIDE), [1, SIDE, SIDE]).unwrap();
    let segmentation = Segmentation::grid(SIDE, SIDE, 4, 4).unwrap();
    let black = FillConfig { kind: tinylsa_xai::Fill::Black, ..FillConfig::default() };
    Masker::new(image, segmentation, &black, &seeded(0)).unwrap()
}

/// One score that no sum of segments describes; a row is multiplied at a time, so that the batch changes no bit.
fn curved(images: Tensor<4>) -> Tensor<2> {
    let weights: Vec<f32> = random(77, SIDE * SIDE).into_iter().map(|weight| weight - 0.4).collect();
    let weights = Tensor::<2>::from_data(TensorData::new(weights, [SIDE * SIDE, 1]), &images.device());
    let rows = images.split(1, 0).into_iter();
    let scores = rows.map(|image| activation::tanh(image.reshape([1, (SIDE * SIDE) as i32]).matmul(weights.clone())));
    Tensor::cat(scores.collect(), 0)
}

#[track_caller]
fn starts_with(larger: &Coalitions, smaller: &Coalitions, common: usize) {
    assert!(larger.len() > smaller.len() && common <= smaller.len());
    for row in 0..common {
        for player in 0..smaller.players() {
            assert_eq!(larger.contains(row, player), smaller.contains(row, player), "coalition {row}");
        }
    }
}

#[test]
fn a_larger_budget_goes_on_with_the_same_draws() {
    for players in [2, 5, 9, 16, 49] {
        let kernel = |evaluations: usize| {
            KernelShapPlan::new(players, &KernelShapConfig { evaluations, tolerance: 0.2 }, &seeded(3)).unwrap()
        };
        let largest = kernel(3000);
        for evaluations in [2, 7, 64, 1000, 2999] {
            let smaller = kernel(evaluations);
            if smaller.coalitions().len() < largest.coalitions().len() {
                starts_with(largest.coalitions(), smaller.coalitions(), smaller.coalitions().len());
            }
        }
        let lime = |samples: usize| {
            LimePlan::new(players, &LimeConfig { samples, ..LimeConfig::default() }, &seeded(3)).unwrap()
        };
        starts_with(lime(500).coalitions(), lime(100).coalitions(), 100);
    }
    let walks = |permutations: usize| {
        PermutationShapPlan::new(16, &PermutationShapConfig { permutations, tolerance: 0.2 }, &seeded(3)).unwrap()
    };
    starts_with(walks(40).coalitions(), walks(9).coalitions(), 2 + 9 * 30);
}

/// No coalition twice, and every size class with exactly its weight.
#[test]
fn kernel_shap_takes_different_coalitions_and_weighs_sizes_by_the_kernel() {
    // the sizes 3 and 46 of 49 have 18 424 pairs, which are listed, the sizes 4 and 45 have more than are
    let plan = KernelShapPlan::new(49, &KernelShapConfig { evaluations: 4000, tolerance: 0.0 }, &seeded(1)).unwrap();
    let rows = plan.coalitions();
    let members = |row: usize| (0..49).map(|player| rows.contains(row, player)).collect::<Vec<bool>>();
    let different: std::collections::HashSet<Vec<bool>> = (0..rows.len()).map(members).collect();
    assert_eq!((rows.len(), different.len()), (4002, 4002));
    let mut by_size = vec![0.0; 50];
    (2..rows.len()).for_each(|row| by_size[rows.size(row)] += plan.weights()[row - 2]);
    for size in 1..49 {
        let expected = 48.0 / (size * (49 - size)) as f64;
        let ratio = by_size[size] / by_size[1] / (expected / 1.0);
        assert!((ratio - 1.0).abs() < 1e-9, "size {size}: {ratio}");
    }
}

#[test]
fn sampling_ends_where_the_tolerance_is_reached() {
    let (masker, execution) = (masker(), seeded(0));
    let kernel = |evaluations, tolerance| {
        let config = KernelShapConfig { evaluations, tolerance };
        kernel_shap(&curved, &masker, Target::Class(0), &config, &execution).unwrap()
    };
    let check = |sampling: Sampling, budget: usize| {
        assert!(sampling.converged && !sampling.falls_short(), "{sampling:?}");
        assert!(sampling.relative_standard_error.unwrap() <= sampling.tolerance, "{sampling:?}");
        assert!(sampling.evaluations < sampling.budget && sampling.budget == budget, "{sampling:?}");
    };
    let found = kernel(4000, 0.05);
    check(found.sampling, 4002);
    // no more than a run whose budget is what was used
    assert_eq!(kernel(found.sampling.evaluations - 2, 0.0).solution, found.solution);
    // and whatever the budget is
    assert_eq!(kernel(20_000, 0.05).solution, found.solution);

    let walks = |permutations, tolerance| {
        let config = PermutationShapConfig { permutations, tolerance };
        permutation_shap(&curved, &masker, Target::Class(0), &config, &execution).unwrap()
    };
    let found = walks(200, 0.1);
    check(found.sampling, 2 + 200 * 30);
    assert_eq!(walks((found.sampling.evaluations - 2) / 30, 0.0).solution, found.solution);
    assert_eq!(walks(400, 0.1).solution, found.solution);

    let linear = |samples, tolerance| {
        let config = LimeConfig { samples, tolerance, ..LimeConfig::default() };
        lime(&curved, &masker, Target::Class(0), &config, &execution).unwrap()
    };
    let found = linear(3000, 0.2);
    check(found.sampling, 3000);
    assert_eq!(linear(found.sampling.evaluations, 0.0).solution, found.solution);
    assert_eq!(linear(6000, 0.2).solution, found.solution);
    assert_eq!(found.game.coalitions.len(), found.sampling.evaluations);
    assert_eq!(found.distances.len(), found.sampling.evaluations);
}

#[test]
fn a_budget_that_ends_first_says_what_was_reached() {
    let (masker, execution) = (masker(), seeded(0));
    let found = kernel_shap(
        &curved,
        &masker,
        Target::Class(0),
        &KernelShapConfig { evaluations: 200, tolerance: 1e-4 },
        &execution,
    );
    let sampling = found.unwrap().sampling;
    assert!(sampling.falls_short() && sampling.evaluations == 202 && sampling.budget == 202, "{sampling:?}");
    assert!(sampling.relative_standard_error.unwrap() > 1e-4);
    let everything = KernelShapConfig { evaluations: 1 << 17, tolerance: 1e-9 };
    let sampling = kernel_shap(&curved, &masker, Target::Class(0), &everything, &execution).unwrap().sampling;
    assert_eq!((sampling.evaluations, sampling.relative_standard_error), (1 << 16, Some(0.0)));
    assert!(sampling.converged);
}

#[test]
fn permutation_shap_takes_all_coalitions_where_walks_would_cost_no_less() {
    let game = |inside: &dyn Fn(usize) -> bool, row: &mut [f64]| {
        let size = (0..6).filter(|&player| inside(player)).map(|player| (player + 1) as f64).sum::<f64>();
        row[0] = (size * 0.3).tanh();
    };
    let plan = |permutations, tolerance| {
        PermutationShapPlan::new(6, &PermutationShapConfig { permutations, tolerance }, &seeded(2)).unwrap()
    };
    // 2 + 6 · 10 < 64 = 2⁶ ≤ 2 + 7 · 10
    assert_eq!((plan(6, 0.0).coalitions().len(), plan(7, 0.0).coalitions().len()), (62, 64));
    for plan in [plan(7, 0.0), plan(64, 0.2)] {
        let values = CoalitionValues::of_game(plan.coalitions(), 1, game).unwrap();
        let found = plan.solve(&values).unwrap();
        assert_eq!(found.standard_errors, Some(vec![0.0; 6]));
        let exact =
            tinylsa_xai::ExactShapleyPlan::new(6, &tinylsa_xai::ExactShapleyConfig::default(), &seeded(0)).unwrap();
        let values = CoalitionValues::of_game(exact.coalitions(), 1, game).unwrap();
        for (found, exact) in found.values.iter().zip(&exact.solve(&values).unwrap().values) {
            assert!((found - exact).abs() < 1e-14);
        }
    }
}

/// Neighbours work together, and everything saturates.
fn game(players: usize) -> impl Fn(&dyn Fn(usize) -> bool, &mut [f64]) {
    move |inside, row| {
        let member = |player: usize| f64::from(u8::from(inside(player)));
        let single: f64 = (0..players).map(|player| member(player) * ((player * 7 % 5) as f64 - 1.0)).sum();
        let pairs: f64 = (1..players).map(|player| member(player) * member(player - 1)).sum();
        row[0] = (0.2 * (single + pairs)).tanh() * 4.0;
    }
}

/// Over seeds, the errors of LIME's coefficients are as large as it says, at the first look at them and later.
#[test]
fn standard_errors_of_lime_are_those_over_seeds() {
    let players = 12;
    let mut all = Coalitions::new(players);
    for set in 0..1 << players {
        all.push(&(0..players).map(|player| set >> player & 1 == 1).collect::<Vec<_>>()).unwrap();
    }
    let values = CoalitionValues::of_game(&all, 1, game(players)).unwrap();
    let weight = |row: usize| {
        let distance = 1.0 - (all.size(row) as f64 / players as f64).sqrt();
        (-(distance * distance) / 0.0625).exp().sqrt()
    };
    let weights: Vec<f64> = (0..all.len()).map(weight).collect();
    let limit = fit_ridge(&all, &weights, &values, 0.0, &seeded(0).cancellation).unwrap();
    for samples in [52, 200, 800] {
        let (mut errors, mut claimed) = (0.0, 0.0);
        for seed in 0..60 {
            // next to no penalty, whose bias is no error of sampling
            let config = LimeConfig { samples, penalty: 1e-6, ..LimeConfig::default() };
            let plan = LimePlan::new(players, &config, &seeded(seed)).unwrap();
            let values = CoalitionValues::of_game(plan.coalitions(), 1, game(players)).unwrap();
            let found = plan.solve(&values).unwrap();
            errors += found.coefficients.iter().zip(&limit.coefficients).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            claimed += found.standard_errors.iter().map(|error| error.powi(2)).sum::<f64>();
        }
        let ratio = (errors / claimed).sqrt();
        assert!((0.8..1.25).contains(&ratio), "{samples} samples: {ratio}");
    }
}

/// The first look at the errors of `KernelSHAP` is at four pairs an unknown: they must not be too small there.
#[test]
fn standard_errors_of_kernel_shap_hold_from_the_first_round_on() {
    let players = 12;
    let solve = |evaluations: usize, seed: u64| {
        let config = KernelShapConfig { evaluations, tolerance: 0.0 };
        let plan = KernelShapPlan::new(players, &config, &seeded(seed)).unwrap();
        let values = CoalitionValues::of_game(plan.coalitions(), 1, game(players)).unwrap();
        plan.solve(&values).unwrap()
    };
    let truth = solve(1 << players, 0);
    assert_eq!(truth.standard_errors, Some(vec![0.0; players]));
    for evaluations in [88, 132, 400, 1600] {
        let (mut errors, mut claimed) = (0.0, 0.0);
        for seed in 0..80 {
            let found = solve(evaluations, seed);
            errors += found.values.iter().zip(&truth.values).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            claimed += found.standard_errors.unwrap().iter().map(|error| error.powi(2)).sum::<f64>();
        }
        let ratio = (errors / claimed).sqrt();
        assert!((0.75..1.25).contains(&ratio), "{evaluations} evaluations: {ratio}");
    }
}

#[test]
fn a_call_tells_of_every_batch_and_of_what_sampling_knows_so_far() {
    use std::sync::{Arc, Mutex};
    use tinylsa_xai::{ExplainStep, RiseConfig, Watch, rise};

    let steps = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&steps);
    let watch = Watch::new(move |step| told.lock().unwrap().push(step));
    let image = Image::filled(1.0, [1, 4, 4]).unwrap();
    let black = Image::filled(0.0, [1, 4, 4]).unwrap();
    let scorer = |images: Tensor<4>| images.flatten::<2>(1, 3).narrow(1, 3, 1);
    let config = RiseConfig { masks: 600, rows: 2, columns: 2, probability: 0.5 };
    let execution = Execution { batch_size: 100, watch, ..Execution::default() };
    let watched = rise(&scorer, &image, &black, Target::Class(0), &config, &execution).unwrap();
    let alone = rise(&scorer, &image, &black, Target::Class(0), &config, &Execution::default()).unwrap();
    assert_eq!(watched, alone, "watching changes nothing");

    let steps = steps.lock().unwrap();
    let batches = steps.iter().filter_map(|step| match step {
        ExplainStep::Batch { what: "evaluations", done, total: 600 } => Some(*done),
        ExplainStep::Batch { .. } | ExplainStep::Estimate { .. } => None,
    });
    assert_eq!(batches.collect::<Vec<_>>(), [100, 200, 300, 400, 500, 600]);
    let estimates = steps.iter().filter_map(|step| match *step {
        ExplainStep::Estimate { done, most: 600, relative_standard_error, .. } => Some((done, relative_standard_error)),
        ExplainStep::Batch { .. } | ExplainStep::Estimate { .. } => None,
    });
    let estimates: Vec<(usize, Option<f64>)> = estimates.collect();
    assert_eq!(estimates.iter().map(|(done, _)| *done).collect::<Vec<_>>(), [256, 512]);
    assert!(estimates.iter().all(|(_, error)| error.is_some_and(|error| error > 0.0)), "{estimates:?}");
}
