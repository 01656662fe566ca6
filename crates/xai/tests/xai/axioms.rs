//! What Integrated Gradients and its relatives promise of any model: closed forms and axioms.

use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use tinylsa_xai::{
    Attribution, Execution, ExpectedGradientsConfig, Image, IntegratedGradients, IntegratedGradientsConfig, PathRule,
    Scorer, SmoothGradConfig, Target, expected_gradients, for_every_class, input_gradient, input_times_gradient,
    integrated_gradients, smooth_grad,
};

fn row(values: &[f32]) -> Image {
    Image::new(values.to_vec(), [1, 1, values.len()]).expect("values are finite")
}

/// The pixels of every image of a row of `count`, each `[batch, 1]`.
fn pixels(images: Tensor<4>, count: usize) -> Vec<Tensor<2>> {
    let [batch, ..] = images.dims();
    let flat: Tensor<2> = images.reshape([batch, count]);
    (0..count).map(|pixel| flat.clone().slice([0..batch, pixel..pixel + 1])).collect()
}

/// `w · x` for each row of weights.
fn linear(weights: Vec<Vec<f32>>) -> impl Fn(Tensor<4>) -> Tensor<2> {
    let (classes, size) = (weights.len(), weights[0].len());
    move |images: Tensor<4>| {
        let [batch, ..] = images.dims();
        let matrix = Tensor::<2>::from_data(TensorData::new(weights.concat(), [classes, size]), &Device::flex());
        images.reshape([batch, size]).matmul(matrix.transpose())
    }
}

fn fixed_steps(rule: PathRule, steps: usize) -> IntegratedGradientsConfig {
    let tolerance = f64::INFINITY;
    IntegratedGradientsConfig { rule, steps, tolerance, map_tolerance: tolerance, maximum_steps: steps }
}

fn explained<S: Scorer>(scorer: &S, image: &Image, config: &IntegratedGradientsConfig) -> IntegratedGradients {
    let black = Image::filled(0.0, image.shape()).expect("the shape is not empty");
    integrated_gradients(scorer, image, &[black], Target::Class(0), config, &Execution::default())
        .expect("the model has gradients")
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found}, expected {expected}");
    }
}

fn assert_zero(attribution: &Attribution, pixel: usize) {
    assert_eq!(attribution.values[pixel].abs().to_bits(), 0, "exactly zero, of either sign");
    assert!(attribution.largest_magnitude() > 0.0, "but not all of them");
}

const RULES: [PathRule; 5] =
    [PathRule::Adaptive, PathRule::GaussLegendre, PathRule::Midpoint, PathRule::Right, PathRule::Trapezoid];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_linear_model_is_attributed_by_its_weights_under_every_rule(
        weights in prop::collection::vec(-2.0_f32..2.0, 5),
        values in prop::collection::vec(0.0_f32..1.0, 5),
        start in -1.0_f32..1.0,
        steps in 2_usize..70,
    ) {
        let model = linear(vec![weights.clone()]);
        let baseline = Image::filled(start, [1, 1, 5]).expect("the shape is not empty");
        let expected: Vec<f32> =
            weights.iter().zip(&values).map(|(w, x)| (f64::from(*w) * (f64::from(*x) - f64::from(start))) as f32).collect();
        for rule in RULES {
            let found = integrated_gradients(
                &model, &row(&values), std::slice::from_ref(&baseline), Target::Class(0), &fixed_steps(rule, steps),
                &Execution::default(),
            ).expect("the model has gradients");
            assert_close(&found.attribution.values, &expected, 3e-7);
            prop_assert!(found.delta.abs() < 2e-6);
        }
        let execution = Execution::default();
        let background = [baseline];
        let config = ExpectedGradientsConfig { strata: 3, ..Default::default() };
        let expected_by_draws =
            expected_gradients(&model, &row(&values), &background, Target::Class(0), &config, &execution)
                .expect("the model has gradients");
        assert_close(&expected_by_draws.attribution.values, &expected, 3e-7);
        prop_assert!(expected_by_draws.relative_standard_error.is_none_or(|error| error == 0.0), "a linear model leaves nothing to chance");
    }

    #[test]
    fn attributions_sum_to_the_difference_of_the_scores(
        values in prop::collection::vec(-1.0_f32..1.0, 6),
        weights in prop::collection::vec(-3.0_f32..3.0, 6),
    ) {
        // a smooth model: a Gauss–Legendre rule is complete to rounding
        let inner = linear(vec![weights]);
        let model = |images: Tensor<4>| sigmoid(inner(images.clone()) + pixels(images, 6).remove(0).powi_scalar(2));
        let found = explained(&model, &row(&values), &fixed_steps(PathRule::GaussLegendre, 32));
        prop_assert!(found.delta.abs() < 1e-6, "{}", found.delta);
        prop_assert!((found.attribution.sum() - (found.score - found.paths[0].baseline_score)).abs() < 1e-6);
    }
}

#[test]
fn the_counterexample_of_the_paper_gets_the_papers_values() {
    // Sundararajan et al. 2017, figure 7: two implementations of one function, of which sensitivity (a) and
    // implementation invariance demand 1.5 and −0.5 at the point (3, 1)
    let f = |images: Tensor<4>| {
        let x = pixels(images, 2);
        relu(relu(x[0].clone() - 1.0) - relu(x[1].clone()))
    };
    let g = |images: Tensor<4>| {
        let x = pixels(images, 2);
        relu(relu(x[0].clone()) - 1.0 - relu(x[1].clone()))
    };
    let config = IntegratedGradientsConfig { tolerance: 1e-5, map_tolerance: 1e-5, ..Default::default() };
    let of_f = explained(&f, &row(&[3.0, 1.0]), &config);
    assert_close(&of_f.attribution.values, &[1.5, -0.5], 2e-5);
    let of_g = explained(&g, &row(&[3.0, 1.0]), &config);
    assert_close(&of_g.attribution.values, &of_f.attribution.values, 2e-5);
    assert!(of_f.converged && of_g.converged);
    assert!((of_f.score - 1.0).abs() < 1e-6);
    // the gradient alone gives 1 and −1 at the point, and so breaks completeness
    let gradient = input_gradient(&f, &row(&[3.0, 1.0]), Target::Class(0), &Execution::default()).expect("gradients");
    assert_eq!(gradient.values, [1.0, -1.0]);
}

#[test]
fn two_implementations_of_a_smooth_function_are_explained_alike() {
    let f = |images: Tensor<4>| {
        let x = pixels(images, 2);
        (x[0].clone() + x[1].clone()).powi_scalar(2)
    };
    let g = |images: Tensor<4>| {
        let x = pixels(images, 2);
        x[0].clone().powi_scalar(2) + x[0].clone() * x[1].clone() * 2.0 + x[1].clone().powi_scalar(2)
    };
    let config = fixed_steps(PathRule::GaussLegendre, 8);
    let [of_f, of_g] = [explained(&f, &row(&[0.7, -0.3]), &config), explained(&g, &row(&[0.7, -0.3]), &config)];
    assert_close(&of_f.attribution.values, &of_g.attribution.values, 1e-6);
    // the integral of 2 α (x₁ + x₂) x_i is (x₁ + x₂) x_i
    assert_close(&of_f.attribution.values, &[0.4 * 0.7, 0.4 * -0.3], 1e-6);
}

#[test]
fn a_value_that_the_model_does_not_look_at_gets_exactly_zero() {
    let model = |images: Tensor<4>| {
        let x = pixels(images, 3);
        (x[0].clone() * 2.0).exp() * x[2].clone()
    };
    let image = row(&[0.4, 0.9, -0.6]);
    let execution = Execution::default();
    assert_zero(&explained(&model, &image, &IntegratedGradientsConfig::default()).attribution, 1);
    let background = [row(&[0.1, 0.2, 0.3]), row(&[0.9, 0.0, 0.5])];
    let config = ExpectedGradientsConfig::default();
    let expected = expected_gradients(&model, &image, &background, Target::Predicted, &config, &execution);
    assert_zero(&expected.expect("gradients").attribution, 1);
    let smooth = smooth_grad(&model, &image, Target::Predicted, &SmoothGradConfig::default(), &execution);
    assert_zero(&smooth.expect("gradients").attribution, 1);
    assert_zero(&input_gradient(&model, &image, Target::Predicted, &execution).expect("gradients"), 1);
}

#[test]
fn a_value_at_the_baseline_gets_exactly_zero() {
    let model = |images: Tensor<4>| {
        let x = pixels(images, 2);
        (x[0].clone() * x[1].clone()).exp() + x[1].clone()
    };
    assert_zero(&explained(&model, &row(&[0.0, 0.8]), &IntegratedGradientsConfig::default()).attribution, 0);
}

#[test]
fn values_that_play_the_same_part_get_the_same_share() {
    let model = |images: Tensor<4>| {
        let x = pixels(images, 3);
        (x[0].clone() * x[1].clone()).exp() + relu(x[0].clone() + x[1].clone() - 0.5) * x[2].clone()
    };
    let found = explained(&model, &row(&[0.6, 0.6, 0.3]), &IntegratedGradientsConfig::default());
    assert_eq!(found.attribution.values[0].to_bits(), found.attribution.values[1].to_bits());
}

#[test]
fn the_attribution_of_a_sum_is_the_sum_of_the_attributions() {
    let f = |images: Tensor<4>| pixels(images, 2).remove(0).powi_scalar(3);
    let g = |images: Tensor<4>| (pixels(images.clone(), 2).remove(0) * pixels(images, 2).remove(1)).exp();
    let both = |images: Tensor<4>| f(images.clone()) * 2.0 - g(images) * 0.5;
    let image = row(&[0.8, 0.5]);
    let config = fixed_steps(PathRule::GaussLegendre, 20);
    let [of_f, of_g] =
        [explained(&f, &image, &config), explained(&g, &image, &config)].map(|found| found.attribution.values);
    let expected: Vec<f32> = of_f.iter().zip(&of_g).map(|(f, g)| 2.0 * f - 0.5 * g).collect();
    assert_close(&explained(&both, &image, &config).attribution.values, &expected, 1e-6);
}

#[test]
fn several_baselines_are_averaged() {
    let model = |images: Tensor<4>| pixels(images, 2).remove(0).powi_scalar(2);
    let image = row(&[0.6, 0.1]);
    let baselines = [row(&[0.0, 0.0]), row(&[1.0, 1.0])];
    let config = IntegratedGradientsConfig::default();
    let execution = Execution::default();
    let found = integrated_gradients(&model, &image, &baselines, Target::Predicted, &config, &execution)
        .expect("the model has gradients");
    // the integral from b is x² − b² for the first value, 0 for the second
    assert_close(&found.attribution.values, &[f32::midpoint(0.36, 0.36 - 1.0), 0.0], 1e-6);
    assert_eq!(found.paths.len(), 2);
    assert!(found.converged && found.delta.abs() < 1e-6);
}

#[test]
fn every_class_is_explained_by_its_own_gradient() {
    let weights = vec![vec![1.0, 2.0], vec![-3.0, 0.5], vec![0.0, 1.0]];
    let model = linear(weights.clone());
    let image = row(&[1.0, 1.0]);
    let execution = Execution::default();
    let all =
        for_every_class(&model, &image, &execution, |target| input_times_gradient(&model, &image, target, &execution))
            .expect("the model has gradients");
    assert_eq!(all.iter().map(|found| found.values.clone()).collect::<Vec<_>>(), weights);
    assert_eq!(all.iter().map(|found| found.target.class).collect::<Vec<_>>(), [0, 1, 2]);
    let predicted = input_gradient(&model, &image, Target::Predicted, &execution).expect("gradients");
    assert_eq!(predicted.target, 0.into(), "1 + 2 is the largest score");
}

#[test]
fn the_standard_error_of_expected_gradients_is_the_spread_over_seeds() {
    let model = |images: Tensor<4>| {
        let x = pixels(images, 3);
        relu(x[0].clone() * 3.0 - x[1].clone()) + (x[1].clone() * x[2].clone() * 2.0).exp()
    };
    let image = row(&[0.7, 0.4, 0.9]);
    let background = [row(&[0.0, 0.6, 0.1]), row(&[0.3, 0.9, 0.4]), row(&[0.1, 0.0, 0.0])];
    let finely = IntegratedGradientsConfig { tolerance: 1e-5, map_tolerance: 1e-5, ..Default::default() };
    let exact = integrated_gradients(&model, &image, &background, Target::Predicted, &finely, &Execution::default())
        .expect("the model has gradients");
    let config = ExpectedGradientsConfig { strata: 4, tolerance: f64::INFINITY, maximum_strata: 4 };
    let (mut squared_errors, mut variances) = ([0.0_f64; 3], [0.0_f64; 3]);
    for seed in 0..200 {
        let execution = Execution { seed, ..Execution::default() };
        let found = expected_gradients(&model, &image, &background, Target::Predicted, &config, &execution)
            .expect("the model has gradients");
        assert_eq!(found.gradients, 24);
        for pixel in 0..3 {
            let error = f64::from(found.attribution.values[pixel] - exact.attribution.values[pixel]);
            squared_errors[pixel] += error * error;
            variances[pixel] += f64::from(found.standard_error[pixel]).powi(2);
        }
    }
    for pixel in 0..3 {
        let ratio = squared_errors[pixel] / variances[pixel];
        assert!((0.6..1.6).contains(&ratio), "pixel {pixel}: the error is {ratio} of what was said");
    }
}
