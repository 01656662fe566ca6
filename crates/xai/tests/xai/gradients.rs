//! The gradient methods on a burn module: gradients, bits, bounded memory, cancellation and errors.

use std::cell::{Cell, RefCell};

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{
    BaselineConfig, BaselineKind, Cancellation, Execution, ExpectedGradientsConfig, ExplainError, Image,
    IntegratedGradientsConfig, PathRule, SmoothGradConfig, Target, expected_gradients, input_gradient,
    integrated_gradients, smooth_grad,
};

/// Convolution, batch normalisation, pooling to a grid of 7 × 7 and a head over the grid's mean.
#[derive(Module, Debug)]
struct Network {
    convolution: Conv2d,
    normalisation: BatchNorm,
    hidden: Linear,
    head: Linear,
}

impl Network {
    /// The network with weights of our own generator, so that every test sees the same one.
    fn new(device: &Device) -> Self {
        let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let convolution = Conv2dConfig::new([1, 16], [3, 3]).with_stride([2, 2]).with_padding(padding).with_bias(false);
        let mut normalisation = BatchNormConfig::new(16).init(device);
        normalisation.beta = drawn(&normalisation.beta, 1, 1.0);
        let mut network = Self {
            convolution: convolution.init(device),
            normalisation,
            hidden: LinearConfig::new(16, 32).with_bias(false).init(device),
            head: LinearConfig::new(32, 10).with_bias(false).init(device),
        };
        network.convolution.weight = drawn(&network.convolution.weight, 2, 1.5);
        network.hidden.weight = drawn(&network.hidden.weight, 3, 2.0);
        network.head.weight = drawn(&network.head.weight, 4, 2.0);
        network
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let features = silu(self.normalisation.forward(self.convolution.forward(images)));
        let [batch, channels, height, width] = features.dims();
        let tokens = features.reshape([batch, channels, height * width]).swap_dims(1, 2);
        let tokens = silu(self.hidden.forward(tokens));
        self.head.forward(tokens.mean_dim(1).squeeze_dim(1))
    }
}

/// A parameter of the same shape with uniform values of the width `scale` around 0.
fn drawn<const D: usize>(old: &Param<Tensor<D>>, index: u64, scale: f32) -> Param<Tensor<D>> {
    let shape = old.dims();
    let mut generator = Draw { seed: 5, purpose: Purpose::new("weights"), epoch: 0, index }.generator();
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| scale * (generator.random::<f32>() - 0.5)).collect();
    old.clone().map(|old| Tensor::from_data(TensorData::new(values, shape), &old.device()))
}

fn image(index: u64) -> Image {
    let mut generator = Draw { seed: 2, purpose: Purpose::new("image"), epoch: 0, index }.generator();
    let values = (0..28 * 28).map(|_| generator.random::<f32>()).collect();
    Image::new(values, [1, 28, 28]).expect("values are finite")
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let network = Network::new(&Device::flex()).valid();
    let model = |images: Tensor<4>| network.forward(images);
    let image = image(0);
    let found = input_gradient(&model, &image, Target::Class(3), &Execution::default()).expect("gradients");
    let score = |values: Vec<f32>| -> f64 {
        let images = Tensor::from_data(TensorData::new(values, [1, 1, 28, 28]), &Device::flex());
        f64::from(network.forward(images).into_data().try_to_vec::<f32>().expect("f32")[3])
    };
    // along random directions, since a step that is large enough for f32 in one pixel crosses kinks of others
    for index in 0..5 {
        let mut generator = Draw { seed: 4, purpose: Purpose::new("direction"), epoch: 0, index }.generator();
        let direction: Vec<f32> = (0..28 * 28).map(|_| generator.random::<f32>() - 0.5).collect();
        let moved = |step: f32| -> Vec<f32> {
            image.values().iter().zip(&direction).map(|(value, slope)| value + step * slope).collect()
        };
        let slope = (score(moved(1e-3)) - score(moved(-1e-3))) / 2e-3;
        let expected: f64 =
            found.values.iter().zip(&direction).map(|(gradient, slope)| f64::from(gradient * slope)).sum();
        assert!((slope - expected).abs() < 0.02 * expected.abs().max(0.1), "{slope} and {expected}");
    }
}

#[test]
fn weights_on_a_plain_or_an_autodiff_device_give_the_same_gradient() {
    let image = image(1);
    let explain = |network: Network| {
        let model = |images: Tensor<4>| network.forward(images);
        input_gradient(&model, &image, Target::Predicted, &Execution::default()).expect("gradients")
    };
    let plain = explain(Network::new(&Device::flex()).valid());
    let trained = explain(Network::new(&Device::flex().autodiff()).valid());
    let frozen = explain(Network::new(&Device::flex().autodiff()).freeze());
    assert_eq!(plain, trained);
    assert_eq!(plain, frozen);
    assert!(plain.largest_magnitude() > 1e-3);
}

#[test]
fn the_batch_size_and_the_number_of_threads_change_no_bit() {
    let network = Network::new(&Device::flex()).valid();
    let model = |images: Tensor<4>| network.forward(images);
    let image = image(2);
    let background: Vec<Image> = (3..6).map(self::image).collect();
    let explain = |batch_size: usize| {
        let execution = Execution { batch_size, seed: 11, ..Execution::default() };
        let integrated = IntegratedGradientsConfig { steps: 65, ..Default::default() };
        let integrated = integrated_gradients(&model, &image, &background, Target::Predicted, &integrated, &execution)
            .expect("gradients");
        let smooth = SmoothGradConfig { samples: 130, tolerance: 0.0, ..SmoothGradConfig::default() };
        let smooth = smooth_grad(&model, &image, Target::Predicted, &smooth, &execution).expect("gradients");
        let expected = ExpectedGradientsConfig { strata: 11, tolerance: 0.0, maximum_strata: 22 };
        let expected = expected_gradients(&model, &image, &background, Target::Predicted, &expected, &execution)
            .expect("gradients");
        [integrated.attribution, smooth.attribution, expected.attribution].map(|found| bits(&found.values))
    };
    let reference = explain(64);
    for batch_size in [1, 7, 200] {
        assert!(explain(batch_size) == reference, "batches of {batch_size} differ from batches of 64");
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread starts");
    // a scorer need not be shared between threads: the network is made where it is used
    let alone = pool.install(|| {
        let network = Network::new(&Device::flex()).valid();
        let execution = Execution { seed: 11, ..Execution::default() };
        let config = SmoothGradConfig { samples: 130, tolerance: 0.0, ..SmoothGradConfig::default() };
        let model = |images: Tensor<4>| network.forward(images);
        smooth_grad(&model, &image, Target::Predicted, &config, &execution).expect("gradients")
    });
    assert!(bits(&alone.attribution.values) == reference[1], "one thread differs from two");
}

#[test]
fn the_batch_size_changes_no_bit_of_a_wide_linear_layer() {
    // a matrix product of a single row of 784 values has other bits than that of two, unless the row gets company
    let wide = drawn(&LinearConfig::new(28 * 28, 10).with_bias(false).init(&Device::flex()).weight, 9, 0.2).val();
    let model = |images: Tensor<4>| silu(images.flatten::<2>(1, 3).matmul(wide.clone()));
    let explain = |batch_size: usize| {
        let execution = Execution { batch_size, ..Execution::default() };
        let config = SmoothGradConfig { samples: 10, ..SmoothGradConfig::default() };
        let found = smooth_grad(&model, &image(0), Target::Class(1), &config, &execution).expect("gradients");
        bits(&found.attribution.values)
    };
    let reference = explain(64);
    for batch_size in [1, 2, 4, 7] {
        assert!(explain(batch_size) == reference, "batches of {batch_size} differ from batches of 64");
    }
}

#[test]
fn seeds_name_the_draws() {
    let network = Network::new(&Device::flex()).valid();
    let model = |images: Tensor<4>| network.forward(images);
    let image = image(2);
    let config = SmoothGradConfig { samples: 4, ..SmoothGradConfig::default() };
    let explain = |seed: u64| {
        let execution = Execution { seed, ..Execution::default() };
        smooth_grad(&model, &image, Target::Predicted, &config, &execution).expect("gradients").attribution
    };
    assert_eq!(explain(1), explain(1));
    assert_ne!(explain(1), explain(2));
}

#[test]
fn refinement_ends_at_the_tolerance_or_says_that_it_did_not() {
    let network = Network::new(&Device::flex()).valid();
    let model = |images: Tensor<4>| network.forward(images);
    let execution = Execution::default();
    let black = [Image::filled(0.0, [1, 28, 28]).expect("the shape is not empty")];
    for index in 0..3 {
        let config = IntegratedGradientsConfig::default();
        let found = integrated_gradients(&model, &image(index), &black, Target::Predicted, &config, &execution)
            .expect("gradients");
        let difference = found.score - found.paths[0].baseline_score;
        assert!(found.converged && found.delta.abs() <= 0.005 * difference.abs(), "{found:?}");
        let sum = found.attribution.sum();
        assert!((sum - difference - found.delta).abs() < 1e-5, "the error belongs to the attribution");
    }
    let short = IntegratedGradientsConfig {
        rule: PathRule::Right,
        steps: 1,
        tolerance: 1e-12,
        maximum_steps: 6,
        ..Default::default()
    };
    let found =
        integrated_gradients(&model, &image(0), &black, Target::Predicted, &short, &execution).expect("gradients");
    assert!(!found.converged);
    assert_eq!(found.paths[0].steps, 6);
    assert_eq!(found.gradients, 1 + 2 + 4 + 6, "doubled, and the last round at the budget");
}

#[test]
fn no_call_of_the_scorer_sees_more_images_than_the_batch_size() {
    let network = Network::new(&Device::flex()).valid();
    let largest = Cell::new(0);
    let rows = Cell::new(0);
    let model = |images: Tensor<4>| {
        let [batch, ..] = images.dims();
        largest.set(largest.get().max(batch));
        rows.set(rows.get() + batch);
        network.forward(images)
    };
    let execution = Execution { batch_size: 5, ..Execution::default() };
    let config = SmoothGradConfig { samples: 24, ..SmoothGradConfig::default() };
    smooth_grad(&model, &image(0), Target::Predicted, &config, &execution).expect("gradients");
    let background: Vec<Image> = (1..8).map(image).collect();
    let config = ExpectedGradientsConfig { strata: 2, maximum_strata: 2, ..Default::default() };
    expected_gradients(&model, &image(0), &background, Target::Predicted, &config, &execution).expect("gradients");
    let config = IntegratedGradientsConfig { steps: 12, maximum_steps: 12, ..Default::default() };
    integrated_gradients(&model, &image(0), &background, Target::Predicted, &config, &execution).expect("gradients");
    assert_eq!(largest.get(), 5);
    // each method first scores the image in two pairs, the second of them tracked, and its backgrounds
    assert_eq!(rows.get(), (4 + 24) + (4 + 7 + 7 * 4) + (4 + 7 + 7 * 12));
}

#[test]
fn a_cancelled_call_stops_at_the_next_batch() {
    let network = Network::new(&Device::flex()).valid();
    let cancellation = Cancellation::default();
    let calls = Cell::new(0);
    let model = |images: Tensor<4>| {
        calls.set(calls.get() + 1);
        if calls.get() == 3 {
            cancellation.cancel();
        }
        network.forward(images)
    };
    let execution = Execution { batch_size: 4, cancellation: cancellation.clone(), ..Execution::default() };
    let config = SmoothGradConfig { samples: 100, ..SmoothGradConfig::default() };
    let found = smooth_grad(&model, &image(0), Target::Predicted, &config, &execution);
    // two calls that check the scorer, and the first batch of the first round
    assert_eq!(found, Err(ExplainError::Cancelled { what: "gradients", done: 4, total: 64 }));
    assert_eq!(calls.get(), 3);
}

/// What every gradient method says of one scorer.
fn errors(model: &impl tinylsa_xai::Scorer, target: Target, execution: &Execution) -> Vec<ExplainError> {
    let image = image(0);
    let background = [self::image(1)];
    let config = IntegratedGradientsConfig::default();
    vec![
        input_gradient(model, &image, target, execution).expect_err("bad input"),
        smooth_grad(model, &image, target, &SmoothGradConfig::default(), execution).expect_err("bad input"),
        integrated_gradients(model, &image, &background, target, &config, execution).expect_err("bad input"),
        expected_gradients(model, &image, &background, target, &ExpectedGradientsConfig::default(), execution)
            .expect_err("bad input"),
    ]
}

#[test]
fn scorers_that_cannot_be_explained_are_named() {
    let network = Network::new(&Device::flex()).valid();
    let execution = Execution::default();
    let model = |images: Tensor<4>| network.forward(images);
    for error in errors(&model, Target::Class(10), &execution) {
        assert_eq!(error, ExplainError::OutOfRange { what: "class", index: 10, count: 10 });
    }
    let plain = |images: Tensor<4>| network.forward(images.inner());
    let detached = |images: Tensor<4>| network.forward(images.detach());
    let constant = |images: Tensor<4>| Tensor::<2>::ones([images.dims()[0], 3], &Device::flex());
    let constant_on_autodiff = |images: Tensor<4>| Tensor::<2>::ones([images.dims()[0], 3], &images.device());
    let without: [Vec<ExplainError>; 4] = [
        errors(&plain, Target::Predicted, &execution),
        errors(&detached, Target::Predicted, &execution),
        errors(&constant, Target::Predicted, &execution),
        errors(&constant_on_autodiff, Target::Predicted, &execution),
    ];
    for error in without.concat() {
        assert_eq!(error, ExplainError::NoGradient);
    }

    let nan = |images: Tensor<4>| network.forward(images) * f32::NAN;
    for error in errors(&nan, Target::Predicted, &execution) {
        assert!(matches!(error, ExplainError::Score { class: 0, .. }), "{error}");
    }
    // the root of 0 is 0, but its slope is not a number that a map could hold
    let steep =
        |images: Tensor<4>| network.forward(images.clone()) + (images.flatten::<2>(1, 3) * 0.0).sqrt().sum_dim(1);
    for error in errors(&steep, Target::Predicted, &execution) {
        assert!(matches!(error, ExplainError::NotFinite { what: "the gradient", .. }), "{error}");
    }
    let one_row = |images: Tensor<4>| network.forward(images.narrow(0, 0, 1));
    let background = [image(1)];
    let config = IntegratedGradientsConfig::default();
    let rows = integrated_gradients(&one_row, &image(0), &background, Target::Predicted, &config, &execution);
    assert!(matches!(rows, Err(ExplainError::Shape { what: "the scores", .. })), "{rows:?}");
    let none = Execution { batch_size: 0, ..Execution::default() };
    for error in errors(&model, Target::Predicted, &none) {
        assert_eq!(error.to_string(), "invalid setting: batch_size is 0, expected at least 1");
    }
}

#[test]
fn images_and_baselines_that_do_not_fit_are_named() {
    let nan = Image::new(vec![0.0, f32::NAN], [1, 1, 2]);
    assert!(matches!(nan, Err(ExplainError::NotFinite { what: "image", position: 1, .. })));
    let few = Image::new(vec![0.0; 3], [1, 2, 2]);
    assert_eq!(few, Err(ExplainError::ValueCount { what: "image", found: 3, expected: 4 }));
    assert_eq!(Image::new(vec![], [0, 2, 2]), Err(ExplainError::Empty { what: "image" }));

    let seen = RefCell::new(0);
    let model = |images: Tensor<4>| {
        *seen.borrow_mut() += 1;
        images.flatten(1, 3)
    };
    let small = Image::filled(0.0, [1, 2, 2]).expect("the shape is not empty");
    let config = IntegratedGradientsConfig::default();
    let execution = Execution::default();
    let baseline = integrated_gradients(&model, &image(0), &[small], Target::Predicted, &config, &execution);
    assert!(matches!(baseline, Err(ExplainError::Shape { what: "a baseline", .. })));
    let none = integrated_gradients(&model, &image(0), &[], Target::Predicted, &config, &execution);
    assert_eq!(none, Err(ExplainError::Empty { what: "list of baselines" }));
    assert_eq!(*seen.borrow(), 0, "what is wrong is said before the model runs");

    let round_trip = Image::from_tensor(Tensor::from_data(
        TensorData::new(image(0).values().to_vec(), [1, 28, 28]),
        &Device::flex(),
    ));
    assert_eq!(round_trip, Ok(image(0)));
}

#[test]
fn settings_out_of_range_are_named() {
    let steps = IntegratedGradientsConfig { steps: 0, ..Default::default() };
    assert_eq!(steps.validate().expect_err("0 steps").to_string(), "steps is 0, expected 2 to 1048576");
    let trapezoid = IntegratedGradientsConfig { rule: PathRule::Trapezoid, steps: 1, ..Default::default() };
    assert_eq!(trapezoid.validate().expect_err("1 step").key, "steps");
    let tolerance = IntegratedGradientsConfig { tolerance: f64::NAN, ..Default::default() };
    assert_eq!(tolerance.validate().expect_err("NaN").key, "tolerance");
    let budget = IntegratedGradientsConfig { maximum_steps: 10, ..Default::default() };
    assert_eq!(budget.validate().expect_err("below the first round").key, "maximum_steps");
    assert_eq!(SmoothGradConfig { samples: 0, ..Default::default() }.validate().expect_err("0 samples").key, "samples");
    let odd = SmoothGradConfig { samples: 65, ..Default::default() };
    assert_eq!(
        odd.validate().expect_err("a pair is not whole").to_string(),
        "samples is 65, expected an even number, since two noisy images share one draw of noise"
    );
    let tolerance = SmoothGradConfig { tolerance: -0.1, ..Default::default() };
    assert_eq!(tolerance.validate().expect_err("below 0").key, "tolerance");
    assert_eq!(SmoothGradConfig { noise: -1.0, ..Default::default() }.validate().expect_err("below 0").key, "noise");
    let expected = ExpectedGradientsConfig::default();
    assert_eq!(ExpectedGradientsConfig { strata: 0, ..expected }.validate().expect_err("0 strata").key, "strata");
    let budget = ExpectedGradientsConfig { maximum_strata: 9, ..expected };
    assert_eq!(budget.validate().expect_err("below the first round").key, "maximum_strata");
    assert_eq!(
        BaselineConfig { kinds: vec![], ..Default::default() }.validate().expect_err("no baseline").key,
        "kinds"
    );
}

#[test]
fn baselines_are_what_their_names_say() {
    let image = image(0);
    let config = BaselineConfig {
        kinds: vec![
            BaselineKind::Black,
            BaselineKind::White,
            BaselineKind::Mean,
            BaselineKind::Blur,
            BaselineKind::Noise,
        ],
        black: vec![-1.0],
        mean: Some(vec![0.286]),
        deviation: Some(vec![0.353]),
        noise_draws: 3,
        ..BaselineConfig::default()
    };
    let baselines =
        config.images(&image, &Execution { seed: 7, ..Execution::default() }).expect("settings are in range");
    assert_eq!(baselines.len(), 7);
    let constant = |value: f32| Image::filled(value, [1, 28, 28]).expect("the shape is not empty");
    assert_eq!(baselines[..3], [constant(-1.0), constant(1.0), constant(0.286)]);
    let spread = |image: &Image| {
        let mean = image.values().iter().sum::<f32>() / 784.0;
        image.values().iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 784.0
    };
    assert!(spread(&baselines[3]) < 0.05 * spread(&image), "a blur of four pixels leaves little of noise");
    baselines[4..].iter().for_each(|noise| assert!((spread(noise).sqrt() - 0.353).abs() < 0.05));
    assert_ne!(baselines[4], baselines[5]);
    assert_eq!(
        baselines,
        config.images(&image, &Execution { seed: 7, ..Execution::default() }).expect("settings are in range")
    );
    assert_ne!(
        baselines[4],
        config.images(&image, &Execution { seed: 8, ..Execution::default() }).expect("settings are in range")[4]
    );
    let per_channel = BaselineConfig { black: vec![0.0, 1.0], ..BaselineConfig::default() };
    assert!(
        matches!(per_channel.images(&image, &Execution { seed: 0, ..Execution::default() }), Err(ExplainError::Setting(error)) if error.key == "black")
    );
}
