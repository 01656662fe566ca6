//! What `SmoothGrad` and expected gradients say of their own errors, and that they sample until those are small.

use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use tinylsa_xai::{
    Execution, ExpectedGradients, ExpectedGradientsConfig, ExplainError, Image, IntegratedGradientsConfig, Scorer,
    SmoothGrad, SmoothGradConfig, SmoothGradKind, Target, expected_gradients, integrated_gradients, smooth_grad,
};

fn row(values: &[f32]) -> Image {
    Image::new(values.to_vec(), [1, 1, values.len()]).expect("values are finite")
}

/// The sum of a power of every pixel.
fn power(exponent: i32) -> impl Fn(Tensor<4>) -> Tensor<2> {
    move |images: Tensor<4>| images.flatten::<2>(1, 3).powi_scalar(exponent).sum_dim(1)
}

/// Ten kinks in every direction.
fn kinks(images: Tensor<4>) -> Tensor<2> {
    let [_, _, _, width] = images.dims();
    let weight = |index: usize| ((index * 2_654_435_761) >> 7) as f32 % 64.0 / 32.0 - 1.0;
    let weights: Vec<f32> = (1..=10 * width).map(weight).collect();
    let weights = Tensor::<2>::from_data(TensorData::new(weights, [width, 10]), &Device::flex());
    relu(images.flatten::<2>(1, 3).matmul(weights)).sum_dim(1)
}

fn smooth(scorer: &impl Scorer, image: &Image, config: &SmoothGradConfig, seed: u64) -> SmoothGrad {
    let execution = Execution { seed, ..Execution::default() };
    smooth_grad(scorer, image, Target::Class(0), config, &execution).expect("the model has gradients")
}

fn squared_norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum()
}

#[test]
fn smooth_grad_of_a_cube_has_the_mean_and_the_error_of_the_closed_form() {
    // 3 (x + ε)²: the mean is 3 x² + 3 σ², and of a pair ±ε it is 3 x² + 3 ε², whose deviation is 3 √2 σ²
    let config = SmoothGradConfig { tolerance: f64::INFINITY, samples: 4000, noise: 0.2, ..Default::default() };
    let found = smooth(&power(3), &row(&[0.5, 1.5]), &config, 0);
    assert_eq!((found.samples, found.reached), (4000, true), "nothing is asked of the error");
    let error = 3.0 * 2.0_f32.sqrt() * 0.04 / 2000.0_f32.sqrt();
    for (pixel, x) in [0.5_f32, 1.5].into_iter().enumerate() {
        let said = found.standard_error[pixel];
        assert!((said / error - 1.0).abs() < 0.1, "{said} and {error}");
        let mean = found.attribution.values[pixel];
        assert!((mean - 3.0 * x * x - 3.0 * 0.04).abs() < 4.0 * error, "{mean}");
    }
    let still = SmoothGradConfig { noise: 0.0, ..config };
    assert_eq!(smooth(&power(3), &row(&[0.5, 1.5]), &still, 0).attribution.values, [0.75, 6.75]);
}

#[test]
fn what_is_odd_in_the_noise_cancels_in_a_pair() {
    // the gradient of x² at x ± ε is 2 x ± 2 ε
    let config = SmoothGradConfig::default();
    let found = smooth(&power(2), &row(&[0.5, 1.5]), &config, 0);
    for (found, exact) in found.attribution.values.iter().zip([1.0, 3.0]) {
        assert!((found - exact).abs() < 1e-6);
    }
    assert!(found.reached && found.samples == 64 && found.relative_standard_error.is_some_and(|error| error < 1e-6));
}

#[test]
fn squares_have_the_mean_and_the_error_of_the_closed_form() {
    // (2 x + 2 ε)²: the mean is 4 x² + 4 σ², and of a pair it is 4 x² + 4 ε²
    let config = SmoothGradConfig { kind: SmoothGradKind::Square, tolerance: f64::INFINITY, samples: 4000, noise: 0.2 };
    let found = smooth(&power(2), &row(&[0.0, 1.0]), &config, 3);
    let error = 4.0 * 2.0_f32.sqrt() * 0.04 / 2000.0_f32.sqrt();
    for (pixel, x) in [0.0_f32, 1.0].into_iter().enumerate() {
        assert!((found.standard_error[pixel] / error - 1.0).abs() < 0.1);
        assert!((found.attribution.values[pixel] - 4.0 * x * x - 4.0 * 0.04).abs() < 4.0 * error);
    }
}

#[test]
fn squares_are_refused_for_a_class_against_another() {
    let two = |images: Tensor<4>| images.flatten::<2>(1, 3).powi_scalar(2);
    let execution = Execution::default();
    let config = SmoothGradConfig { kind: SmoothGradKind::Square, ..Default::default() };
    let against = Target::Against { class: 0, other: 1 };
    let refused = smooth_grad(&two, &row(&[0.5, 1.5]), against, &config, &execution);
    let Err(ExplainError::Setting(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!(
        refused.to_string(),
        "kind is square, expected mean where a class is explained against another: a square has no sign"
    );
    let signed = SmoothGradConfig::default();
    assert!(smooth_grad(&two, &row(&[0.5, 1.5]), against, &signed, &execution).is_ok());
    assert!(smooth_grad(&two, &row(&[0.5, 1.5]), Target::Class(0), &config, &execution).is_ok());
}

#[test]
fn noisy_images_are_drawn_until_the_error_is_small() {
    let image = row(&[0.2, 0.9, 0.4, 0.6, 0.1, 0.5]);
    let sampled = |tolerance| {
        let config = SmoothGradConfig { tolerance, noise: 0.5, ..Default::default() };
        (smooth(&kinks, &image, &config, 5), config)
    };
    let mut before = 0;
    for tolerance in [0.5, 0.2, 0.1] {
        let (found, config) = sampled(tolerance);
        assert!(found.reached && found.relative_standard_error.is_some_and(|error| error <= tolerance), "{found:?}");
        assert!(found.samples.is_multiple_of(64) && found.samples >= before);
        before = found.samples;
        // ending early is no other draw
        let fixed = SmoothGradConfig { tolerance: f64::INFINITY, samples: found.samples, ..config };
        assert_eq!(smooth(&kinks, &image, &fixed, 5).attribution, found.attribution);
    }
    assert!(before > 64, "some tolerance takes more than the first round");
    let short = SmoothGradConfig { tolerance: 1e-4, samples: 150, noise: 0.5, ..Default::default() };
    let found = smooth(&kinks, &image, &short, 5);
    assert_eq!((found.samples, found.reached), (150, false));
    assert!(found.relative_standard_error.is_some_and(|error| error > 1e-4));
}

#[test]
fn a_map_of_noise_alone_never_reaches_a_tolerance() {
    // the gradient x² − σ² has the mean 0 at x = 0, and the other pixel has none
    let model = |images: Tensor<4>| {
        let [batch, ..] = images.dims();
        let x = images.flatten::<2>(1, 3).slice([0..batch, 0..1]);
        x.clone().powi_scalar(3) / 3.0 - x * 0.15_f32.powi(2)
    };
    let config = SmoothGradConfig { samples: 512, ..Default::default() };
    for seed in 0..8 {
        let found = smooth(&model, &row(&[0.0, 1.0]), &config, seed);
        assert_eq!((found.samples, found.reached), (512, false), "{found:?}");
        assert!(found.relative_standard_error.is_none_or(|error| error > 0.2));
    }
}

#[test]
fn the_relative_standard_error_is_the_error_over_the_map_without_noise() {
    let image = row(&[0.2, 0.9, 0.4, 0.6, 0.1, 0.5]);
    let exact = SmoothGradConfig { tolerance: f64::INFINITY, samples: 60_000, noise: 2.0, ..Default::default() };
    let exact = smooth(&kinks, &image, &exact, 1_000).attribution.values;
    let config = SmoothGradConfig { samples: 16, ..SmoothGradConfig { noise: 2.0, ..Default::default() } };
    let (mut errors, mut said) = (0.0, 0.0);
    for seed in 0..200 {
        let found = smooth(&kinks, &image, &config, seed);
        let error = found.attribution.values.iter().zip(&exact).map(|(found, exact)| f64::from(found - exact));
        errors += squared_norm(error) / squared_norm(exact.iter().copied().map(f64::from));
        said += found.relative_standard_error.expect("there is more than noise").powi(2);
    }
    let ratio = (errors / said).sqrt();
    assert!((0.8..1.25).contains(&ratio), "the error is {ratio} of what was said");
}

fn background() -> [Image; 3] {
    [row(&[0.0, 0.6, 0.1, 0.9]), row(&[0.3, 0.9, 0.4, 0.0]), row(&[0.1, 0.0, 0.0, 0.5])]
}

fn expected(image: &Image, config: &ExpectedGradientsConfig, seed: u64) -> ExpectedGradients {
    let execution = Execution { seed, ..Execution::default() };
    expected_gradients(&bends, image, &background(), Target::Class(0), config, &execution)
        .expect("the model has gradients")
}

/// Kinks and a curve.
fn bends(images: Tensor<4>) -> Tensor<2> {
    let [batch, ..] = images.dims();
    let flat: Tensor<2> = images.flatten(1, 3);
    let x = |pixel: usize| flat.clone().slice([0..batch, pixel..pixel + 1]);
    relu(x(0) * 3.0 - x(1)) + (x(1) * x(2) * 2.0).exp() - relu(x(3) - 0.33) * 2.0
}

#[test]
fn the_error_of_pooled_rounds_is_the_spread_over_seeds() {
    let image = row(&[0.7, 0.4, 0.9, 0.8]);
    let finely = IntegratedGradientsConfig { tolerance: 1e-5, map_tolerance: 1e-5, ..Default::default() };
    let execution = Execution::default();
    let exact = integrated_gradients(&bends, &image, &background(), Target::Class(0), &finely, &execution)
        .expect("the model has gradients");
    let config = ExpectedGradientsConfig { strata: 2, tolerance: 0.0, maximum_strata: 8 };
    let (mut squared_errors, mut variances) = ([0.0_f64; 4], [0.0_f64; 4]);
    for seed in 0..200 {
        let found = expected(&image, &config, seed);
        assert_eq!((found.strata, found.gradients, found.reached), (8, 3 * 2 * (2 + 4 + 8), false));
        for pixel in 0..4 {
            let error = f64::from(found.attribution.values[pixel] - exact.attribution.values[pixel]);
            squared_errors[pixel] += error * error;
            variances[pixel] += f64::from(found.standard_error[pixel]).powi(2);
        }
    }
    for pixel in 0..4 {
        let ratio = squared_errors[pixel] / variances[pixel];
        assert!((0.6..1.6).contains(&ratio), "pixel {pixel}: the error is {ratio} of what was said");
    }
}

#[test]
fn rounds_of_more_parts_follow_until_the_error_is_small() {
    let image = row(&[0.7, 0.4, 0.9, 0.8]);
    let mut before = 0;
    for tolerance in [0.2, 0.05, 0.01] {
        let config = ExpectedGradientsConfig { strata: 1, tolerance, maximum_strata: 1 << 12 };
        let found = expected(&image, &config, 2);
        assert!(found.reached && found.relative_standard_error.is_some_and(|error| error <= tolerance), "{found:?}");
        assert!(found.strata >= before && found.gradients == 3 * 2 * (2 * found.strata - 1));
        before = found.strata;
        // ending early is no other draw
        let all = ExpectedGradientsConfig { tolerance: 0.0, maximum_strata: found.strata, ..config };
        assert_eq!(expected(&image, &all, 2).attribution, found.attribution);
    }
    assert!(before > 4, "a small tolerance takes several rounds");
    let short = ExpectedGradientsConfig { strata: 3, tolerance: 1e-6, maximum_strata: 11 };
    let found = expected(&image, &short, 2);
    assert_eq!((found.strata, found.gradients, found.reached), (6, 3 * 2 * (3 + 6), false));
    let fixed = ExpectedGradientsConfig { tolerance: f64::INFINITY, ..short };
    let found = expected(&image, &fixed, 2);
    assert_eq!((found.strata, found.gradients, found.reached), (3, 3 * 2 * 3, true));
}
