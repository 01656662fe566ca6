//! What is too large is refused before it is asked for, and what is cancelled stops, in whatever loop it is.

use std::cell::Cell;

use burn::tensor::{Device, Tensor};
use tinylsa_xai::{
    AttentionFlowConfig, AttentionRolloutConfig, Attribution, BaselineConfig, BaselineKind, Cancellation,
    CoalitionValues, ExactShapleyConfig, ExactShapleyPlan, Execution, ExplainError, Fill, FillConfig, Image,
    KernelShapConfig, KernelShapPlan, LayerAttention, LimeConfig, LimePlan, LinearAttention, Masker,
    PermutationShapConfig, PermutationShapPlan, Segmentation, SegmentationError, SlicConfig, SmoothGradConfig, Target,
    Targets, TokenGrid, attention_flow, attention_rollout, exact_shapley, fixed_query_positions, gradient_rollout,
    kernel_shap, lime, permutation_shap, random_map, smooth_grad, token_of_largest_attribution,
};

const HUGE: usize = 1 << (usize::BITS - 1);

#[test]
fn sizes_whose_product_overflows_are_named() {
    let shape = [HUGE, 2, 2];
    let too_large = |what: &'static str, shape: &[usize]| ExplainError::TooLarge { what, shape: shape.to_vec() };
    assert_eq!(Image::new(vec![], shape), Err(too_large("image", &shape)));
    assert_eq!(Image::new(vec![1.0], [2, HUGE, 1]), Err(too_large("image", &[2, HUGE, 1])));
    assert_eq!(Image::filled(0.0, shape), Err(too_large("image", &shape)));
    // a product that fits, and memory that nobody has
    assert_eq!(Image::filled(0.0, [HUGE, 1, 1]), Err(too_large("image", &[HUGE, 1, 1])));
    assert_eq!(random_map(HUGE, 0), Err(too_large("the random map", &[HUGE])));
    assert_eq!(LayerAttention::new(vec![], 2, HUGE), Err(too_large("attention", &[2, HUGE, HUGE])));
    assert_eq!(LinearAttention::new(vec![], vec![], shape), Err(too_large("linear attention", &shape)));
    assert_eq!(fixed_query_positions(TokenGrid::new(HUGE, 2)), Err(too_large("token grid", &[HUGE, 2])));
    let attribution = Attribution { values: vec![], shape: shape.into(), target: 0.into() };
    assert_eq!(
        token_of_largest_attribution(&attribution, TokenGrid::new(1, 1)),
        Err(too_large("the attribution", &shape))
    );
    assert!(attribution.per_pixel().is_empty());

    let segments = SegmentationError::TooLarge { channels: 1, height: HUGE, width: 2 };
    assert_eq!(Segmentation::from_labels(HUGE, 2, vec![]), Err(segments.clone()));
    assert_eq!(Segmentation::from_masks(HUGE, 2, &[]), Err(segments.clone()));
    assert_eq!(Segmentation::grid(HUGE, 2, 1, 1), Err(segments));
    let never = Cancellation::default();
    let slic = Segmentation::slic(&[], [4, HUGE / 2, 1], &SlicConfig::default(), &never);
    assert_eq!(slic, Err(SegmentationError::TooLarge { channels: 4, height: HUGE / 2, width: 1 }));
    assert!(CoalitionValues::new(usize::MAX, vec![0.0, 1.0]).is_err());
}

#[test]
fn batches_that_the_memory_does_not_hold_are_refused_by_their_key() {
    let execution = Execution { batch_size: usize::MAX, memory_limit: 1 << 12, ..Execution::default() };
    let config = SmoothGradConfig { samples: 1 << 20, ..SmoothGradConfig::default() };
    let sums = |images: Tensor<4>| images.flatten::<2>(1, 3);
    let image = Image::filled(0.5, [1, 4, 4]).unwrap();
    let found = smooth_grad(&sums, &image, Target::Class(0), &config, &execution);
    assert!(matches!(found, Err(ExplainError::Memory { key: "batch_size", .. })), "{found:?}");
    // a batch size above the number of images is none that is too large
    let config = SmoothGradConfig { samples: 8, ..SmoothGradConfig::default() };
    assert!(smooth_grad(&sums, &image, Target::Class(0), &config, &execution).is_ok());
}

#[test]
fn settings_that_the_memory_does_not_hold_are_refused_by_their_key() {
    let execution = Execution { memory_limit: 1 << 20, ..Execution::default() };
    let key = |result: Result<(), ExplainError>| match result {
        Err(ExplainError::Memory { key, bytes, limit: 1_048_576, .. }) if bytes > 1 << 20 => key,
        other => panic!("{other:?}"),
    };
    let limit = ExactShapleyConfig { limit: 20 };
    assert_eq!(key(ExactShapleyPlan::new(18, &limit, &execution).map(drop)), "the number of segments");
    let samples = LimeConfig { samples: 10_000_000, ..LimeConfig::default() };
    assert_eq!(key(LimePlan::new(784, &samples, &execution).map(drop)), "samples");
    let evaluations = KernelShapConfig { evaluations: 100_000_000, tolerance: 0.0 };
    assert_eq!(key(KernelShapPlan::new(784, &evaluations, &execution).map(drop)), "evaluations");
    let few = KernelShapConfig { evaluations: 2, tolerance: 0.0 };
    assert_eq!(key(KernelShapPlan::new(784, &few, &execution).map(drop)), "the number of segments");
    let walks = PermutationShapConfig { permutations: 1_000_000, tolerance: 0.0 };
    assert_eq!(key(PermutationShapPlan::new(784, &walks, &execution).map(drop)), "permutations");
    let image = Image::filled(0.5, [1, 28, 28]).unwrap();
    let noise = BaselineConfig {
        kinds: vec![BaselineKind::Noise],
        mean: Some(vec![0.5]),
        deviation: Some(vec![0.1]),
        noise_draws: 10_000,
        ..BaselineConfig::default()
    };
    assert_eq!(key(noise.images(&image, &execution).map(drop)), "noise_draws");
    let fill = FillConfig {
        kind: Fill::Noise,
        mean: Some(vec![0.5]),
        deviation: Some(vec![0.1]),
        noise_draws: 10_000,
        ..FillConfig::default()
    };
    let grid = Segmentation::grid(28, 28, 2, 2).unwrap();
    assert_eq!(key(Masker::new(image, grid, &fill, &execution).map(drop)), "noise_draws");
}

/// One of the methods of segments, all classes explained.
type Explain<'a> = &'a dyn Fn(&dyn Fn(Tensor<4>) -> Tensor<2>, &Masker, &Execution) -> Result<(), ExplainError>;

/// A scorer of a thousand classes: the pixels, over and over.
fn thousand(images: Tensor<4>) -> Tensor<2> {
    let rows = images.dims()[0];
    images.flatten::<2>(1, 3).repeat_dim(1, 63).slice([0..rows, 0..1000])
}

#[test]
fn one_of_a_thousand_classes_takes_the_memory_of_one() {
    let image = Image::new((0..16).map(|value| value as f32).collect(), [1, 4, 4]).unwrap();
    // the first segment is as black as what hides it; the values of all 2^13 coalitions of the others: 66 kB for one class,
    // 66 MB for a thousand
    let execution = Execution { device: Device::flex(), memory_limit: 1 << 20, ..Execution::default() };
    let black = FillConfig { kind: Fill::Black, ..FillConfig::default() };
    let labels = (0..16).map(|pixel: usize| pixel.min(13)).collect();
    let segments = Segmentation::from_labels(4, 4, labels).unwrap();
    let masker = Masker::new(image, segments, &black, &execution).unwrap();
    let config = ExactShapleyConfig { limit: 14 };
    let one = exact_shapley(&thousand, &masker, Target::Class(19), &config, &execution).unwrap();
    assert_eq!((one.explained.as_slice(), one.game.values.outputs()), ([19.into()].as_slice(), 1));
    // class 19 is pixel 3, which is segment 3
    let expected: Vec<f64> = (0..14).map(|segment| if segment == 3 { 3.0 } else { 0.0 }).collect();
    one.solution.values.iter().zip(&expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{a} {b}"));
    let all = exact_shapley(&thousand, &masker, Targets::EveryClass, &config, &execution).unwrap_err();
    assert!(matches!(all, ExplainError::Memory { what: "the values of the coalitions", .. }), "{all}");
    assert!(all.to_string().contains("196.6 MB, allowed are 1.0 MB"), "{all}");
}

fn cancelled() -> Execution {
    let execution = Execution::default();
    execution.cancellation.cancel();
    execution
}

#[track_caller]
fn is_cancelled<T: std::fmt::Debug>(found: Result<T, ExplainError>) {
    let error = found.unwrap_err();
    assert!(matches!(error, ExplainError::Cancelled { .. }), "{error}");
}

#[test]
fn plans_fills_and_segments_hear_a_cancellation() {
    let execution = cancelled();
    is_cancelled(KernelShapPlan::new(784, &KernelShapConfig::default(), &execution));
    is_cancelled(PermutationShapPlan::new(784, &PermutationShapConfig::default(), &execution));
    is_cancelled(LimePlan::new(784, &LimeConfig::default(), &execution));
    let image = Image::filled(0.5, [1, 28, 28]).unwrap();
    let noise = BaselineConfig {
        kinds: vec![BaselineKind::Noise],
        mean: Some(vec![0.5]),
        deviation: Some(vec![0.1]),
        ..BaselineConfig::default()
    };
    is_cancelled(noise.images(&image, &execution));
    let fill =
        FillConfig { kind: Fill::Noise, mean: Some(vec![0.5]), deviation: Some(vec![0.1]), ..FillConfig::default() };
    is_cancelled(Masker::new(image.clone(), Segmentation::grid(28, 28, 2, 2).unwrap(), &fill, &execution));
    let slic = Segmentation::slic(image.values(), [1, 28, 28], &SlicConfig::default(), &execution.cancellation);
    is_cancelled(slic.map_err(ExplainError::from));
}

#[test]
fn attention_through_the_layers_hears_a_cancellation() {
    let cancellation = cancelled().cancellation;
    let layer = || LayerAttention::new(vec![0.25; 16], 1, 4).unwrap();
    let (rollout, flow) = (AttentionRolloutConfig::default(), AttentionFlowConfig::default());
    is_cancelled(attention_rollout(&[layer(), layer()], &rollout, &cancellation));
    is_cancelled(gradient_rollout(&[layer()], &[vec![1.0; 16]], &cancellation));
    for layers in [1, 2, 3] {
        is_cancelled(attention_flow(&vec![layer(); layers], None, &flow, &cancellation));
    }
}

/// The last evaluation is the last thing before a solver, so that whoever cancels there cancels the solver.
#[test]
fn solvers_hear_a_cancellation() {
    let image = Image::new((0..16).map(|value| value as f32).collect(), [1, 4, 4]).unwrap();
    let check = |explain: Explain<'_>| {
        let calls = Cell::new(0);
        let count = |images: Tensor<4>| {
            calls.set(calls.get() + 1);
            images.flatten::<2>(1, 3)
        };
        let all_at_once = || Execution { batch_size: 1 << 20, ..Execution::default() };
        let segments = Segmentation::grid(4, 4, 4, 2).unwrap();
        let masker = Masker::new(image.clone(), segments, &FillConfig::default(), &all_at_once()).unwrap();
        explain(&count, &masker, &all_at_once()).unwrap();
        let last = calls.replace(0);
        assert_eq!(last, 3, "two that check the scorer, and all coalitions");
        let execution = all_at_once();
        let cancelling = |images: Tensor<4>| {
            calls.set(calls.get() + 1);
            if calls.get() == last {
                execution.cancellation.cancel();
            }
            images.flatten::<2>(1, 3)
        };
        is_cancelled(explain(&cancelling, &masker, &execution));
    };
    check(&|scorer, masker, execution| {
        let scorer = |images: Tensor<4>| scorer(images);
        exact_shapley(&scorer, masker, Targets::EveryClass, &ExactShapleyConfig::default(), execution).map(drop)
    });
    check(&|scorer, masker, execution| {
        let scorer = |images: Tensor<4>| scorer(images);
        kernel_shap(
            &scorer,
            masker,
            Targets::EveryClass,
            &KernelShapConfig { tolerance: 0.0, ..KernelShapConfig::default() },
            execution,
        )
        .map(drop)
    });
    check(&|scorer, masker, execution| {
        let scorer = |images: Tensor<4>| scorer(images);
        permutation_shap(
            &scorer,
            masker,
            Targets::EveryClass,
            &PermutationShapConfig { tolerance: 0.0, ..PermutationShapConfig::default() },
            execution,
        )
        .map(drop)
    });
    check(&|scorer, masker, execution| {
        let scorer = |images: Tensor<4>| scorer(images);
        lime(&scorer, masker, Targets::EveryClass, &LimeConfig { tolerance: 0.0, ..LimeConfig::default() }, execution)
            .map(drop)
    });
}
