//! One class against another: the difference of the maps of the two for every method that is linear in the score.

use burn::tensor::{Device, Tensor, TensorData, activation};
use tinylsa_xai::{
    Baseline, DeletionConfig, ExactShapleyConfig, Execution, ExpectedGradientsConfig, ExplainError, ExplainedScore,
    FillConfig, Image, IntegratedGradientsConfig, KernelShapConfig, LimeConfig, Masker, PathRule,
    PermutationShapConfig, Probe, ScoreScale, Segmentation, SmoothGradConfig, Target, deletion_insertion,
    exact_shapley, expected_gradients, input_gradient, input_times_gradient, integrated_gradients, kernel_shap, lime,
    permutation_shap, smooth_grad,
};

const SHAPE: [usize; 3] = [2, 6, 4];
const SIZE: usize = 48;
const CLASSES: usize = 4;
const CONTRAST: Target = Target::Against { class: 1, other: 3 };

fn numbers(count: usize, salt: u64) -> Vec<f32> {
    (0..count as u64).map(|i| ((((i + 1) * (salt * 2 + 77_003) * 2_654_435_761) >> 17) % 64) as f32 / 64.0).collect()
}

fn image() -> Image {
    Image::new(numbers(SIZE, 1), SHAPE).unwrap()
}

fn execution() -> Execution {
    Execution { device: Device::flex(), seed: 3, batch_size: 32, ..Execution::default() }
}

/// A network with a hidden layer, so that nothing is linear but the score itself.
fn network(images: Tensor<4>) -> Tensor<2> {
    let (batch, device) = (images.dims()[0], images.device());
    let weights = |rows: usize, columns: usize, salt: u64| {
        let values = numbers(rows * columns, salt).into_iter().map(|value| value - 0.5).collect::<Vec<_>>();
        Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), &device)
    };
    let hidden = activation::tanh(images.reshape([batch, SIZE]).matmul(weights(SIZE, 6, 9)));
    hidden.matmul(weights(6, CLASSES, 10))
}

/// The map of a target by every linear method.
fn maps(target: Target) -> Vec<(&'static str, Vec<f32>)> {
    let (image, execution) = (image(), execution());
    let baselines = [Image::filled(0.0, SHAPE).unwrap(), Image::new(numbers(SIZE, 5), SHAPE).unwrap()];
    let masker =
        Masker::new(image.clone(), Segmentation::grid(6, 4, 3, 2).unwrap(), &FillConfig::default(), &execution)
            .unwrap();
    // refinement stops at a share of the difference of scores, which is another one for each target
    // at nodes that do not depend on what is explained
    let fixed = IntegratedGradientsConfig {
        rule: PathRule::GaussLegendre,
        steps: 64,
        tolerance: f64::INFINITY,
        map_tolerance: f64::INFINITY,
        ..Default::default()
    };
    let noisy = SmoothGradConfig { tolerance: f64::INFINITY, samples: 64, ..Default::default() };
    let expected = ExpectedGradientsConfig { tolerance: f64::INFINITY, ..Default::default() };
    let kernel = KernelShapConfig { evaluations: 40, tolerance: 0.0 };
    let limes = LimeConfig { samples: 60, ..Default::default() };
    let walks = PermutationShapConfig { permutations: 4, tolerance: 0.0 };
    vec![
        ("gradient", input_gradient(&network, &image, target, &execution).unwrap().values),
        ("input times gradient", input_times_gradient(&network, &image, target, &execution).unwrap().values),
        ("smooth grad", smooth_grad(&network, &image, target, &noisy, &execution).unwrap().attribution.values),
        (
            "integrated gradients",
            integrated_gradients(&network, &image, &baselines, target, &fixed, &execution).unwrap().attribution.values,
        ),
        (
            "expected gradients",
            expected_gradients(&network, &image, &baselines, target, &expected, &execution).unwrap().attribution.values,
        ),
        (
            "exact Shapley",
            exact_shapley(&network, &masker, target, &ExactShapleyConfig::default(), &execution)
                .unwrap()
                .attributions
                .remove(0)
                .values,
        ),
        (
            "KernelSHAP",
            kernel_shap(&network, &masker, target, &kernel, &execution).unwrap().attributions.remove(0).values,
        ),
        (
            "permutation SHAP",
            permutation_shap(&network, &masker, target, &walks, &execution).unwrap().attributions.remove(0).values,
        ),
        ("LIME", lime(&network, &masker, target, &limes, &execution).unwrap().attributions.remove(0).values),
    ]
}

#[test]
fn a_contrast_is_the_difference_of_the_two_maps() {
    let of_both = maps(Target::Class(1)).into_iter().zip(maps(Target::Class(3)));
    for (((method, class), (_, other)), (_, contrast)) in of_both.zip(maps(CONTRAST)) {
        let largest = contrast.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        assert!(largest > 1e-3, "{method}: a map of zeros shows nothing");
        for ((class, other), contrast) in class.iter().zip(&other).zip(&contrast) {
            assert!((class - other - contrast).abs() < 1e-5, "{method}: {class} - {other} is not {contrast}");
        }
    }
}

#[test]
fn several_targets_cost_one_evaluation_and_give_the_same_maps() {
    let execution = execution();
    let masker =
        Masker::new(image(), Segmentation::grid(6, 4, 3, 2).unwrap(), &FillConfig::default(), &execution).unwrap();
    let config = ExactShapleyConfig::default();
    let rows = std::cell::Cell::new(0);
    let counted = |images: Tensor<4>| {
        rows.set(rows.get() + images.dims()[0]);
        network(images)
    };
    let several = vec![CONTRAST, Target::Class(2), Target::Predicted];
    let found = exact_shapley(&counted, &masker, several, &config, &execution).unwrap();
    assert_eq!(rows.get(), 64 + 4, "all coalitions of six segments, and four images that check the scorer");
    assert_eq!(found.explained[..2], [ExplainedScore { class: 1, against: Some(3) }, 2.into()]);
    for (target, attribution) in [CONTRAST, Target::Class(2), Target::Predicted].into_iter().zip(&found.attributions) {
        let alone = exact_shapley(&network, &masker, target, &config, &execution).unwrap();
        assert_eq!(&alone.attributions[0], attribution);
    }
    let none = exact_shapley(&network, &masker, Vec::new(), &config, &execution);
    assert_eq!(none.unwrap_err(), ExplainError::Empty { what: "list of targets" });
}

#[test]
fn a_contrast_is_scored_by_the_difference_of_scores_and_of_probabilities() {
    let (image, execution, fill) = (image(), execution(), FillConfig::default());
    let scores = tinylsa_xai::check_scorer(&network, &image, &execution).unwrap();
    let logits: Vec<f64> = scores.of(0).iter().copied().map(f64::from).collect();
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    let expected = [logits[1] - logits[3], (logits[1].exp() - logits[3].exp()) / sum];
    for (scale, expected) in [ScoreScale::Logits, ScoreScale::Probabilities].into_iter().zip(expected) {
        let probe = Probe {
            scorer: &network,
            image: &image,
            target: CONTRAST,
            scale,
            baseline: Baseline::Black,
            fill: &fill,
            execution: &execution,
        };
        let found = deletion_insertion(&probe, &numbers(24, 2), &DeletionConfig { steps: 2 }).unwrap();
        assert!((found.deletion[0] - expected).abs() < 1e-6, "{} is not {expected}", found.deletion[0]);
    }
}

#[test]
fn classes_that_cannot_be_set_against_each_other_are_refused() {
    let gradient = |target: Target| input_gradient(&network, &image(), target, &execution()).unwrap_err();
    assert!(matches!(gradient(Target::Against { class: 2, other: 2 }), ExplainError::Undefined { .. }));
    for target in [Target::Against { class: 4, other: 0 }, Target::Against { class: 0, other: 4 }] {
        assert_eq!(gradient(target), ExplainError::OutOfRange { what: "class", index: 4, count: 4 });
    }
    let ruled_out = |images: Tensor<4>| {
        let rows = images.dims()[0];
        let nothing = Tensor::<2>::full([rows, 1], f32::NEG_INFINITY, &images.device());
        network(images).slice_assign([0..rows, 3..4], nothing)
    };
    let found = input_gradient(&ruled_out, &image(), CONTRAST, &execution());
    assert_eq!(found.unwrap_err(), ExplainError::Score { class: 3, value: f32::NEG_INFINITY });
}
