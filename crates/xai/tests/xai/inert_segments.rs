//! Segments that look the same hidden and shown: they are left out of the game, which changes no value of the others.

use std::cell::Cell;

use burn::tensor::{Device, Tensor, TensorData, activation};
use proptest::prelude::*;
use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{
    Coalitions, ExactShapleyConfig, ExactShapleyPlan, Execution, ExplainError, FillConfig, Image, KernelShapConfig,
    LimeConfig, LimeWarning, Masker, OcclusionConfig, PermutationShapConfig, Segmentation, Target, Targets,
    exact_shapley, kernel_shap, lime, occlusion, permutation_shap,
};

const SIDE: usize = 6;
const SEGMENTS: usize = 9;

fn execution() -> Execution {
    Execution { device: Device::flex(), ..Execution::default() }
}

fn random(salt: u64, count: usize) -> Vec<f32> {
    let draw = Draw { seed: salt, purpose: Purpose::new("inert segments"), epoch: 0, index: 0 };
    let mut generator = draw.generator();
    (0..count).map(|_| generator.random::<f32>()).collect()
}

/// An image of nine segments, of which these are flat, so that their mean hides nothing.
fn masker(flat: &[bool], salt: u64) -> Masker {
    let segmentation = Segmentation::grid(SIDE, SIDE, 3, 3).unwrap();
    let mut values = random(salt, SIDE * SIDE);
    for (value, &segment) in values.iter_mut().zip(segmentation.labels()) {
        if flat[segment] {
            *value = 0.5;
        }
    }
    let image = Image::new(values, [1, SIDE, SIDE]).unwrap();
    Masker::new(image, segmentation, &FillConfig::default(), &execution()).unwrap()
}

/// Two scores that no sum of segments describes. One row is multiplied at a time, so that the batch changes no bit.
fn curved(images: Tensor<4>) -> Tensor<2> {
    let weights: Vec<f32> = random(77, SIDE * SIDE * 2).into_iter().map(|weight| 3.0 * weight - 1.5).collect();
    let weights = Tensor::<2>::from_data(TensorData::new(weights, [SIDE * SIDE, 2]), &images.device());
    let rows = images.split(1, 0).into_iter();
    let scores = rows.map(|image| activation::tanh(image.reshape([1, (SIDE * SIDE) as i32]).matmul(weights.clone())));
    Tensor::cat(scores.collect(), 0)
}

/// The Shapley values of the game in which every segment is a player.
fn with_every_segment(masker: &Masker) -> Vec<f64> {
    let plan = ExactShapleyPlan::new(SEGMENTS, &ExactShapleyConfig::default(), &execution()).unwrap();
    let found = masker.values(&curved, plan.coalitions(), &Targets::EveryClass, &execution()).unwrap();
    plan.solve(&found.values).unwrap().values
}

#[track_caller]
fn check(found: &[f64], expected: &[f64], flat: &[bool], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        if flat[place % SEGMENTS] {
            assert_eq!(found.to_bits(), 0, "segment {}", place % SEGMENTS);
        }
        assert!((found - expected).abs() <= tolerance, "{place}: {found} instead of {expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_values_are_those_of_the_game_that_keeps_them(
        flat in proptest::collection::vec(any::<bool>(), SEGMENTS),
        salt in 0_u64..1000,
    ) {
        let (masker, execution) = (masker(&flat, salt), execution());
        let live = flat.iter().filter(|&&flat| !flat).count();
        let expected = with_every_segment(&masker);
        let every = Targets::EveryClass;
        let exact = exact_shapley(&curved, &masker, every.clone(), &ExactShapleyConfig::default(), &execution).unwrap();
        check(&exact.solution.values, &expected, &flat, 1e-12);
        prop_assert_eq!(exact.solution.evaluations, 1 << live);
        prop_assert_eq!(exact.solution.players, SEGMENTS);
        let kernel = KernelShapConfig { evaluations: 512, tolerance: 0.0 };
        let kernel = kernel_shap(&curved, &masker, every.clone(), &kernel, &execution).unwrap();
        check(&kernel.solution.values, &expected, &flat, 1e-9);
        let walks = PermutationShapConfig { permutations: 64, tolerance: 0.0 };
        let walks = permutation_shap(&curved, &masker, every, &walks, &execution).unwrap();
        check(&walks.solution.values, &expected, &flat, 1e-12);
        for found in [&exact, &kernel, &walks] {
            prop_assert_eq!(found.inert_segments.len(), SEGMENTS - live);
            // every coalition was evaluated
            prop_assert_eq!(&found.solution.standard_errors, &Some(vec![0.0; 2 * SEGMENTS]));
            prop_assert!(found.sampling.converged && found.sampling.relative_standard_error == Some(0.0));
            prop_assert_eq!(found.game.coalitions.len(), found.sampling.evaluations);
            for (output, attribution) in found.attributions.iter().enumerate() {
                let change = found.solution.full[output] - found.solution.empty[output];
                prop_assert!((attribution.sum() - change).abs() < 1e-5);
            }
        }
    }

    /// The linear function without the inert segments is the one with them, at the coalitions that were evaluated.
    #[test]
    fn lime_fits_the_same_function_as_with_constant_segments(
        flat in proptest::collection::vec(any::<bool>(), SEGMENTS),
        salt in 0_u64..1000,
    ) {
        prop_assume!(flat.iter().any(|&flat| !flat));
        let (masker, execution) = (masker(&flat, salt), execution());
        let config = LimeConfig { samples: 80, ..LimeConfig::default() };
        let found = lime(&curved, &masker, Targets::EveryClass, &config, &execution).unwrap();
        let mut all = Coalitions::new(SEGMENTS);
        let game = &found.game;
        for row in 0..game.coalitions.len() {
            let player = |segment: usize| game.players.iter().position(|&player| player == segment);
            let members: Vec<bool> =
                (0..SEGMENTS).map(|s| player(s).is_none_or(|player| game.coalitions.contains(row, player))).collect();
            let size = members.iter().filter(|&&member| member).count() as f64;
            prop_assert!((found.distances[row] - (1.0 - (size / SEGMENTS as f64).sqrt())).abs() < 1e-15);
            all.push(&members).unwrap();
        }
        let values = masker.values(&curved, &all, &Targets::EveryClass, &execution).unwrap().values;
        prop_assert_eq!(&values, &game.values);
        let fit = tinylsa_xai::fit_ridge(&all, &game.weights, &values, 1.0, &execution.cancellation).unwrap();
        check(&found.solution.coefficients, &fit.coefficients, &flat, 1e-10);
        for (ours, theirs) in found.solution.intercepts.iter().zip(&fit.intercepts) {
            prop_assert!((ours - theirs).abs() < 1e-10);
        }
    }
}

#[test]
fn the_model_is_asked_half_as_often_for_each() {
    let asked = Cell::new(0);
    let counting = |images: Tensor<4>| {
        asked.set(asked.get() + images.dims()[0]);
        curved(images)
    };
    let mut flat = [false; SEGMENTS];
    for inert in 0..4 {
        asked.set(0);
        let config = ExactShapleyConfig::default();
        exact_shapley(&counting, &masker(&flat, 1), Target::Predicted, &config, &execution()).unwrap();
        assert_eq!(asked.get(), 4 + (512 >> inert), "{inert} inert segments");
        flat[2 * inert] = true;
    }
}

#[test]
fn nothing_to_hide_is_a_map_of_zeros_with_a_warning() {
    let (masker, execution) = (masker(&[true; SEGMENTS], 3), execution());
    let asked = Cell::new(0);
    let counting = |images: Tensor<4>| {
        asked.set(asked.get() + images.dims()[0]);
        curved(images)
    };
    let shapley = [
        exact_shapley(&counting, &masker, Targets::EveryClass, &ExactShapleyConfig::default(), &execution).unwrap(),
        kernel_shap(&counting, &masker, Targets::EveryClass, &KernelShapConfig::default(), &execution).unwrap(),
        permutation_shap(&counting, &masker, Targets::EveryClass, &PermutationShapConfig::default(), &execution)
            .unwrap(),
    ];
    for found in shapley {
        assert_eq!(found.inert_segments, (0..SEGMENTS).collect::<Vec<_>>());
        assert_eq!(found.solution.values, [0.0; 2 * SEGMENTS]);
        assert_eq!(found.solution.standard_errors, Some(vec![0.0; 2 * SEGMENTS]));
        assert_eq!((found.solution.evaluations, &found.solution.full), (1, &found.solution.empty));
        assert!(found.attributions.iter().all(|map| map.values.iter().all(|&value| value == 0.0)));
        assert!(found.sampling.converged && found.game.players.is_empty());
    }
    let found = lime(&counting, &masker, Targets::EveryClass, &LimeConfig::default(), &execution).unwrap();
    assert_eq!(found.solution.coefficients, [0.0; 2 * SEGMENTS]);
    assert_eq!((found.solution.evaluations, &found.solution.intercepts), (1, &found.solution.scores));
    assert_eq!(found.warnings, [LimeWarning::InertSegments { segments: (0..SEGMENTS).collect() }]);
    // the image, with a copy of it, beside the two pairs that check the scorer
    assert_eq!(asked.get(), 4 * (4 + 2));
}

/// The limit counts what is enumerated.
#[test]
fn more_segments_than_the_limit_can_be_enumerated_if_few_are_live() {
    let mut flat = [false; SEGMENTS];
    flat[..4].fill(true);
    let config = ExactShapleyConfig { limit: 5 };
    let found = exact_shapley(&curved, &masker(&flat, 5), Target::Predicted, &config, &execution()).unwrap();
    assert_eq!((found.solution.evaluations, found.game.players), (32, vec![4, 5, 6, 7, 8]));
    flat[0] = false;
    let error = exact_shapley(&curved, &masker(&flat, 5), Target::Predicted, &config, &execution()).unwrap_err();
    assert_eq!(error, ExplainError::TooManyPlayers { players: 6, evaluations: 64, limit: 5 });
}

/// LIME with few live segments weighs coalitions by the whole image, so that one live segment is no reason to refuse it.
#[test]
fn one_live_segment_is_enough_for_lime() {
    let mut flat = [true; SEGMENTS];
    flat[3] = false;
    let masker = masker(&flat, 8);
    let found = lime(&curved, &masker, Target::Class(1), &LimeConfig::default(), &execution()).unwrap();
    let exact =
        exact_shapley(&curved, &masker, Target::Class(1), &ExactShapleyConfig::default(), &execution()).unwrap();
    let (coefficient, value) = (found.solution.coefficients[3], exact.solution.values[3]);
    // the penalty pulls it towards 0 a little
    assert!((coefficient / value - 1.0).abs() < 0.1, "{coefficient} and {value}");
}

#[test]
fn occlusion_asks_nothing_about_windows_that_change_nothing() {
    let asked = Cell::new(0);
    let counting = |images: Tensor<4>| {
        asked.set(asked.get() + images.dims()[0]);
        curved(images)
    };
    // black but for the lower right quarter, hidden behind black
    let lit = |pixel: usize| pixel / SIDE >= 3 && pixel % SIDE >= 3;
    let values = random(4, SIDE * SIDE).into_iter().enumerate();
    let image =
        Image::new(values.map(|(pixel, value)| if lit(pixel) { 0.5 + value } else { 0.0 }).collect(), [1, SIDE, SIDE]);
    let (image, black) = (image.unwrap(), Image::filled(0.0, [1, SIDE, SIDE]).unwrap());
    let config = OcclusionConfig { height: 2, width: 2, row_stride: 1, column_stride: 1 };
    let found = occlusion(&counting, &image, &black, Target::Class(0), &config, &execution()).unwrap();
    // the 5 × 5 windows without those whose last row and last column are 3 or more
    assert_eq!((found.windows, found.inert_windows), (25, 16));
    assert_eq!(asked.get(), 4 + 1 + 9);
    let map = found.attributions[0].per_pixel();
    assert!((0..SIDE * SIDE).all(|pixel| pixel / SIDE >= 2 && pixel % SIDE >= 2 || map[pixel] == 0.0));
    assert!(map[SIDE * SIDE - 1] != 0.0);
}
