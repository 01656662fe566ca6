//! LIME against closed forms, against its own limit by enumeration, and on images.

use burn::tensor::{Device, Tensor};
use tinylsa_xai::{
    Cancellation, CoalitionValues, Coalitions, Execution, ExplainError, ExplainedScore, FillConfig, Image, LimeConfig,
    LimePlan, LimeWarning, Masker, Segmentation, Target, Targets, fit_ridge, lime,
};

fn never() -> Cancellation {
    Cancellation::default()
}

fn seeded(seed: u64) -> Execution {
    Execution { seed, ..execution() }
}

fn coalitions(rows: &[&[bool]]) -> Coalitions {
    let mut coalitions = Coalitions::new(rows[0].len());
    for row in rows {
        coalitions.push(row).unwrap();
    }
    coalitions
}

/// A game with interactions between neighbours and an alternating trend.
fn game(players: usize, inside: &dyn Fn(usize) -> bool) -> f64 {
    let member = |player: usize| f64::from(u8::from(inside(player)));
    let single: f64 = (0..players).map(|player| member(player) * (player as f64 - 3.0) / 4.0).sum();
    let pairs: f64 = (1..players).map(|player| member(player) * member(player - 1) * 0.3).sum();
    0.7 + single + pairs
}

#[test]
fn ridge_with_one_feature_has_its_closed_form() {
    // β = Σw(x − x̄)(y − ȳ) / (Σw(x − x̄)² + α), intercept ȳ − βx̄, with x̄ = 0.6, ȳ = 2.3 and Σw = 10.
    let rows = coalitions(&[&[true], &[false], &[true]]);
    let values = CoalitionValues::new(1, vec![3.0, 0.5, 3.0]).unwrap();
    let weights = [2.0, 4.0, 4.0];
    let mean: f64 = (2.0 * 3.0 + 4.0 * 0.5 + 4.0 * 3.0) / 10.0;
    let covariance = 6.0 * 0.4 * (3.0 - mean) + 4.0 * -0.6 * (0.5 - mean);
    for penalty in [0.0, 1.0, 100.0] {
        let slope = covariance / (6.0 * 0.16 + 4.0 * 0.36 + penalty);
        let fit = fit_ridge(&rows, &weights, &values, penalty, &never()).unwrap();
        assert!((fit.coefficients[0] - slope).abs() < 1e-14);
        assert!((fit.intercepts[0] - (mean - 0.6 * slope)).abs() < 1e-14);
    }
}

/// The gradient of the objective, `Xᵀ W (ŷ − y) + α β` for the coefficients and `Σ w (ŷ − y)` for the intercept, is 0
/// at the solution, which determines it.
#[test]
fn ridge_solution_is_where_the_gradient_vanishes() {
    let plan = LimePlan::new(9, &LimeConfig { samples: 200, ..LimeConfig::default() }, &seeded(5)).unwrap();
    let rows = plan.coalitions();
    let values = CoalitionValues::of_game(rows, 2, |inside, row| {
        row[0] = game(9, inside);
        row[1] = game(9, inside).powi(2);
    })
    .unwrap();
    let solution = plan.solve(&values).unwrap();
    for output in 0..2 {
        let coefficients = solution.of(output).unwrap();
        let predict = |row: usize| {
            let sum: f64 = (0..9).filter(|&player| rows.contains(row, player)).map(|player| coefficients[player]).sum();
            solution.intercepts[output] + sum
        };
        let pull = |row: usize| plan.weights()[row] * (predict(row) - values.of(row)[output]);
        assert!((0..rows.len()).map(pull).sum::<f64>().abs() < 1e-10);
        for (player, coefficient) in coefficients.iter().enumerate() {
            let gradient: f64 = (0..rows.len()).filter(|&row| rows.contains(row, player)).map(pull).sum();
            assert!((gradient + coefficient).abs() < 1e-10);
        }
        assert!((solution.local_predictions[output] - predict(0)).abs() < 1e-12);
    }
}

#[test]
fn masks_and_weights_are_those_of_the_paper() {
    let plan = LimePlan::new(16, &LimeConfig { samples: 4000, ..LimeConfig::default() }, &seeded(3)).unwrap();
    let rows = plan.coalitions();
    assert_eq!((rows.len(), rows.size(0), plan.weights()[0].to_bits()), (4000, 16, 1.0_f64.to_bits()));
    let shown: usize = (1..4000).map(|row| rows.size(row)).sum();
    let rate = shown as f64 / (3999.0 * 16.0);
    assert!((rate - 0.5).abs() < 0.01, "{rate}");
    for row in 0..50 {
        let distance = 1.0 - (rows.size(row) as f64 / 16.0).sqrt();
        let expected = (-(distance * distance) / 0.0625 / 2.0).exp();
        assert!((plan.weights()[row] - expected).abs() < 1e-15);
    }
}

#[test]
fn a_linear_game_is_described_in_full() {
    let plan = LimePlan::new(8, &LimeConfig { penalty: 0.0, ..LimeConfig::default() }, &seeded(1)).unwrap();
    let linear = |inside: &dyn Fn(usize) -> bool| {
        (0..8).filter(|&player| inside(player)).map(|player| player as f64 - 2.5).sum::<f64>() + 0.5
    };
    let values = CoalitionValues::of_game(plan.coalitions(), 1, |inside, row| row[0] = linear(inside)).unwrap();
    let solution = plan.solve(&values).unwrap();
    for (player, coefficient) in solution.coefficients.iter().enumerate() {
        assert!((coefficient - (player as f64 - 2.5)).abs() < 1e-12);
    }
    assert!((solution.intercepts[0] - 0.5).abs() < 1e-12);
    assert!((solution.local_predictions[0] - solution.scores[0]).abs() < 1e-12);
    assert!(solution.r2_held_out[0].unwrap() > 1.0 - 1e-12);
}

#[test]
fn the_estimate_approaches_the_fit_to_all_coalitions() {
    let mut all = Coalitions::new(10);
    for set in 0..1 << 10 {
        all.push(&(0..10).map(|player| set >> player & 1 == 1).collect::<Vec<_>>()).unwrap();
    }
    let values_of =
        |rows: &Coalitions| CoalitionValues::of_game(rows, 1, |inside, row| row[0] = game(10, inside)).unwrap();
    let weight = |row: usize| {
        let distance = 1.0 - (all.size(row) as f64 / 10.0).sqrt();
        (-(distance * distance) / 0.0625).exp().sqrt()
    };
    let weights: Vec<f64> = (0..all.len()).map(weight).collect();
    let error = |samples: usize| {
        // The same penalty for each coalition.
        let limit = fit_ridge(&all, &weights, &values_of(&all), 1024.0 / samples as f64, &never()).unwrap();
        let norm: f64 = limit.coefficients.iter().map(|value| value * value).sum();
        let of_seed = |seed: u64| {
            let plan = LimePlan::new(10, &LimeConfig { samples, ..LimeConfig::default() }, &seeded(seed)).unwrap();
            let found = plan.solve(&values_of(plan.coalitions())).unwrap();
            found.coefficients.iter().zip(&limit.coefficients).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / norm
        };
        ((0..20).map(of_seed).sum::<f64>() / 20.0).sqrt()
    };
    let (few, many) = (error(200), error(3200));
    assert!(many < 0.03, "{many}");
    assert!((2.5..6.5).contains(&(few / many)), "{few} to {many}");
}

#[test]
fn held_out_r2_is_not_fooled_by_noise_as_the_in_sample_one_is() {
    let plan = LimePlan::new(16, &LimeConfig { samples: 60, ..LimeConfig::default() }, &seeded(2)).unwrap();
    let mut row = 0_u32;
    let values = CoalitionValues::of_game(plan.coalitions(), 2, |_, values| {
        row += 1;
        values[0] = f64::from(row.wrapping_mul(2_654_435_761) >> 16) / 65536.0;
        values[1] = 3.0;
    })
    .unwrap();
    let solution = plan.solve(&values).unwrap();
    let (inside, outside) = (solution.r2_in_sample[0].unwrap(), solution.r2_held_out[0].unwrap());
    assert!(inside > 0.1 && outside < 0.1, "{inside} in sample, {outside} held out");
    assert_eq!((solution.r2_in_sample[1], solution.r2_held_out[1]), (None, None));
}

/// Scores `[batch, 2]`: the sum of the left half and that of the right half.
#[expect(clippy::needless_pass_by_value, reason = "the form of a scorer")]
fn halves(images: Tensor<4>) -> Tensor<2> {
    let [batch, _, height, width] = images.dims();
    let sum = |from: usize, to: usize| {
        images.clone().slice([0..batch, 0..1, 0..height, from..to]).reshape([batch as i32, -1]).sum_dim(1)
    };
    Tensor::cat(vec![sum(0, width / 2), sum(width / 2, width)], 1)
}

fn execution() -> Execution {
    Execution { device: Device::flex(), ..Execution::default() }
}

#[test]
fn an_image_is_explained_with_warnings_where_due() {
    let image = Image::new((0..64).map(|value| value as f32 / 64.0).collect(), [1, 8, 8]).unwrap();
    let black = FillConfig { kind: tinylsa_xai::Fill::Black, ..FillConfig::default() };
    let masker = Masker::new(image.clone(), Segmentation::grid(8, 8, 4, 4).unwrap(), &black, &execution()).unwrap();
    let config = LimeConfig { penalty: 1e-9, ..LimeConfig::default() };
    let all = lime(&halves, &masker, Targets::EveryClass, &config, &execution()).unwrap();
    assert_eq!(all.explained, [0, 1].map(ExplainedScore::from));
    let sums = masker.segmentation().means(image.values()).unwrap();
    for (segment, mean) in sums.iter().enumerate() {
        let expected = if segment % 4 < 2 { f64::from(4.0 * mean) } else { 0.0 };
        assert!((all.solution.of(0).unwrap()[segment] - expected).abs() < 1e-4);
    }
    assert!((all.attributions[1].sum() - all.solution.of(1).unwrap().iter().sum::<f64>()).abs() < 1e-4);
    assert!(all.warnings.is_empty());

    let one = lime(&halves, &masker, Target::Predicted, &config, &execution()).unwrap();
    assert_eq!(
        (one.explained.as_slice(), one.solution.of(0).unwrap()),
        ([1.into()].as_slice(), all.solution.of(1).unwrap())
    );

    let flat = Image::filled(0.5, [1, 8, 8]).unwrap();
    let few = Masker::new(flat, Segmentation::grid(8, 8, 1, 3).unwrap(), &FillConfig::default(), &execution()).unwrap();
    let warned = lime(&halves, &few, Targets::EveryClass, &LimeConfig::default(), &execution()).unwrap();
    let inert = LimeWarning::InertSegments { segments: vec![0, 1, 2] };
    assert_eq!(warned.warnings, [LimeWarning::FewSegments { segments: 3 }, inert]);
    assert_eq!(warned.solution.r2_in_sample, [None, None]);
}

#[test]
fn what_cannot_be_fitted_is_an_error() {
    let rows = coalitions(&[&[true, true], &[false, false]]);
    let values = CoalitionValues::new(1, vec![1.0, 0.0]).unwrap();
    assert_eq!(
        fit_ridge(&rows, &[1.0, 1.0], &values, 0.0, &never()),
        Err(ExplainError::Underdetermined { rows: 2, unknowns: 2 })
    );
    assert!(fit_ridge(&rows, &[1.0, 1.0], &values, 1.0, &never()).is_ok());
    assert!(matches!(fit_ridge(&rows, &[1.0], &values, 1.0, &never()), Err(ExplainError::ValueCount { .. })));
    assert!(matches!(
        fit_ridge(&rows, &[1.0, -1.0], &values, 1.0, &never()),
        Err(ExplainError::Value { position: 1, .. })
    ));
    assert!(matches!(fit_ridge(&rows, &[1.0, f64::NAN], &values, 1.0, &never()), Err(ExplainError::NotFinite { .. })));
    assert!(matches!(fit_ridge(&rows, &[0.0, 0.0], &values, 1.0, &never()), Err(ExplainError::Empty { .. })));
    assert!(matches!(fit_ridge(&rows, &[1.0, 1.0], &values, -1.0, &never()), Err(ExplainError::Setting(_))));
    for (config, key) in [
        (LimeConfig { samples: 3, ..LimeConfig::default() }, "samples"),
        (LimeConfig { kernel_width: 0.0, ..LimeConfig::default() }, "kernel_width"),
        (LimeConfig { penalty: f64::NAN, ..LimeConfig::default() }, "penalty"),
        (LimeConfig { folds: 1, ..LimeConfig::default() }, "folds"),
    ] {
        assert_eq!(config.validate().unwrap_err().key, key);
        assert!(matches!(LimePlan::new(4, &config, &seeded(0)), Err(ExplainError::Setting(_))));
    }
    assert_eq!(
        LimePlan::new(0, &LimeConfig::default(), &seeded(0)).unwrap_err(),
        ExplainError::Empty { what: "list of players" }
    );
}
