//! Models of stock burn modules that behave otherwise in training: explained correctly in evaluation mode, refused else.

use burn::module::{Module, Param, RunningState};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{
    Execution, ExpectedGradientsConfig, ExplainError, Image, IntegratedGradientsConfig, SmoothGradConfig, Target,
    check_differentiable_scorer, check_scorer, expected_gradients, input_gradient, input_times_gradient,
    integrated_gradients, smooth_grad,
};

const SHAPE: [usize; 3] = [3, 8, 6];

#[derive(Module, Debug)]
struct Network {
    convolution: Conv2d,
    norm: Option<BatchNorm>,
    dropout: Option<Dropout>,
    head: Linear,
}

fn uniform(purpose: &str, count: usize) -> Vec<f32> {
    let mut generator = Draw { seed: 5, purpose: Purpose::new(purpose), epoch: 0, index: 0 }.generator();
    (0..count).map(|_| generator.random::<f32>() - 0.5).collect()
}

impl Network {
    /// With a batch normalisation that has seen data, with dropout, or with both.
    fn new(with_norm: bool, with_dropout: bool, device: &Device) -> Self {
        let vector = |purpose: &str| Tensor::<1>::from_data(TensorData::new(uniform(purpose, 4), [4]), device);
        let norm = with_norm.then(|| {
            let mut norm = BatchNormConfig::new(4).init(device);
            norm.running_mean = RunningState::new(vector("mean"));
            norm.running_var = RunningState::new(vector("variance") + 1.0);
            norm
        });
        let mut network = Self {
            convolution: Conv2dConfig::new([3, 4], [3, 3]).with_bias(false).init(device),
            norm,
            dropout: with_dropout.then(|| DropoutConfig::new(0.5).init()),
            head: LinearConfig::new(4 * 6 * 4, 2).with_bias(false).init(device),
        };
        let filters = TensorData::new(uniform("filters", 4 * 27), [4, 3, 3, 3]);
        network.convolution.weight = Param::from_tensor(Tensor::from_data(filters, device));
        let head = TensorData::new(uniform("head", 2 * 96), [96, 2]);
        network.head.weight = Param::from_tensor(Tensor::from_data(head, device));
        network
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut maps = self.convolution.forward(images);
        if let Some(norm) = &self.norm {
            maps = norm.forward(maps);
        }
        maps = tanh(maps);
        if let Some(dropout) = &self.dropout {
            maps = dropout.forward(maps);
        }
        self.head.forward(maps.flatten(1, 3))
    }

    fn running_mean(&self) -> Vec<f32> {
        self.norm.as_ref().map_or(Vec::new(), |norm| {
            norm.running_mean.value_sync().into_data().try_to_vec::<f32>().expect("a mean in f32")
        })
    }
}

fn image() -> Image {
    Image::new(uniform("image", 144).into_iter().map(|value| value + 0.5).collect(), SHAPE).unwrap()
}

/// The gradient of the first class by finite differences of plain scores.
fn gradient_by_differences(network: &Network, image: &Image, device: &Device) -> Vec<f64> {
    const STEP: f32 = 1e-2;
    let score = |position: usize, step: f32| {
        let mut values = image.values().to_vec();
        values[position] += step;
        let images = Tensor::from_data(TensorData::new(values, [1, 3, 8, 6]), device);
        f64::from(network.forward(images).into_data().try_to_vec::<f32>().expect("scores in f32")[0])
    };
    (0..144).map(|position| (score(position, STEP) - score(position, -STEP)) / f64::from(2.0 * STEP)).collect()
}

/// What every gradient method says of a network, of which each gets its own.
fn every_method(network: impl Fn() -> Network, execution: &Execution) -> Vec<(&'static str, Result<(), ExplainError>)> {
    let scorer = || {
        let network = network();
        move |images: Tensor<4>| network.forward(images)
    };
    let (image, target) = (image(), Target::Class(0));
    let black = [Image::filled(0.0, SHAPE).unwrap()];
    let integrated = IntegratedGradientsConfig::default();
    vec![
        ("gradient", input_gradient(&scorer(), &image, target, execution).map(drop)),
        ("input times gradient", input_times_gradient(&scorer(), &image, target, execution).map(drop)),
        ("smooth grad", smooth_grad(&scorer(), &image, target, &SmoothGradConfig::default(), execution).map(drop)),
        (
            "integrated gradients",
            integrated_gradients(&scorer(), &image, &black, target, &integrated, execution).map(drop),
        ),
        (
            "expected gradients",
            expected_gradients(&scorer(), &image, &black, target, &ExpectedGradientsConfig::default(), execution)
                .map(drop),
        ),
    ]
}

#[test]
fn a_network_that_is_not_in_evaluation_mode_is_refused_by_every_gradient_method() {
    let execution = Execution { device: Device::flex(), ..Execution::default() };
    for (with_norm, with_dropout) in [(true, false), (false, true), (true, true)] {
        // the weights lie on the plain device, as those of a file do, but nobody called `valid`
        let network = || Network::new(with_norm, with_dropout, &execution.device);
        check_scorer(&|images| network().forward(images), &image(), &execution).expect("plain images pass");
        for (method, found) in every_method(network, &execution) {
            let error = found.expect_err(method);
            assert!(matches!(error, ExplainError::TrainingBehaviour { .. }), "{method}: {error}");
            assert!(error.to_string().contains("model.valid()"), "{error}");
        }
    }
}

#[test]
fn a_network_with_batch_normalisation_and_dropout_is_explained_in_evaluation_mode() {
    let execution = Execution { device: Device::flex(), ..Execution::default() };
    let image = image();
    for network in [
        Network::new(true, true, &execution.device).valid(),
        Network::new(true, true, &execution.device).freeze(),
        // as it comes from training
        Network::new(true, true, &execution.device.clone().autodiff()).valid(),
    ] {
        let before = network.running_mean();
        let scorer = |images: Tensor<4>| network.forward(images);
        let plain = check_scorer(&scorer, &image, &execution).unwrap();
        assert_eq!(check_differentiable_scorer(&scorer, &image, &execution).unwrap(), plain);
        for (method, found) in every_method(|| network.clone(), &execution) {
            assert_eq!(found, Ok(()), "{method}");
        }
        // without noise SmoothGrad is the gradient, which differences of plain scores give without any tracking
        let config = SmoothGradConfig { samples: 4, noise: 0.0, ..Default::default() };
        let found = smooth_grad(&scorer, &image, Target::Class(0), &config, &execution).unwrap();
        let expected = gradient_by_differences(&network, &image, &execution.device);
        for (found, expected) in found.attribution.values.iter().zip(&expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-3, "{found} is not {expected}");
        }
        assert_eq!(network.running_mean(), before, "an explanation changes no statistics");
    }
}
