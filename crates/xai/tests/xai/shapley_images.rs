//! The Shapley methods on images: linear models, backgrounds, fills, determinism, bounded batches, faults.

#![expect(clippy::float_cmp, reason = "the expected values are exact")]

use std::cell::RefCell;

use burn::tensor::{Device, Tensor, TensorData, activation};
use tinylsa_xai::{
    ExactShapleyConfig, Execution, ExplainError, ExplainedScore, Fill, FillConfig, Image, KernelShapConfig, LimeConfig,
    LimeExplanation, Masker, PermutationShapConfig, Segmentation, ShapleyExplanation, Target, Targets, exact_shapley,
    kernel_shap, lime, permutation_shap,
};

const SHAPE: [usize; 3] = [2, 6, 6];
const SIZE: usize = 72;
const CLASSES: usize = 3;

/// Numbers in 0 to 1 that look random, in multiples of 1/64 so that their sums are exact.
fn numbers(count: usize, salt: u64) -> Vec<f32> {
    (0..count as u64).map(|i| ((((i + 1) * (salt * 2 + 77_003) * 2_654_435_761) >> 17) % 64) as f32 / 64.0).collect()
}

fn image(salt: u64) -> Image {
    Image::new(numbers(SIZE, salt), SHAPE).unwrap()
}

fn segmentation() -> Segmentation {
    Segmentation::grid(6, 6, 3, 3).unwrap()
}

fn execution() -> Execution {
    Execution { device: Device::flex(), ..Execution::default() }
}

/// Weights `[SIZE, CLASSES]`.
fn weights() -> Vec<f32> {
    numbers(SIZE * CLASSES, 9).into_iter().map(|value| value - 0.5).collect()
}

fn linear(images: Tensor<4>) -> Tensor<2> {
    let batch = images.dims()[0] as i32;
    let weights = Tensor::<2>::from_data(TensorData::new(weights(), [SIZE, CLASSES]), &images.device());
    images.reshape([batch, SIZE as i32]).matmul(weights)
}

/// Not linear, and the scores of an image do not depend on the batch: one row is multiplied at a time.
fn curved(images: Tensor<4>) -> Tensor<2> {
    let rows = images.split(1, 0).into_iter().map(|image| activation::tanh(linear(image) * 0.3) + 1.0);
    Tensor::cat(rows.collect(), 0)
}

fn masker(background: Image) -> Masker {
    Masker::with_backgrounds(image(1), segmentation(), vec![background]).unwrap()
}

/// Every estimator, with a budget that a test can afford.
fn every_method<S: Fn(Tensor<4>) -> Tensor<2>>(
    scorer: &S,
    masker: &Masker,
    execution: &Execution,
) -> Result<[ShapleyExplanation; 3], ExplainError> {
    Ok([
        exact_shapley(scorer, masker, Targets::EveryClass, &ExactShapleyConfig::default(), execution)?,
        kernel_shap(
            scorer,
            masker,
            Targets::EveryClass,
            &KernelShapConfig { evaluations: 120, tolerance: 0.0 },
            execution,
        )?,
        permutation_shap(
            scorer,
            masker,
            Targets::EveryClass,
            &PermutationShapConfig { permutations: 5, tolerance: 0.0 },
            execution,
        )?,
    ])
}

/// The methods that sample, with a tolerance that ends them before the budget.
fn in_rounds<S: Fn(Tensor<4>) -> Tensor<2>>(
    scorer: &S,
    masker: &Masker,
    execution: &Execution,
) -> ([ShapleyExplanation; 2], LimeExplanation) {
    let kernel = KernelShapConfig { evaluations: 500, tolerance: 0.05 };
    let permutation = PermutationShapConfig { permutations: 30, tolerance: 0.05 };
    let samples = LimeConfig { samples: 400, tolerance: 0.2, ..LimeConfig::default() };
    let shapley = [
        kernel_shap(scorer, masker, Target::Class(0), &kernel, execution).unwrap(),
        permutation_shap(scorer, masker, Target::Class(0), &permutation, execution).unwrap(),
    ];
    (shapley, lime(scorer, masker, Target::Class(0), &samples, execution).unwrap())
}

#[test]
fn a_linear_model_gives_weight_times_difference_summed_over_each_segment() {
    let (shown, hidden, weights) = (image(1), image(2), weights());
    let mut expected = vec![0.0; CLASSES * 9];
    for position in 0..SIZE {
        let segment = segmentation().labels()[position % 36];
        for class in 0..CLASSES {
            let difference = f64::from(shown.values()[position]) - f64::from(hidden.values()[position]);
            expected[class * 9 + segment] += f64::from(weights[position * CLASSES + class]) * difference;
        }
    }
    for found in every_method(&linear, &masker(hidden.clone()), &execution()).unwrap() {
        assert_eq!(found.explained, [0, 1, 2].map(ExplainedScore::from));
        for (found, expected) in found.solution.values.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
        }
        for (output, attribution) in found.attributions.iter().enumerate() {
            assert_eq!((attribution.shape, attribution.target), (SHAPE.into(), output.into()));
            let change = found.solution.full[output] - found.solution.empty[output];
            assert!((attribution.sum() - change).abs() < 1e-5);
            assert!(found.solution.additivity_residuals[output].abs() < 1e-12);
        }
    }
}

#[test]
fn several_backgrounds_give_the_mean_of_each() {
    let both = Masker::with_backgrounds(image(1), segmentation(), vec![image(2), image(3)]).unwrap();
    let both = every_method(&curved, &both, &execution()).unwrap();
    let first = every_method(&curved, &masker(image(2)), &execution()).unwrap();
    let second = every_method(&curved, &masker(image(3)), &execution()).unwrap();
    for ((both, first), second) in both.iter().zip(&first).zip(&second) {
        let means = first.solution.values.iter().zip(&second.solution.values).map(|(a, b)| (a + b) / 2.0);
        for (found, expected) in both.solution.values.iter().zip(means) {
            assert!((found - expected).abs() < 1e-9);
        }
    }
}

#[test]
fn one_target_is_the_same_as_that_class_of_all() {
    let masker = masker(image(2));
    let config = KernelShapConfig { evaluations: 120, tolerance: 0.0 };
    let all = kernel_shap(&curved, &masker, Targets::EveryClass, &config, &execution()).unwrap();
    let one = kernel_shap(&curved, &masker, Target::Class(2), &config, &execution()).unwrap();
    assert_eq!(one.explained, [2.into()]);
    assert_eq!(one.attributions[0], all.attributions[2]);
    let best = (0..CLASSES).max_by(|&a, &b| all.solution.full[a].total_cmp(&all.solution.full[b])).unwrap();
    let predicted = kernel_shap(&curved, &masker, Target::Predicted, &config, &execution()).unwrap();
    assert_eq!(predicted.explained, [best.into()]);
}

#[test]
fn the_same_seed_gives_the_same_bits_at_any_batch_size_and_thread_count() {
    let noise =
        FillConfig { kind: Fill::Noise, mean: Some(vec![0.3]), deviation: Some(vec![0.2]), ..FillConfig::default() };
    let run = |batch_size: usize, seed: u64| {
        let execution = Execution { batch_size, seed, ..execution() };
        let masker = Masker::new(image(1), segmentation(), &noise, &execution).unwrap();
        let shapley = every_method(&curved, &masker, &execution).unwrap();
        (
            shapley,
            lime(
                &curved,
                &masker,
                Targets::EveryClass,
                &LimeConfig { samples: 60, ..LimeConfig::default() },
                &execution,
            )
            .unwrap(),
            in_rounds(&curved, &masker, &execution),
        )
    };
    let expected = run(64, 5);
    assert_ne!(expected, run(64, 6));
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for batch_size in [1, 7, 64] {
            assert_eq!(pool.install(|| run(batch_size, 5)), expected, "batches of {batch_size}, {threads} threads");
        }
    }
}

#[test]
fn no_batch_is_larger_than_allowed_and_every_image_is_scored_once() {
    let seen = RefCell::new(Vec::new());
    let counting = |images: Tensor<4>| {
        seen.borrow_mut().push(images.dims()[0]);
        linear(images)
    };
    let execution = Execution { batch_size: 50, ..execution() };
    let masker = Masker::with_backgrounds(image(1), segmentation(), vec![image(2), image(3)]).unwrap();
    exact_shapley(&counting, &masker, Targets::EveryClass, &ExactShapleyConfig::default(), &execution).unwrap();
    let seen = seen.into_inner();
    // two pairs that check the scorer come first
    assert_eq!(seen[..2], [2, 2]);
    assert_eq!(seen[2..].iter().sum::<usize>(), 2 * 512);
    assert!(seen[2..seen.len() - 1].iter().all(|&rows| rows == 50), "{seen:?}");
}

#[test]
fn a_call_ends_at_the_next_batch_after_it_was_cancelled() {
    let execution = Execution { batch_size: 10, ..execution() };
    let calls = RefCell::new(0);
    let cancelling = |images: Tensor<4>| {
        *calls.borrow_mut() += 1;
        if *calls.borrow() == 5 {
            execution.cancellation.cancel();
        }
        linear(images)
    };
    let all_of_the_budget = KernelShapConfig { tolerance: 0.0, ..KernelShapConfig::default() };
    let error =
        kernel_shap(&cancelling, &masker(image(2)), Targets::EveryClass, &all_of_the_budget, &execution).unwrap_err();
    assert_eq!(error, ExplainError::Cancelled { what: "evaluations", done: 30, total: 512 });
    assert_eq!(*calls.borrow(), 5, "two that check the scorer, and three batches");
}

#[test]
fn hidden_pixels_are_filled_as_the_config_says() {
    let replacements = |fill: FillConfig, seed: u64| {
        Masker::new(image(1), segmentation(), &fill, &Execution { seed, ..execution() })
            .unwrap()
            .replacements()
            .to_vec()
    };
    let (mean, deviation) = (Some(vec![0.286]), Some(vec![0.353]));
    let kind = |kind: Fill| {
        let (mean, deviation) = (mean.clone(), deviation.clone());
        FillConfig { kind, black: vec![-0.5, -0.25], mean, deviation, blur_sigma: 1.5, ..FillConfig::default() }
    };

    let means = segmentation().means(image(1).values()).unwrap();
    let segment_mean = &replacements(kind(Fill::SegmentMean), 0)[0];
    for position in 0..SIZE {
        let index = position / 36 * 9 + segmentation().labels()[position % 36];
        assert_eq!(segment_mean.values()[position].to_bits(), means[index].to_bits());
    }
    let black = &replacements(kind(Fill::Black), 0)[0];
    assert!(
        black.values()[..36].iter().all(|&value| value == -0.5)
            && black.values()[36..].iter().all(|&value| value == -0.25)
    );
    assert_eq!(replacements(kind(Fill::DatasetMean), 0), [Image::filled(0.286, SHAPE).unwrap()]);

    let noise = replacements(kind(Fill::Noise), 1);
    assert_eq!(noise.len(), 4);
    assert!(
        noise[0] != noise[1]
            && noise == replacements(kind(Fill::Noise), 1)
            && noise != replacements(kind(Fill::Noise), 2)
    );
    let values: Vec<f64> = noise.iter().flat_map(Image::values).map(|&value| f64::from(value)).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
    assert!((mean - 0.286).abs() < 0.08 && (deviation - 0.353).abs() < 0.06, "{mean} ± {deviation}");

    let constant =
        Masker::new(Image::filled(0.25, SHAPE).unwrap(), segmentation(), &kind(Fill::Blur), &execution()).unwrap();
    assert!(constant.replacements()[0].values().iter().all(|value| (value - 0.25).abs() < 1e-6));
    let mut point = vec![0.0; 21 * 21];
    point[10 * 21 + 10] = 1.0;
    let point = Image::new(point, [1, 21, 21]).unwrap();
    let blurred =
        Masker::new(point, Segmentation::grid(21, 21, 1, 1).unwrap(), &kind(Fill::Blur), &execution()).unwrap();
    let at = |row: usize, column: usize| f64::from(blurred.replacements()[0].values()[row * 21 + column]);
    let ratio = |distance_squared: f64| (-distance_squared / (2.0 * 1.5 * 1.5)).exp();
    assert!(
        (at(10, 12) / at(10, 10) - ratio(4.0)).abs() < 1e-5 && (at(13, 11) / at(10, 10) - ratio(10.0)).abs() < 1e-5
    );
}

#[test]
fn what_does_not_fit_is_an_error() {
    let other_size = Segmentation::grid(5, 6, 2, 2).unwrap();
    let fill = FillConfig::default();
    assert!(matches!(Masker::new(image(1), other_size, &fill, &execution()), Err(ExplainError::Shape { .. })));
    let none = Masker::with_backgrounds(image(1), segmentation(), vec![]);
    assert_eq!(none.unwrap_err(), ExplainError::Empty { what: "background set" });
    let other_shape = Image::filled(0.0, [1, 6, 6]).unwrap();
    let background = Masker::with_backgrounds(image(1), segmentation(), vec![other_shape]);
    assert!(matches!(background, Err(ExplainError::Shape { what: "a background", .. })));
    for (config, key) in [
        (FillConfig { kind: Fill::Black, black: vec![0.0; 3], ..fill.clone() }, "black"),
        (FillConfig { mean: Some(vec![]), ..fill.clone() }, "mean"),
        (FillConfig { deviation: Some(vec![-1.0]), ..fill.clone() }, "deviation"),
        // what only the caller knows of the data set
        (FillConfig { kind: Fill::DatasetMean, ..fill.clone() }, "mean"),
        (FillConfig { kind: Fill::Noise, mean: Some(vec![0.5]), ..fill.clone() }, "deviation"),
        (FillConfig { blur_sigma: 0.0, ..fill.clone() }, "blur_sigma"),
        (FillConfig { noise_draws: 0, ..fill.clone() }, "noise_draws"),
    ] {
        match Masker::new(image(1), segmentation(), &config, &execution()) {
            Err(ExplainError::Setting(error)) => assert_eq!(error.key, key),
            other => panic!("{key}: {other:?}"),
        }
    }

    let masker = masker(image(2));
    let kernel = |target: Target, execution: &Execution| {
        kernel_shap(&linear, &masker, target, &KernelShapConfig::default(), execution).unwrap_err()
    };
    let class = ExplainError::OutOfRange { what: "class", index: 3, count: 3 };
    assert_eq!(kernel(Target::Class(3), &execution()), class);
    assert!(matches!(kernel(Target::Predicted, &Execution { batch_size: 0, ..execution() }), ExplainError::Setting(_)));

    let with = |scorer: &dyn Fn(Tensor<4>) -> Tensor<2>| {
        every_method(&|images| scorer(images), &masker, &execution()).unwrap_err()
    };
    assert!(matches!(with(&|images| linear(images) / 0.0), ExplainError::Score { .. }));
    assert!(matches!(with(&|images| linear(images).slice([0..1, 0..3])), ExplainError::Shape { .. }));
    let changing = |images: Tensor<4>| {
        let rows = images.dims()[0];
        linear(images).slice([0..rows, 0..if rows == 64 { 3 } else { 2 }])
    };
    let uneven = Execution { batch_size: 64, ..execution() };
    let error = permutation_shap(&changing, &masker, Targets::EveryClass, &PermutationShapConfig::default(), &uneven)
        .unwrap_err();
    assert!(matches!(error, ExplainError::Shape { .. }));
    let seventeen = Masker::new(
        Image::filled(0.1, [1, 17, 1]).unwrap(),
        Segmentation::grid(17, 1, 17, 1).unwrap(),
        &FillConfig { kind: Fill::Black, ..fill },
        &execution(),
    )
    .unwrap();
    let many = exact_shapley(&linear, &seventeen, Targets::EveryClass, &ExactShapleyConfig::default(), &execution())
        .unwrap_err();
    assert_eq!(many, ExplainError::TooManyPlayers { players: 17, evaluations: 1 << 17, limit: 12 });
}
