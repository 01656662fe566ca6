//! A model that is asked once scores any number of maps, with the same results as asking it for each.

use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{
    AttributionKind, Baseline, Execution, ExplainError, FaithfulnessConfig, FillConfig, Image, InfidelityConfig,
    MuFidelityConfig, Probe, ProbedCells, ProbedSquares, ProbedSubsets, ScoreScale, Scorer, Target,
    faithfulness_correlation, infidelity, mu_fidelity, random_map,
};

const SHAPE: [usize; 3] = [2, 12, 14];
const PIXELS: usize = 12 * 14;

fn uniform(count: usize, seed: u64) -> Vec<f32> {
    let mut generator = Draw { seed, purpose: Purpose::new("test values"), epoch: 0, index: 0 }.generator();
    (0..count).map(|_| generator.random::<f32>()).collect()
}

/// Two classes, each a saturated sum of the values by random weights.
fn model(images: Tensor<4>) -> Tensor<2> {
    let batch = images.dims()[0] as i32;
    let weights = uniform(4 * PIXELS, 5).into_iter().map(|value| (value - 0.5) / 8.0).collect::<Vec<f32>>();
    let weights = Tensor::<2>::from_data(TensorData::new(weights, [2 * PIXELS, 2]), &images.device());
    images.reshape([batch, 2 * PIXELS as i32]).matmul(weights).tanh()
}

fn check_probe(scale: ScoreScale, baseline: Baseline, test: impl Fn(&Probe<'_, dyn Scorer + '_>, &AtomicUsize)) {
    let asked = AtomicUsize::new(0);
    let counted = |images: Tensor<4>| {
        asked.fetch_add(images.dims()[0], Ordering::Relaxed);
        model(images)
    };
    let image = Image::new(uniform(2 * PIXELS, 1), SHAPE).unwrap();
    let execution = Execution { device: Device::flex(), seed: 3, ..Execution::default() };
    let fill = FillConfig { mean: Some(vec![0.3, 0.6]), ..FillConfig::default() };
    let probe = Probe {
        scorer: &counted as &(dyn Scorer + '_),
        image: &image,
        target: Target::Class(1),
        scale,
        baseline,
        fill: &fill,
        execution: &execution,
    };
    test(&probe, &asked);
}

#[test]
fn maps_that_share_the_answers_have_the_scores_of_maps_that_ask_alone() {
    let subsets = FaithfulnessConfig { subsets: 30, pixels: 40 };
    let cells = MuFidelityConfig { grid: 5, fraction: 0.3, samples: 30 };
    let squares = InfidelityConfig { largest_side: 4, samples: 30 };
    for (scale, baseline) in [
        (ScoreScale::Logits, Baseline::Black),
        (ScoreScale::Probabilities, Baseline::Mean),
        (ScoreScale::Logits, Baseline::Blur),
    ] {
        check_probe(scale, baseline, |probe, asked| {
            let probed_subsets = ProbedSubsets::ask(probe, &subsets).unwrap();
            let probed_cells = ProbedCells::ask(probe, &cells).unwrap();
            let probed_squares = ProbedSquares::ask(probe, &squares).unwrap();
            // 31 images each, and four at the door
            assert_eq!(asked.load(Ordering::Relaxed), 3 * (31 + 4));
            for seed in 0..4 {
                let (map, values) = (random_map(PIXELS, seed).unwrap(), random_map(2 * PIXELS, seed).unwrap());
                let before = asked.load(Ordering::Relaxed);
                let faithful = probed_subsets.faithfulness_correlation(&map).unwrap();
                let fidelity = probed_cells.mu_fidelity(&map).unwrap();
                let of_kind = |kind| probed_squares.infidelity(&values, kind).unwrap();
                let infidelities = [AttributionKind::Contribution, AttributionKind::Sensitivity].map(of_kind);
                assert_eq!(asked.load(Ordering::Relaxed), before, "no map asks the model");

                assert_eq!(faithful, faithfulness_correlation(probe, &map, &subsets).unwrap());
                assert_eq!(fidelity, mu_fidelity(probe, &map, &cells).unwrap());
                for (kind, found) in
                    [AttributionKind::Contribution, AttributionKind::Sensitivity].into_iter().zip(infidelities)
                {
                    assert_eq!(found, infidelity(probe, &values, kind, &squares).unwrap());
                }
                assert!(faithful.is_some_and(|score| score.abs() < 0.9) && fidelity.is_some());
            }
            let short = probed_subsets.faithfulness_correlation(&[0.0; 3]);
            assert!(matches!(short, Err(ExplainError::ValueCount { .. })));
            assert!(matches!(probed_cells.mu_fidelity(&[f32::NAN; PIXELS]), Err(ExplainError::NotFinite { .. })));
            let short = probed_squares.infidelity(&[0.0; PIXELS], AttributionKind::Contribution);
            assert!(matches!(short, Err(ExplainError::ValueCount { expected: 336, .. })));
            probe.execution.cancellation.cancel();
            let cancelled = probed_subsets.faithfulness_correlation(&[0.5; PIXELS]);
            assert!(matches!(cancelled, Err(ExplainError::Cancelled { .. })));
        });
    }
}

/// Sixteen times the subsets are a quarter of the noise.
#[test]
fn more_subsets_make_a_score_steadier() {
    let spread = |subsets: usize| {
        let found: Vec<f64> = (0..40)
            .map(|seed| {
                let image = Image::new(uniform(2 * PIXELS, 1), SHAPE).unwrap();
                let execution = Execution { device: Device::flex(), seed, ..Execution::default() };
                let probe = Probe {
                    scorer: &model,
                    image: &image,
                    target: Target::Class(1),
                    scale: ScoreScale::Logits,
                    baseline: Baseline::Black,
                    fill: &FillConfig::default(),
                    execution: &execution,
                };
                let config = FaithfulnessConfig { subsets, pixels: 40 };
                faithfulness_correlation(&probe, &random_map(PIXELS, 9).unwrap(), &config).unwrap().unwrap()
            })
            .collect();
        let mean = found.iter().sum::<f64>() / 40.0;
        (found.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / 39.0).sqrt()
    };
    let (few, many) = (spread(25), spread(400));
    assert!((0.15..0.4).contains(&(many / few)), "{few} with 25 subsets, {many} with 400");
}

#[test]
fn subsets_that_take_more_memory_than_is_allowed_are_refused() {
    check_probe(ScoreScale::Logits, Baseline::Black, |probe, asked| {
        let execution = Execution { memory_limit: 1 << 20, ..probe.execution.clone() };
        let probe = Probe { execution: &execution, ..*probe };
        let error = ProbedSubsets::ask(&probe, &FaithfulnessConfig { subsets: 1_000_000, pixels: 100 }).unwrap_err();
        assert!(matches!(error, ExplainError::Memory { key: "subsets", .. }), "{error}");
        let error = ProbedCells::ask(&probe, &MuFidelityConfig { samples: 1_000_000, ..MuFidelityConfig::default() });
        assert!(matches!(error, Err(ExplainError::Memory { key: "samples", .. })));
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    });
}
