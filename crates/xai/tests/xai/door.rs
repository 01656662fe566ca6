//! What a scorer has to be, and what every method says of one that is not.

use std::cell::Cell;

use burn::tensor::{Device, Tensor, TensorData};
use tinylsa_xai::{
    AttributionKind, Baseline, DeletionConfig, ExactShapleyConfig, Execution, ExpectedGradientsConfig, ExplainError,
    FaithfulnessConfig, FillConfig, Image, InfidelityConfig, IntegratedGradientsConfig, KernelShapConfig, LimeConfig,
    Masker, MuFidelityConfig, PermutationShapConfig, Probe, ScoreScale, Scorer, Segmentation, SmoothGradConfig, Target,
    Targets, check_scorer, deletion_insertion, exact_shapley, expected_gradients, faithfulness_correlation, infidelity,
    input_gradient, input_times_gradient, integrated_gradients, kernel_shap, lime, mu_fidelity, permutation_shap,
    smooth_grad,
};

const SHAPE: [usize; 3] = [1, 4, 4];

fn image() -> Image {
    Image::new((0..16).map(|value| value as f32 / 16.0).collect(), SHAPE).unwrap()
}

/// Class 0 is the sum of the pixels, class 1 its half, class 2 its negative.
fn sums(images: Tensor<4>) -> Tensor<2> {
    let sum: Tensor<2> = images.flatten::<2>(1, 3).sum_dim(1);
    Tensor::cat(vec![sum.clone(), sum.clone() * 0.5, -sum], 1)
}

/// The scores with `score` in place of those of one class, in every row.
fn with_class(class: usize, score: f32) -> impl Fn(Tensor<4>) -> Tensor<2> {
    move |images: Tensor<4>| {
        let scores = sums(images);
        let rows = scores.dims()[0];
        let values = Tensor::<2>::full([rows, 1], score, &scores.device());
        scores.slice_assign([0..rows, class..class + 1], values)
    }
}

/// Every function that scores images, by its name.
fn every_method(scorer: &impl Scorer, target: Target) -> Vec<(&'static str, Result<(), ExplainError>)> {
    let (image, execution) = (image(), Execution { device: Device::flex(), ..Execution::default() });
    let black = [Image::filled(0.0, SHAPE).unwrap()];
    let segments = Segmentation::grid(4, 4, 2, 2).unwrap();
    let masker = Masker::with_backgrounds(image.clone(), segments, black.to_vec()).unwrap();
    let fill = FillConfig::default();
    let probe = Probe {
        scorer,
        image: &image,
        target,
        scale: ScoreScale::Probabilities,
        baseline: Baseline::Black,
        fill: &fill,
        execution: &execution,
    };
    let map = [1.0, 2.0].repeat(8);
    let integrated = IntegratedGradientsConfig { steps: 4, maximum_steps: 4, ..Default::default() };
    let (subsets, cells) =
        (FaithfulnessConfig { subsets: 3, pixels: 4 }, MuFidelityConfig { grid: 2, fraction: 0.5, samples: 3 });
    let squares = InfidelityConfig { largest_side: 2, samples: 3 };
    vec![
        ("input gradient", input_gradient(scorer, &image, target, &execution).map(drop)),
        ("input times gradient", input_times_gradient(scorer, &image, target, &execution).map(drop)),
        ("smooth grad", smooth_grad(scorer, &image, target, &SmoothGradConfig::default(), &execution).map(drop)),
        (
            "integrated gradients",
            integrated_gradients(scorer, &image, &black, target, &integrated, &execution).map(drop),
        ),
        (
            "expected gradients",
            expected_gradients(scorer, &image, &black, target, &ExpectedGradientsConfig::default(), &execution)
                .map(drop),
        ),
        ("exact Shapley", exact_shapley(scorer, &masker, target, &ExactShapleyConfig::default(), &execution).map(drop)),
        ("KernelSHAP", kernel_shap(scorer, &masker, target, &KernelShapConfig::default(), &execution).map(drop)),
        (
            "permutation SHAP",
            permutation_shap(scorer, &masker, target, &PermutationShapConfig::default(), &execution).map(drop),
        ),
        ("LIME", lime(scorer, &masker, target, &LimeConfig::default(), &execution).map(drop)),
        ("deletion", deletion_insertion(&probe, &map, &DeletionConfig { steps: 4 }).map(drop)),
        ("faithfulness", faithfulness_correlation(&probe, &map, &subsets).map(drop)),
        ("mu fidelity", mu_fidelity(&probe, &map, &cells).map(drop)),
        ("infidelity", infidelity(&probe, &map, AttributionKind::Contribution, &squares).map(drop)),
    ]
}

#[test]
fn a_scorer_that_keeps_its_word_passes_every_door() {
    for (method, found) in every_method(&sums, Target::Predicted) {
        assert_eq!(found, Ok(()), "{method}");
    }
    let scores = check_scorer(&sums, &image(), &Execution::default()).unwrap();
    assert_eq!((scores.len(), scores.classes(), scores.predicted(0)), (1, 3, 0));
    assert!((scores.of(0)[0] - 7.5).abs() < 1e-5);
}

#[test]
fn a_scorer_that_depends_on_its_batch_is_refused_by_every_method() {
    // as batch normalisation does that still uses the statistics of the batch
    let centred = |images: Tensor<4>| {
        let mean = images.clone().mean_dim(0);
        sums(images - mean)
    };
    let scaled = |images: Tensor<4>| {
        let largest = images.clone().abs().mean().into_scalar::<f32>();
        sums(images / (largest + 0.1))
    };
    for (method, found) in
        every_method(&centred, Target::Class(0)).into_iter().chain(every_method(&scaled, Target::Class(0)))
    {
        let error = found.expect_err(method);
        assert!(matches!(error, ExplainError::UnstableScorer { class: 0, .. }), "{method}: {error}");
        assert!(error.to_string().contains("evaluation mode"), "{error}");
    }
}

#[test]
fn a_random_scorer_is_refused_by_every_method() {
    let drawn = Cell::new(0_u32);
    let random = |images: Tensor<4>| {
        let rows = images.dims()[0];
        let noise: Vec<f32> = (0..rows)
            .map(|_| {
                drawn.set(drawn.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
                1.0 + (drawn.get() >> 16) as f32 / 65_536.0
            })
            .collect();
        let noise = Tensor::<2>::from_data(TensorData::new(noise, [rows, 1]), &images.device());
        sums(images) * noise
    };
    for (method, found) in every_method(&random, Target::Class(1)) {
        assert!(matches!(found, Err(ExplainError::UnstableScorer { .. })), "{method}: {found:?}");
    }
    // what only differs by the rounding of f32 is the same
    let rounding = |images: Tensor<4>| {
        drawn.set(drawn.get() + 1);
        sums(images) * (1.0 + 1e-6 * (drawn.get() % 2) as f32)
    };
    for (method, found) in every_method(&rounding, Target::Class(1)) {
        assert_eq!(found, Ok(()), "{method}");
    }
}

#[test]
fn a_class_that_is_ruled_out_does_not_keep_another_from_being_explained() {
    let ruled_out = with_class(2, f32::NEG_INFINITY);
    for target in [Target::Class(0), Target::Class(1)] {
        for (method, found) in every_method(&ruled_out, target) {
            assert_eq!(found, Ok(()), "{method}");
        }
    }
    for (method, found) in every_method(&ruled_out, Target::Class(2)) {
        let expected = ExplainError::Score { class: 2, value: f32::NEG_INFINITY };
        assert_eq!(found, Err(expected), "{method}");
    }
    // a class that was never explained leaves the values of the others as they are
    let execution = Execution::default();
    let segments = Segmentation::grid(4, 4, 2, 2).unwrap();
    let masker = Masker::new(image(), segments, &FillConfig::default(), &execution).unwrap();
    let config = ExactShapleyConfig::default();
    let alone = exact_shapley(&ruled_out, &masker, Target::Class(1), &config, &execution).unwrap();
    let among = exact_shapley(&sums, &masker, Targets::EveryClass, &config, &execution).unwrap();
    assert_eq!(alone.solution.values, among.solution.of(1).unwrap());
    let all = exact_shapley(&ruled_out, &masker, Targets::EveryClass, &config, &execution);
    assert_eq!(all.unwrap_err(), ExplainError::Score { class: 2, value: f32::NEG_INFINITY });
}

#[test]
fn a_score_that_is_no_number_is_named_with_its_class() {
    for (value, target) in [(f32::INFINITY, 0), (f32::INFINITY, 1), (f32::NAN, 0), (f32::NAN, 1)] {
        for (method, found) in every_method(&with_class(1, value), Target::Class(target)) {
            let error = found.expect_err(method);
            assert!(matches!(error, ExplainError::Score { class: 1, .. }), "{method}: {error}");
        }
    }
    let error = ExplainError::Score { class: 1, value: f32::NAN };
    assert_eq!(error.to_string(), "the score of class 1 is NaN, expected a finite number");
}
