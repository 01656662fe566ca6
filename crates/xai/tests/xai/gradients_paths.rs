//! What refinement promises of Integrated Gradients: closed forms of functions with kinks, what `converged` means, and
//! the cases without anything to refine.

use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use tinylsa_xai::{
    Execution, ExplainError, Image, IntegratedGradients, IntegratedGradientsConfig, PathRule, Scorer, Target,
    integrated_gradients,
};

const RULES: [PathRule; 5] =
    [PathRule::Adaptive, PathRule::GaussLegendre, PathRule::Midpoint, PathRule::Right, PathRule::Trapezoid];

fn row(values: &[f32]) -> Image {
    Image::new(values.to_vec(), [1, 1, values.len()]).expect("values are finite")
}

/// Σ over the kinks of `height · relu(w · x − threshold)`, without a bias.
#[derive(Clone, Debug)]
struct Kinks(Vec<Kink>);

#[derive(Clone, Debug)]
struct Kink {
    weights: Vec<f32>,
    threshold: f32,
    height: f32,
}

impl Kinks {
    fn scorer(&self) -> impl Fn(Tensor<4>) -> Tensor<2> {
        let kinks = self.0.clone();
        move |images: Tensor<4>| {
            let [batch, ..] = images.dims();
            let flat: Tensor<2> = images.flatten(1, 3);
            let mut sum = Tensor::zeros([batch, 1], &Device::flex());
            for Kink { weights, threshold, height } in &kinks {
                let column =
                    Tensor::<2>::from_data(TensorData::new(weights.clone(), [weights.len(), 1]), &Device::flex());
                sum = sum + relu(flat.clone().matmul(column) - *threshold) * *height;
            }
            sum
        }
    }

    /// The integral from a baseline of zeros: a kink is open on the part of the path behind its threshold.
    fn integral(&self, image: &[f32]) -> Vec<f64> {
        let mut sum = vec![0.0; image.len()];
        for Kink { weights, threshold, height } in &self.0 {
            let end: f64 = weights.iter().zip(image).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
            let threshold = f64::from(*threshold);
            // w · x grows from 0 to its end along the path
            let open = match (threshold < 0.0, end > threshold) {
                (true, true) => 1.0,
                (true, false) => threshold / end,
                (false, true) => 1.0 - threshold / end,
                (false, false) => 0.0,
            };
            for (sum, (w, x)) in sum.iter_mut().zip(weights.iter().zip(image)) {
                *sum += f64::from(*height) * open * f64::from(*w) * f64::from(*x);
            }
        }
        sum
    }
}

fn explained(scorer: &impl Scorer, image: &Image, config: &IntegratedGradientsConfig) -> IntegratedGradients {
    explained_from(scorer, image, &Image::filled(0.0, image.shape()).expect("the shape is not empty"), config)
}

fn explained_from(
    scorer: &impl Scorer,
    image: &Image,
    baseline: &Image,
    config: &IntegratedGradientsConfig,
) -> IntegratedGradients {
    let baselines = std::slice::from_ref(baseline);
    integrated_gradients(scorer, image, baselines, Target::Class(0), config, &Execution::default())
        .expect("the model has gradients")
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// The distance of what was found from the integral, as a share of the integral.
fn relative_error(found: &IntegratedGradients, integral: &[f64]) -> f64 {
    let error = found.attribution.values.iter().zip(integral).map(|(found, exact)| f64::from(*found) - exact);
    norm(error) / norm(integral.iter().copied())
}

fn kink(size: usize) -> impl Strategy<Value = Kink> {
    (prop::collection::vec(-1.0_f32..1.0, size), -0.8_f32..0.8, -2.0_f32..2.0)
        .prop_map(|(weights, threshold, height)| Kink { weights, threshold, height })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_kink_is_integrated_to_the_tolerance_by_every_rule(
        at in 0.05_f32..0.95,
        values in prop::collection::vec(0.1_f32..1.0, 4),
    ) {
        let sum: f32 = values.iter().sum();
        let kinks = Kinks(vec![Kink { weights: vec![1.0; 4], threshold: at * sum, height: 1.0 }]);
        let integral = kinks.integral(&values);
        for rule in RULES {
            // the rules of equal steps need thousands where a kink lies badly
            let config = IntegratedGradientsConfig { rule, maximum_steps: 1 << 14, ..Default::default() };
            let found = explained(&kinks.scorer(), &row(&values), &config);
            prop_assert!(found.converged, "{rule:?}: {:?}", found.paths);
            // of one kink completeness is the error itself
            let error = relative_error(&found, &integral);
            prop_assert!(error <= 1.01 * config.tolerance, "{rule:?} is {error} from the integral");
        }
    }

    #[test]
    fn many_kinks_are_integrated_to_the_tolerance(
        kinks in prop::collection::vec(kink(6), 12).prop_map(Kinks),
        values in prop::collection::vec(-1.0_f32..1.0, 6),
    ) {
        let integral = kinks.integral(&values);
        let config = IntegratedGradientsConfig { map_tolerance: 0.002, ..Default::default() };
        let found = explained(&kinks.scorer(), &row(&values), &config);
        prop_assert!(found.converged, "{:?}", found.paths);
        // twelve kinks may lie so that some are not between the nodes of 17 steps that show them
        let error = relative_error(&found, &integral);
        prop_assert!(error <= 0.02, "{error} from the integral, after {} gradients", found.gradients);
        let finely = IntegratedGradientsConfig { steps: 400, map_tolerance: 1e-4, ..config };
        let error = relative_error(&explained(&kinks.scorer(), &row(&values), &finely), &integral);
        prop_assert!(error <= 2e-4, "{error} from the integral");
    }

    #[test]
    fn a_linear_model_needs_no_more_than_the_fewest_steps(
        weights in prop::collection::vec(-2.0_f32..2.0, 5),
        values in prop::collection::vec(0.0_f32..1.0, 5),
    ) {
        let column = Tensor::<2>::from_data(TensorData::new(weights, [5, 1]), &Device::flex());
        let linear = |images: Tensor<4>| images.flatten::<2>(1, 3).matmul(column.clone());
        for rule in RULES {
            let config = IntegratedGradientsConfig { rule, ..Default::default() };
            let found = explained(&linear, &row(&values), &config);
            prop_assert!(found.converged && found.paths[0].map_change.is_some_and(|change| change < 1e-6));
            // rounds of other nodes need a second one to compare with
            let gradients = if rule == PathRule::Adaptive { config.steps } else { 3 * config.steps };
            prop_assert_eq!(found.gradients, gradients);
        }
    }

    #[test]
    fn the_quadrature_is_the_one_of_the_attribution(values in prop::collection::vec(0.1_f32..1.0, 3)) {
        // the gradient of Σ x³ is 3 x² at every node
        let cubes = |images: Tensor<4>| images.flatten::<2>(1, 3).powi_scalar(3).sum_dim(1);
        for rule in RULES {
            let config = IntegratedGradientsConfig { rule, ..Default::default() };
            let found = explained(&cubes, &row(&values), &config);
            let quadrature = &found.quadratures[0];
            prop_assert_eq!(quadrature.nodes.len(), found.paths[0].steps);
            prop_assert!((quadrature.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(quadrature.nodes.is_sorted_by(|left, right| left < right));
            for (value, found) in values.iter().zip(&found.attribution.values) {
                let value = f64::from(*value);
                let nodes = quadrature.nodes.iter().zip(&quadrature.weights);
                let sum: f64 = nodes.map(|(node, weight)| weight * 3.0 * (node * value).powi(2) * value).sum();
                prop_assert!((sum - f64::from(*found)).abs() < 1e-5 * sum);
                prop_assert!((sum - value.powi(3)).abs() < 0.006 * value.powi(3), "{rule:?}");
            }
        }
    }
}

/// Two kinks of opposite sign at the same place: whatever the nodes, the errors of the two pixels cancel in the sum.
fn opposite_kinks() -> Kinks {
    let kink = |weights: [f32; 2], height| Kink { weights: weights.to_vec(), threshold: 0.3, height };
    Kinks(vec![kink([1.0, 0.0], 1.0), kink([0.0, 1.0], -1.0)])
}

#[test]
fn completeness_alone_converges_to_a_wrong_map() {
    let (kinks, image) = (opposite_kinks(), row(&[1.0, 1.0]));
    let integral = kinks.integral(image.values());
    assert!((integral[0] - 0.7).abs() < 1e-6 && (integral[1] + 0.7).abs() < 1e-6);
    let blind = IntegratedGradientsConfig {
        rule: PathRule::Trapezoid,
        steps: 3,
        map_tolerance: f64::INFINITY,
        ..Default::default()
    };
    let found = explained(&kinks.scorer(), &image, &blind);
    assert!(found.converged && found.delta.abs() < 1e-7 && found.gradients == 3, "{:?}", found.paths);
    assert!(relative_error(&found, &integral) > 0.05, "the sum is right and the map is not");
    for rule in [PathRule::Trapezoid, PathRule::Adaptive] {
        let found =
            explained(&kinks.scorer(), &image, &IntegratedGradientsConfig { rule, steps: 3, ..Default::default() });
        assert!(found.converged && found.paths[0].map_change.is_some_and(|change| change <= 0.005));
        assert!(relative_error(&found, &integral) <= 0.005, "{:?}", found.paths);
    }
}

#[test]
fn the_adaptive_rule_looks_where_the_gradient_changes() {
    // a slope that is there on a thousandth of the path alone, and one that is everywhere
    let kinks = Kinks(vec![
        Kink { weights: vec![1.0, 0.0], threshold: 0.999, height: 1000.0 },
        Kink { weights: vec![0.0, 1.0], threshold: -1.0, height: 1.0 },
    ]);
    let image = row(&[1.0, 1.0]);
    let integral = kinks.integral(image.values());
    let adaptive = explained(&kinks.scorer(), &image, &IntegratedGradientsConfig::default());
    assert!(adaptive.converged && relative_error(&adaptive, &integral) < 0.01, "{:?}", adaptive.paths);
    assert!(adaptive.gradients < 512, "{}", adaptive.gradients);
    let doubled = IntegratedGradientsConfig { rule: PathRule::GaussLegendre, ..Default::default() };
    let doubled = explained(&kinks.scorer(), &image, &doubled);
    assert!(doubled.gradients > 2 * adaptive.gradients, "{:?}", doubled.paths);
}

#[test]
fn infinite_tolerances_never_refine() {
    let (kinks, image) = (opposite_kinks(), row(&[1.0, 1.0]));
    for rule in RULES {
        for steps in [2, 3, 9, 10, 32, 33] {
            let (tolerance, map_tolerance) = (f64::INFINITY, f64::INFINITY);
            let config = IntegratedGradientsConfig { rule, steps, tolerance, map_tolerance, ..Default::default() };
            let found = explained(&kinks.scorer(), &image, &config);
            assert_eq!((found.gradients, found.paths[0].steps), (steps, steps), "{rule:?}");
            assert!(found.converged, "nothing was asked for");
        }
    }
    // what is asked for is refined for, whatever the other tolerance
    let one = Kinks(vec![Kink { weights: vec![1.0, 1.0], threshold: 0.74, height: 1.0 }]);
    for (tolerance, map_tolerance) in [(1e-4, f64::INFINITY), (f64::INFINITY, 1e-4)] {
        let config = IntegratedGradientsConfig { tolerance, map_tolerance, ..Default::default() };
        let found = explained(&one.scorer(), &image, &config);
        let path = &found.paths[0];
        assert!(found.converged && found.gradients > config.steps, "{path:?}");
        assert!(path.relative_delta(found.score) <= tolerance && path.map_change.is_some_and(|c| c <= map_tolerance));
    }
}

#[test]
fn a_budget_that_ends_says_what_was_reached() {
    let (kinks, image) = (opposite_kinks(), row(&[1.0, 1.0]));
    for rule in RULES {
        let config = IntegratedGradientsConfig { rule, steps: 2, maximum_steps: 7, ..Default::default() };
        let found = explained(&kinks.scorer(), &image, &config);
        assert!(!found.converged && found.paths[0].steps == 7, "{rule:?}: {:?}", found.paths);
        assert!(found.paths[0].map_change.is_some_and(|change| change > config.map_tolerance));
        let single = IntegratedGradientsConfig { maximum_steps: 2, ..config };
        let found = explained(&kinks.scorer(), &image, &single);
        assert!(!found.converged && found.paths[0].map_change.is_none(), "nothing to compare with");
    }
}

#[test]
fn a_path_without_length_and_a_map_of_zeros_are_converged() {
    let kinks = opposite_kinks();
    let image = row(&[0.7, 0.2]);
    for rule in RULES {
        let config = IntegratedGradientsConfig { rule, ..Default::default() };
        let nowhere = explained_from(&kinks.scorer(), &image, &image, &config);
        assert!(nowhere.converged && nowhere.attribution.largest_magnitude() == 0.0, "{rule:?}");
        assert_eq!((nowhere.gradients, nowhere.paths[0].length), (config.steps, 0.0));
        let blind = |images: Tensor<4>| images.flatten::<2>(1, 3).sum_dim(1) * 0.0 + 3.0;
        let zero = explained(&blind, &image, &config);
        assert!(zero.converged && zero.attribution.largest_magnitude() == 0.0, "{rule:?}");
        assert_eq!((zero.delta, zero.paths[0].map_change), (0.0, Some(0.0)));
    }
}

#[test]
fn a_map_that_becomes_zero_is_not_converged() {
    // a slope around the middle alone, which the middle sees, and a quarter and three quarters do not
    let middle = Kinks(vec![
        Kink { weights: vec![1.0], threshold: 0.4, height: 1.0 },
        Kink { weights: vec![1.0], threshold: 0.6, height: -1.0 },
    ]);
    let config = IntegratedGradientsConfig {
        rule: PathRule::Midpoint,
        steps: 1,
        tolerance: f64::INFINITY,
        maximum_steps: 2,
        ..Default::default()
    };
    let found = explained(&middle.scorer(), &row(&[1.0]), &config);
    assert_eq!((found.attribution.values.as_slice(), found.paths[0].map_change), ([0.0].as_slice(), None));
    assert!(!found.converged, "no share of nothing is small");
    let more = IntegratedGradientsConfig { tolerance: 0.005, maximum_steps: 1 << 12, ..config };
    let found = explained(&middle.scorer(), &row(&[1.0]), &more);
    assert!(found.converged && (found.attribution.values[0] - 0.2).abs() < 0.002, "{:?}", found.paths);
}

#[test]
fn gradients_that_are_kept_are_held_against_the_memory() {
    let kinks = opposite_kinks();
    let image = row(&[1.0, 1.0]);
    let black = row(&[0.0, 0.0]);
    let config = IntegratedGradientsConfig { map_tolerance: 0.0, ..Default::default() };
    let execution = Execution { memory_limit: 200, ..Execution::default() };
    let found = integrated_gradients(&kinks.scorer(), &image, &[black], Target::Class(0), &config, &execution);
    assert!(
        matches!(found, Err(ExplainError::Memory { what: "the gradients of the path", key: "maximum_steps", .. })),
        "{found:?}"
    );
}
