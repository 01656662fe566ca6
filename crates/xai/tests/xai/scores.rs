//! The scores: closed forms, perfect explanations against controls, intervals, rankings, and faults.

#![expect(clippy::float_cmp, reason = "the expected values are exact")]

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{
    AttributionKind, Baseline, DeletionConfig, Execution, ExplainError, FaithfulnessConfig, FillConfig, Image,
    InfidelityConfig, MaxSensitivityConfig, MuFidelityConfig, Probe, Randomised, ScoreScale, Scorer, Target,
    completeness, complexity, deletion_insertion, faithfulness_correlation, infidelity, lit_pixels,
    magnitude_rank_correlation, max_sensitivity, mean_interval, mu_fidelity, parameter_randomisation, pointing_game,
    random_map, relevance_mass_accuracy, relevance_rank_accuracy, sobel_edge_map, sparseness,
};

const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;

fn uniform(seed: u64) -> Vec<f32> {
    let mut generator = Draw { seed, purpose: Purpose::new("test values"), epoch: 0, index: 0 }.generator();
    (0..PIXELS).map(|_| generator.random::<f32>()).collect()
}

fn image() -> Image {
    Image::new(uniform(1), [1, SIDE, SIDE]).unwrap()
}

/// Weights that grow towards a corner, so that cells of a grid differ too.
fn weights() -> Vec<f32> {
    let trend = |pixel: usize| (pixel / SIDE + pixel % SIDE) as f32 / SIDE as f32 - 0.8;
    uniform(2).into_iter().enumerate().map(|(pixel, value)| (trend(pixel) + 0.3 * (value - 0.5)) / 20.0).collect()
}

/// Class 0 is linear in the image, class 1 its negative.
fn linear(images: Tensor<4>) -> Tensor<2> {
    let batch = images.dims()[0] as i32;
    let weights = Tensor::<2>::from_data(TensorData::new(weights(), [PIXELS, 1]), &images.device());
    let score = images.reshape([batch, PIXELS as i32]).matmul(weights);
    Tensor::cat(vec![score.clone(), -score], 1)
}

/// The true contributions of the linear model over black.
fn contributions() -> Vec<f32> {
    weights().iter().zip(image().values()).map(|(weight, value)| weight * value).collect()
}

struct Bench {
    image: Image,
    fill: FillConfig,
    execution: Execution,
}

impl Bench {
    fn new() -> Self {
        let execution = Execution { device: Device::flex(), seed: 3, ..Execution::default() };
        Self { image: image(), fill: FillConfig { mean: Some(vec![0.286]), ..FillConfig::default() }, execution }
    }

    fn probe<'a, S: Scorer>(&'a self, scorer: &'a S) -> Probe<'a, S> {
        Probe {
            scorer,
            image: &self.image,
            target: Target::Class(0),
            scale: ScoreScale::Logits,
            baseline: Baseline::Black,
            fill: &self.fill,
            execution: &self.execution,
        }
    }
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} instead of {expected}");
}

#[test]
fn deletion_and_insertion_of_a_linear_model_are_running_sums() {
    let (bench, truth) = (Bench::new(), contributions());
    let found = deletion_insertion(&bench.probe(&linear), &truth, &DeletionConfig::default()).unwrap();
    let mut sorted: Vec<f64> = truth.iter().map(|&value| f64::from(value)).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let total: f64 = sorted.iter().sum();
    assert_eq!((found.deletion.len(), found.insertion.len()), (29, 29));
    for step in 0..=28 {
        let moved: f64 = sorted[..step * 28].iter().sum();
        close(found.deletion[step], total - moved, 1e-4);
        close(found.insertion[step], moved, 1e-4);
    }
    let inner: f64 = found.deletion[1..28].iter().sum();
    close(found.deletion_area, (inner + f64::midpoint(found.deletion[0], found.deletion[28])) / 28.0, 1e-12);
}

#[test]
fn the_true_contributions_beat_every_control() {
    let (bench, truth) = (Bench::new(), contributions());
    let probe = bench.probe(&linear);
    let areas = |map: &[f32]| deletion_insertion(&probe, map, &DeletionConfig::default()).unwrap();
    let faithfulness =
        |map: &[f32]| faithfulness_correlation(&probe, map, &FaithfulnessConfig::default()).unwrap().unwrap();
    let fidelity = |map: &[f32]| mu_fidelity(&probe, map, &MuFidelityConfig::default()).unwrap().unwrap();
    let errors =
        |map: &[f32]| infidelity(&probe, map, AttributionKind::Contribution, &InfidelityConfig::default()).unwrap();

    close(faithfulness(&truth), 1.0, 1e-6);
    close(fidelity(&truth), 1.0, 1e-3);
    close(errors(&truth).plain, 0.0, 1e-9);
    close(errors(&truth).scale, 1.0, 1e-4);
    for control in [random_map(PIXELS, 1).unwrap(), sobel_edge_map(&bench.image)] {
        assert!(areas(&control).deletion_area > areas(&truth).deletion_area + 0.5);
        assert!(areas(&control).insertion_area < areas(&truth).insertion_area - 0.5);
        assert!(faithfulness(&control) < 0.6);
        assert!(fidelity(&control) < 0.6);
        assert!(errors(&control).scaled.unwrap() > 0.01, "{:?}", errors(&control));
        assert!(errors(&control).plain >= errors(&control).scaled.unwrap());
    }
    // The plain gradient of a linear model, its weights, knows nothing of the image: near the truth, but worse.
    assert!(faithfulness(&weights()) < faithfulness(&truth));
    assert!(areas(&weights()).deletion_area > areas(&truth).deletion_area);
}

#[test]
fn infidelity_finds_the_scale_of_a_map_and_takes_sensitivities() {
    let (bench, probe_of) = (Bench::new(), Bench::new());
    let tripled: Vec<f32> = contributions().iter().map(|value| 3.0 * value).collect();
    let found =
        infidelity(&bench.probe(&linear), &tripled, AttributionKind::Contribution, &InfidelityConfig::default())
            .unwrap();
    close(found.scale, 1.0 / 3.0, 1e-5);
    close(found.scaled.unwrap(), 0.0, 1e-9);
    assert!(found.plain > 0.01);

    let found =
        infidelity(&probe_of.probe(&linear), &weights(), AttributionKind::Sensitivity, &InfidelityConfig::default())
            .unwrap();
    close(found.plain, 0.0, 1e-9);
    let nothing =
        infidelity(&bench.probe(&linear), &[0.0; PIXELS], AttributionKind::Contribution, &InfidelityConfig::default())
            .unwrap();
    assert!(nothing.scale == 0.0 && nothing.plain > 0.0 && nothing.scaled == Some(nothing.plain));
}

#[test]
fn baselines_and_scales_are_what_they_are_called() {
    let bench = Bench::new();
    let probe = bench.probe(&linear);
    let ends = |probe: &Probe<'_, _>| {
        let found = deletion_insertion(probe, &contributions(), &DeletionConfig { steps: 2 }).unwrap();
        (found.deletion[0], found.deletion[2])
    };
    let (logit, black) = ends(&probe);
    close(black, 0.0, 1e-12);
    let (_, mean) = ends(&Probe { baseline: Baseline::Mean, ..probe });
    close(mean, weights().iter().map(|&weight| f64::from(weight) * 0.286).sum(), 1e-4);
    let (_, blur) = ends(&Probe { baseline: Baseline::Blur, ..probe });
    assert!(blur != mean && (blur - logit).abs() < (black - logit).abs(), "{blur}");

    let probabilities = Probe { scale: ScoreScale::Probabilities, ..probe };
    close(ends(&probabilities).0, 1.0 / (1.0 + (-2.0 * logit).exp()), 1e-6);
    close(ends(&Probe { target: Target::Class(1), ..probabilities }).0, 1.0 / (1.0 + (2.0 * logit).exp()), 1e-6);
}

#[test]
fn a_flat_map_is_not_scored_for_the_order_of_its_pixels() {
    let mut bench = Bench::new();
    let area =
        |bench: &Bench| deletion_insertion(&bench.probe(&linear), &[0.0; PIXELS], &DeletionConfig::default()).unwrap();
    let first = area(&bench);
    assert_eq!(first, area(&bench));
    bench.execution.seed = 4;
    let second = area(&bench);
    assert_ne!(first, second);
    // Pixels that vanish in random order take the score down along a straight line.
    close(first.deletion_area, first.deletion[0] / 2.0, 0.15 * first.deletion[0].abs().max(1.0));
    bench.execution.batch_size = 7;
    assert_eq!(area(&bench).deletion.len(), second.deletion.len());
}

#[test]
fn undefined_correlations_are_none() {
    let bench = Bench::new();
    let constant = |images: Tensor<4>| linear(images) * 0.0 + 1.0;
    let flat = faithfulness_correlation(&bench.probe(&linear), &[1.0; PIXELS], &FaithfulnessConfig::default()).unwrap();
    assert_eq!(flat, None);
    assert_eq!(mu_fidelity(&bench.probe(&constant), &contributions(), &MuFidelityConfig::default()).unwrap(), None);
}

#[test]
fn sparseness_and_complexity_have_their_closed_forms() {
    close(sparseness(&[2.0; 10]).unwrap().unwrap(), 0.0, 1e-15);
    close(sparseness(&[0.0, 0.0, -5.0, 0.0]).unwrap().unwrap(), 0.75, 1e-15);
    // Magnitudes 1, 2, 3: the mean absolute difference over twice the mean is (8 / 9) / 4.
    close(sparseness(&[3.0, -1.0, 2.0]).unwrap().unwrap(), 2.0 / 9.0, 1e-15);
    close(complexity(&[2.0; 10]).unwrap().unwrap(), 10.0_f64.ln(), 1e-15);
    close(complexity(&[0.0, -7.0]).unwrap().unwrap(), 0.0, 1e-15);
    close(complexity(&[1.0, -1.0, 2.0]).unwrap().unwrap(), 1.5 * 2.0_f64.ln(), 1e-15);
    assert_eq!((sparseness(&[0.0; 3]).unwrap(), complexity(&[0.0; 3]).unwrap()), (None, None));
}

#[test]
fn localisation_counts_what_lies_inside_the_mask() {
    let mask = [true, true, false, false];
    assert_eq!(pointing_game(&[0.1, 0.9, 0.5, 0.0], &mask), Ok(1.0));
    assert_eq!(pointing_game(&[0.1, 0.2, 0.5, 0.0], &mask), Ok(0.0));
    assert_eq!(pointing_game(&[0.5; 4], &mask), Ok(0.5));
    assert_eq!(relevance_rank_accuracy(&[0.9, 0.8, 0.1, 0.0], &mask), Ok(1.0));
    assert_eq!(relevance_rank_accuracy(&[0.9, 0.1, 0.8, 0.0], &mask), Ok(0.5));
    assert_eq!(relevance_rank_accuracy(&[0.0; 4], &mask), Ok(0.5));
    assert_eq!(relevance_rank_accuracy(&[0.9, 0.0, 0.0, 0.0], &mask), Ok(2.0 / 3.0));
    assert_eq!(relevance_mass_accuracy(&[1.0, 2.0, 1.0, -5.0], &mask), Ok(Some(0.75)));
    assert_eq!(relevance_mass_accuracy(&[-1.0, 0.0, -1.0, -5.0], &mask), Ok(None));

    let truth: Vec<f32> = mask.iter().map(|&inside| f32::from(u8::from(inside))).collect();
    assert_eq!(pointing_game(&truth, &mask), Ok(1.0));
    assert_eq!(relevance_rank_accuracy(&truth, &mask), Ok(1.0));
    assert_eq!(relevance_mass_accuracy(&truth, &mask), Ok(Some(1.0)));
}

#[test]
fn completeness_is_relative_to_the_difference() {
    assert_eq!(completeness(2.0, 3.0, 1.0), Ok(Some(0.0)));
    assert_eq!(completeness(1.5, 1.0, 3.0), Ok(Some(1.75)));
    assert_eq!(completeness(1.5, 1.0, 1.0), Ok(None));
    assert!(matches!(completeness(f64::NAN, 1.0, 0.0), Err(ExplainError::NotFinite { .. })));
}

#[test]
fn randomisation_compares_the_ranks_of_magnitudes() {
    assert_eq!(magnitude_rank_correlation(&[1.0, -2.0, 3.0], &[-10.0, 40.0, 90.0]), Ok(Some(1.0)));
    assert_eq!(magnitude_rank_correlation(&[1.0, -2.0, 3.0], &[3.0, 2.0, -1.0]), Ok(Some(-1.0)));
    assert_eq!(magnitude_rank_correlation(&[1.0, -1.0], &[3.0, 2.0]), Ok(None));
    let trained = random_map(PIXELS, 1).unwrap();
    let mut depths = Vec::new();
    let found = parameter_randomisation(&trained, &[true; PIXELS], 3, |depth| {
        depths.push(depth);
        Ok(if depth == 1 { trained.clone() } else { random_map(PIXELS, depth as u64).unwrap() })
    })
    .unwrap();
    let same = Randomised { all_pixels: Some(1.0), lit_pixels: Some(1.0) };
    assert_eq!((depths, found[0]), (vec![1, 2, 3], same));
    assert!(found[1..].iter().all(|depth| (0.0..0.12).contains(&depth.all_pixels.unwrap())), "{found:?}");
    let failing = parameter_randomisation(&trained, &[true; PIXELS], 2, |_| Err(ExplainError::NoGradient));
    assert_eq!(failing, Err(ExplainError::NoGradient));
}

/// Two maps that have nothing in common but that both are 0 on the black ground.
#[test]
fn a_black_ground_looks_like_a_map_that_stayed_the_same() {
    let mut values = uniform(1);
    values[..PIXELS * 3 / 4].fill(0.0);
    let image = Image::new(values.clone(), [1, SIDE, SIDE]).unwrap();
    let lit = lit_pixels(&image, &[0.0]).unwrap();
    assert_eq!(lit.iter().filter(|&&lit| lit).count(), PIXELS / 4);
    let times = |map: Vec<f32>| -> Vec<f32> { map.iter().zip(&values).map(|(a, b)| a * b).collect() };
    let [trained, changed] = [1, 2].map(|seed| times(random_map(PIXELS, seed).unwrap()));
    let found = parameter_randomisation(&trained, &lit, 1, |_| Ok(changed.clone())).unwrap()[0];
    assert!(found.all_pixels.unwrap() > 0.95 && found.lit_pixels.unwrap() < 0.5, "{found:?}");
    // the magnitude counts: the opposite order says as much of the old map
    let (rising, falling) = ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]);
    let found = parameter_randomisation(&rising, &[false; 3], 1, |_| Ok(falling.to_vec())).unwrap()[0];
    assert_eq!(found, Randomised { all_pixels: Some(1.0), lit_pixels: None });

    let colour = Image::new(vec![0.0, 0.5, 1.0, 1.0], [2, 1, 2]).unwrap();
    assert_eq!(lit_pixels(&colour, &[0.0, 1.0]), Ok(vec![false, true]));
    assert!(lit_pixels(&colour, &[0.0, 1.0, 2.0]).is_err());
    let short = parameter_randomisation(&rising, &[true; 2], 1, |_| Ok(falling.to_vec()));
    assert!(matches!(short, Err(ExplainError::ValueCount { .. })));
}

#[test]
fn max_sensitivity_of_known_explanations() {
    let (image, execution) = (image(), Bench::new().execution);
    let config = MaxSensitivityConfig::default();
    let constant = max_sensitivity(&image, &config, &execution, |_| Ok(weights())).unwrap();
    assert_eq!(constant, Some(0.0));
    // The image as its own explanation: the root mean square of a uniform shift within r is r / √3.
    let own = max_sensitivity(&image, &config, &execution, |shown| Ok(shown.values().to_vec())).unwrap().unwrap();
    let norm = image.values().iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    close(own, 0.02 / 3.0_f64.sqrt() * 28.0 / norm, 0.05 * own);
    assert_eq!(max_sensitivity(&image, &config, &execution, |_| Ok(vec![0.0; PIXELS])).unwrap(), None);
    let mut calls = 0;
    max_sensitivity(&image, &config, &execution, |_| {
        calls += 1;
        Ok(weights())
    })
    .unwrap();
    assert_eq!(calls, 11);
    execution.cancellation.cancel();
    let cancelled = max_sensitivity(&image, &config, &execution, |_| Ok(weights()));
    assert!(matches!(cancelled, Err(ExplainError::Cancelled { done: 0, total: 10, .. })));
}

#[test]
fn controls_are_what_they_claim() {
    assert_eq!(random_map(50, 1).unwrap(), random_map(50, 1).unwrap());
    assert_ne!(random_map(50, 1).unwrap(), random_map(50, 2).unwrap());
    assert!(random_map(1000, 3).unwrap().iter().all(|value| (-1.0..=1.0).contains(value)));
    // A step of height 1 between columns 2 and 3 has the Sobel magnitude 4 on both sides of it.
    let step = Image::new((0..36).map(|pixel| f32::from(u8::from(pixel % 6 >= 3))).collect(), [1, 6, 6]).unwrap();
    let edges = sobel_edge_map(&step);
    assert!(
        edges.iter().enumerate().all(|(pixel, &edge)| edge == if [2, 3].contains(&(pixel % 6)) { 4.0 } else { 0.0 })
    );
}

#[test]
fn what_cannot_be_scored_is_an_error() {
    let (bench, truth) = (Bench::new(), contributions());
    let probe = bench.probe(&linear);
    let steps = DeletionConfig::default();
    let short = deletion_insertion(&probe, &truth[1..], &steps);
    assert!(matches!(short, Err(ExplainError::ValueCount { found: 783, expected: 784, .. })));
    assert!(matches!(deletion_insertion(&probe, &[f32::NAN; PIXELS], &steps), Err(ExplainError::NotFinite { .. })));
    let class = deletion_insertion(&Probe { target: Target::Class(2), ..probe }, &truth, &steps);
    assert_eq!(class, Err(ExplainError::OutOfRange { what: "class", index: 2, count: 2 }));
    let broken = |images: Tensor<4>| linear(images) / 0.0;
    assert!(matches!(deletion_insertion(&bench.probe(&broken), &truth, &steps), Err(ExplainError::Score { .. })));
    let cancelled = Bench::new();
    cancelled.execution.cancellation.cancel();
    assert!(matches!(
        deletion_insertion(&cancelled.probe(&linear), &truth, &steps),
        Err(ExplainError::Cancelled { .. })
    ));

    let key = |result: Result<(), ExplainError>| match result {
        Err(ExplainError::Setting(error)) => error.key,
        other => panic!("{other:?}"),
    };
    assert_eq!(key(deletion_insertion(&probe, &truth, &DeletionConfig { steps: 1 }).map(drop)), "steps");
    let subsets = FaithfulnessConfig { subsets: 1, ..FaithfulnessConfig::default() };
    assert_eq!(key(faithfulness_correlation(&probe, &truth, &subsets).map(drop)), "subsets");
    let fraction = MuFidelityConfig { fraction: 1.5, ..MuFidelityConfig::default() };
    assert_eq!(key(mu_fidelity(&probe, &truth, &fraction).map(drop)), "fraction");
    let fine = MuFidelityConfig { grid: 29, ..MuFidelityConfig::default() };
    assert!(matches!(mu_fidelity(&probe, &truth, &fine), Err(ExplainError::Segmentation(_))));
    let wide = InfidelityConfig { largest_side: 29, ..InfidelityConfig::default() };
    assert_eq!(key(infidelity(&probe, &truth, AttributionKind::Contribution, &wide).map(drop)), "largest_side");
    assert!(matches!(
        infidelity(&probe, &truth[1..], AttributionKind::Contribution, &InfidelityConfig::default()),
        Err(ExplainError::ValueCount { .. })
    ));
    let radius = MaxSensitivityConfig { radius: 0.0, draws: 1 };
    assert_eq!(key(max_sensitivity(&bench.image, &radius, &bench.execution, |_| Ok(vec![])).map(drop)), "radius");

    let empty_mask = ExplainError::Empty { what: "truth mask" };
    assert_eq!(pointing_game(&[1.0, 0.0], &[false, false]), Err(empty_mask.clone()));
    assert_eq!(relevance_rank_accuracy(&[1.0, 0.0], &[false, false]), Err(empty_mask.clone()));
    assert_eq!(relevance_mass_accuracy(&[1.0, 0.0], &[false, false]), Err(empty_mask));
    assert!(matches!(pointing_game(&[1.0], &[true, false]), Err(ExplainError::ValueCount { .. })));
    assert!(matches!(sparseness(&[]), Err(ExplainError::Empty { .. })));
    assert!(matches!(complexity(&[f32::INFINITY]), Err(ExplainError::NotFinite { .. })));
    assert!(matches!(magnitude_rank_correlation(&[1.0], &[1.0, 2.0]), Err(ExplainError::ValueCount { .. })));
    assert!(matches!(mean_interval(&[], 0.95), Err(ExplainError::Empty { .. })));
    assert!(matches!(mean_interval(&[1.0, f64::NAN], 0.95), Err(ExplainError::NotFinite { .. })));
    assert_eq!(key(mean_interval(&[1.0], 1.0).map(drop)), "level");
}
