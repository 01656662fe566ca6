//! Inputs for which a quantity is not defined: an error, `None` or a warning, and never a number that looks right.

#![expect(clippy::float_cmp, reason = "the expected values are exact")]

use burn::tensor::{Device, Tensor};
use tinylsa_xai::{
    AttributionKind, Baseline, DeletionConfig, Execution, ExpectedGradientsConfig, ExplainError, FaithfulnessConfig,
    Fill, FillConfig, Image, InfidelityConfig, IntegratedGradientsConfig, KernelShapConfig, LimeConfig, LimeWarning,
    Masker, MuFidelityConfig, Probe, ScoreScale, Scorer, Segmentation, SmoothGradConfig, Target, Targets, completeness,
    deletion_insertion, expected_gradients, faithfulness_correlation, infidelity, input_gradient, integrated_gradients,
    kernel_shap, lime, mu_fidelity, pointing_game, relevance_mass_accuracy, relevance_rank_accuracy, smooth_grad,
};

const SHAPE: [usize; 3] = [1, 4, 4];

fn execution() -> Execution {
    Execution { device: Device::flex(), ..Execution::default() }
}

fn image() -> Image {
    Image::new((0..16).map(|value| value as f32 / 16.0).collect(), SHAPE).unwrap()
}

/// The sum of the squares of all pixels but the first, as the only class.
fn only_class(images: Tensor<4>) -> Tensor<2> {
    let squares: Tensor<2> = images.flatten::<2>(1, 3).powi_scalar(2);
    squares.clone().sum_dim(1) - squares.narrow(1, 0, 1)
}

fn two_classes(images: Tensor<4>) -> Tensor<2> {
    let score = only_class(images);
    Tensor::cat(vec![score.clone(), -score], 1)
}

fn one_ruled_out(images: Tensor<4>) -> Tensor<2> {
    let score = only_class(images);
    let nothing = Tensor::<2>::full(score.dims(), f32::NEG_INFINITY, &score.device());
    Tensor::cat(vec![score, nothing], 1)
}

/// What every score that probes the model says of a map.
fn probed<S: Scorer>(probe: &Probe<'_, S>, map: &[f32]) -> Vec<Result<(), ExplainError>> {
    let subsets = FaithfulnessConfig { subsets: 4, pixels: 3 };
    let cells = MuFidelityConfig { grid: 2, fraction: 0.5, samples: 4 };
    let squares = InfidelityConfig { largest_side: 2, samples: 4 };
    vec![
        deletion_insertion(probe, map, &DeletionConfig { steps: 4 }).map(drop),
        faithfulness_correlation(probe, map, &subsets).map(drop),
        mu_fidelity(probe, map, &cells).map(drop),
        infidelity(probe, map, AttributionKind::Contribution, &squares).map(drop),
    ]
}

#[test]
fn the_probability_of_the_only_class_is_not_scored() {
    let (image, fill, execution) = (image(), FillConfig::default(), execution());
    let map: Vec<f32> = (0..16).map(|pixel| pixel as f32).collect();
    let scorers: [fn(Tensor<4>) -> Tensor<2>; 3] = [only_class, one_ruled_out, two_classes];
    for (number, scorer) in scorers.iter().enumerate() {
        for scale in [ScoreScale::Logits, ScoreScale::Probabilities] {
            let (class, baseline) = (0, Baseline::Black);
            let probe = Probe {
                scorer,
                image: &image,
                target: Target::Class(class),
                scale,
                baseline,
                fill: &fill,
                execution: &execution,
            };
            let is_constant = number < 2 && scale == ScoreScale::Probabilities;
            for found in probed(&probe, &map) {
                assert_eq!(matches!(found, Err(ExplainError::Undefined { .. })), is_constant, "{found:?}");
                assert_eq!(found.is_ok(), !is_constant, "{found:?}");
            }
        }
    }
}

fn masker(rows: usize, columns: usize) -> Masker {
    let black = FillConfig { kind: Fill::Black, ..FillConfig::default() };
    Masker::new(image(), Segmentation::grid(4, 4, rows, columns).unwrap(), &black, &execution()).unwrap()
}

#[test]
fn lime_names_a_kernel_that_leaves_no_weight() {
    let explain = |kernel_width: f64| {
        let config = LimeConfig { kernel_width, ..LimeConfig::default() };
        lime(&two_classes, &masker(4, 2), Targets::EveryClass, &config, &execution())
    };
    for width in [1e-3, 0.01] {
        let error = explain(width).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ExplainError::KernelWidth { samples: 2000, weight, .. } if weight < 1e-3), "{text}");
        assert!(text.contains(&format!("the kernel_width {width}")) && text.contains("raise kernel_width"), "{text}");
    }
    assert!(explain(0.25).unwrap().warnings.is_empty());
}

#[test]
fn a_fit_that_is_not_determined_does_not_pass_as_one() {
    // no more samples than segments: refused before the model is asked
    let config = |samples: usize| LimeConfig { samples, folds: 2, ..LimeConfig::default() };
    let few = |samples: usize| lime(&two_classes, &masker(4, 2), Targets::EveryClass, &config(samples), &execution());
    for samples in [4, 7, 8] {
        assert_eq!(few(samples).unwrap_err(), ExplainError::Underdetermined { rows: samples, unknowns: 9 });
    }
    // enough samples whose coalitions repeat one another: said
    let warned = |samples: usize, seed: u64| {
        let execution = Execution { seed, ..execution() };
        let found = lime(&two_classes, &masker(4, 1), Targets::EveryClass, &config(samples), &execution).unwrap();
        let warning = LimeWarning::Underdetermined { samples, segments: 4 };
        assert_eq!(found.warnings.contains(&warning), !found.solution.determined);
        !found.solution.determined
    };
    assert!((0..20).any(|seed| warned(5, seed)), "five draws of four segments rarely determine five numbers");
    assert!((0..20).all(|seed| !warned(200, seed)));

    let config = KernelShapConfig { evaluations: 4, tolerance: 0.0 };
    let found = kernel_shap(&two_classes, &masker(4, 4), Targets::EveryClass, &config, &execution()).unwrap();
    assert!(found.solution.underdetermined);
    assert_eq!(found.solution.standard_errors, None);
}

#[test]
fn smooth_grad_of_an_image_of_one_value_says_that_it_had_no_noise() {
    let (target, config) = (Target::Class(0), SmoothGradConfig::default());
    for value in [0.0, 0.5, 1.0] {
        let flat = Image::filled(value, SHAPE).unwrap();
        let found = smooth_grad(&two_classes, &flat, target, &config, &execution()).unwrap();
        let gradient = input_gradient(&two_classes, &flat, target, &execution()).unwrap();
        assert_eq!(found.noise_deviation, 0.0);
        assert_eq!(found.attribution.values, gradient.values);
        assert_eq!(found.relative_standard_error, Some(0.0), "no two samples differ");
        assert!(found.reached);
    }
    let found = smooth_grad(&two_classes, &image(), target, &config, &execution()).unwrap();
    assert!((found.noise_deviation - 0.15 * 15.0 / 16.0).abs() < 1e-7);
    assert!(found.relative_standard_error.unwrap() > 0.0);
}

#[test]
fn a_path_without_length_is_told() {
    let (target, config) = (Target::Class(0), IntegratedGradientsConfig::default());
    let explain = |baselines: &[Image]| {
        integrated_gradients(&two_classes, &image(), baselines, target, &config, &execution()).unwrap()
    };
    let black = Image::filled(0.0, SHAPE).unwrap();
    let found = explain(&[image(), black.clone()]);
    assert_eq!(found.paths[0].length, 0.0);
    let norm = image().values().iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    assert!((found.paths[1].length - norm).abs() < 1e-12);
    let nothing = explain(&[image()]);
    assert_eq!((nothing.paths[0].length, nothing.attribution.largest_magnitude()), (0.0, 0.0));

    let config = ExpectedGradientsConfig::default();
    let background = [image()];
    let found = expected_gradients(&two_classes, &image(), &background, target, &config, &execution()).unwrap();
    assert_eq!(found.relative_standard_error, Some(0.0), "no two draws differ");
}

#[test]
fn scores_that_any_map_would_reach_are_refused() {
    let (image, fill, execution) = (image(), FillConfig::default(), execution());
    let constant = |images: Tensor<4>| two_classes(images) * 0.0 + 1.0;
    let map: Vec<f32> = (0..16).map(|pixel| pixel as f32).collect();
    let probe = Probe {
        scorer: &constant,
        image: &image,
        target: Target::Class(0),
        scale: ScoreScale::Logits,
        baseline: Baseline::Black,
        fill: &fill,
        execution: &execution,
    };
    // no square changes the score, so that the scale 0 would make every map perfect
    let squares = InfidelityConfig { largest_side: 2, samples: 4 };
    assert_eq!(infidelity(&probe, &map, AttributionKind::Contribution, &squares).unwrap().scaled, None);
    // one square is predicted by some scale, one step of deletion has one curve, whatever the map
    assert_eq!(InfidelityConfig { samples: 1, ..squares }.validate().unwrap_err().key, "samples");
    assert_eq!(DeletionConfig { steps: 1 }.validate().unwrap_err().key, "steps");
    let pixel = Image::filled(0.5, [1, 1, 1]).unwrap();
    let single = |images: Tensor<4>| images.flatten::<2>(1, 3).repeat_dim(1, 2);
    let probe = Probe {
        scorer: &single,
        image: &pixel,
        target: Target::Class(0),
        scale: ScoreScale::Logits,
        baseline: Baseline::Black,
        fill: &fill,
        execution: &execution,
    };
    let found = deletion_insertion(&probe, &[1.0], &DeletionConfig::default());
    assert!(matches!(found, Err(ExplainError::Undefined { .. })), "{found:?}");

    // a mask that holds every pixel cannot be missed
    let whole = [true; 2];
    assert!(matches!(pointing_game(&[1.0, 0.0], &whole), Err(ExplainError::Undefined { .. })));
    assert!(matches!(relevance_rank_accuracy(&[1.0, 0.0], &whole), Err(ExplainError::Undefined { .. })));
    assert!(matches!(relevance_mass_accuracy(&[1.0, 0.0], &whole), Err(ExplainError::Undefined { .. })));

    // scores that differ by no more than their rounding
    assert_eq!(completeness(0.1, 3.0, 3.0), Ok(None));
    assert_eq!(completeness(0.1, 3.0, 3.0 + 1e-6), Ok(None));
    assert_eq!(completeness(0.0, 3.0, 2.0), Ok(Some(1.0)));
}
