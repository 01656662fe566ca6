//! Grad-CAM against its closed form for a linear head, and against finite differences for any other.

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData, activation, module};
use tinylsa_xai::{Execution, ExplainError, GradCam, GradCamConfig, Image, SplitScorer, Target, grad_cam};

const SHAPE: [usize; 3] = [3, 8, 6];
const MAPS: usize = 4;
/// Of a 3 × 3 convolution without padding in steps of 2.
const SIZE: [usize; 2] = [3, 2];
const POSITIONS: usize = 6;
const CLASSES: usize = 3;

fn numbers(count: usize, salt: u64) -> Vec<f32> {
    (0..count as u64)
        .map(|i| ((((i + 1) * (salt * 2 + 77_003) * 2_654_435_761) >> 17) % 64) as f32 / 64.0 - 0.5)
        .collect()
}

fn image() -> Image {
    Image::new(numbers(144, 3), SHAPE).unwrap()
}

fn execution() -> Execution {
    Execution { device: Device::flex(), ..Execution::default() }
}

fn features(images: Tensor<4>) -> Tensor<4> {
    let filters = TensorData::new(numbers(MAPS * 27, 1), [MAPS, 3, 3, 3]);
    let filters = Tensor::<4>::from_data(filters, &images.device());
    activation::relu(module::conv2d(images, filters, None, ConvOptions::new([2, 2], [0, 0], [1, 1], 1)))
}

fn head_weights() -> Vec<f32> {
    numbers(MAPS * CLASSES, 2)
}

/// The mean of every map, read by a linear layer: the network of CAM (Zhou et al. 2016).
fn linear_head(maps: Tensor<4>) -> Tensor<2> {
    let weights = Tensor::<2>::from_data(TensorData::new(head_weights(), [MAPS, CLASSES]), &maps.device());
    maps.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2).matmul(weights)
}

fn curved_head(maps: Tensor<4>) -> Tensor<2> {
    activation::tanh(linear_head(maps.clone() * maps) * 2.0)
}

fn activations() -> Vec<f64> {
    let images = Tensor::from_data(TensorData::new(image().values().to_vec(), [1, 3, 8, 6]), &Device::flex());
    features(images).into_data().try_to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

fn explained(head: fn(Tensor<4>) -> Tensor<2>, target: Target, rectify: bool) -> Result<GradCam, ExplainError> {
    let scorer = move |images: Tensor<4>| head(features(images));
    let model = SplitScorer { scorer: &scorer, features, head };
    grad_cam(&model, &image(), target, &GradCamConfig { rectify }, &execution())
}

#[test]
fn with_a_linear_head_it_is_class_activation_mapping() {
    let (activations, weights) = (activations(), head_weights());
    for class in 0..CLASSES {
        let found = explained(linear_head, Target::Class(class), false).unwrap();
        assert_eq!((found.size, found.map.len(), found.weights.len()), (SIZE, POSITIONS, MAPS));
        let mut score = 0.0;
        for position in 0..POSITIONS {
            let term = |map: usize| f64::from(weights[map * CLASSES + class]) * activations[map * POSITIONS + position];
            let expected = (0..MAPS).map(term).sum::<f64>() / POSITIONS as f64;
            assert!((f64::from(found.map[position]) - expected).abs() < 1e-6);
            score += expected;
        }
        // without the rectifier the map of such a network sums to its score
        let sum: f64 = found.map.iter().copied().map(f64::from).sum();
        assert!((sum - score).abs() < 1e-6);
        let rectified = explained(linear_head, Target::Class(class), true).unwrap();
        for (plain, rectified) in found.map.iter().zip(&rectified.map) {
            assert!((plain.max(0.0) - rectified).abs() < 1e-7);
        }
    }
}

#[test]
fn the_weights_are_the_mean_gradient_of_any_head() {
    const STEP: f64 = 1e-2;
    let activations = activations();
    let score = |changed: &[f64]| {
        let maps: Vec<f32> = changed.iter().map(|&value| value as f32).collect();
        let maps = Tensor::from_data(TensorData::new(maps, [1, MAPS, SIZE[0], SIZE[1]]), &Device::flex());
        f64::from(curved_head(maps).into_data().try_to_vec::<f32>().unwrap()[1])
    };
    let found = explained(curved_head, Target::Class(1), true).unwrap();
    for map in 0..MAPS {
        let mut mean = 0.0;
        for position in 0..POSITIONS {
            let shifted = |step: f64| {
                let mut changed = activations.clone();
                changed[map * POSITIONS + position] += step;
                score(&changed)
            };
            mean += (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP) / POSITIONS as f64;
        }
        assert!((found.weights[map] - mean).abs() < 1e-4, "{} is not {mean}", found.weights[map]);
    }
    // the attribution is the map, upsampled and shared by the channels
    let pixels = found.attribution.per_pixel();
    assert_eq!((pixels.len(), found.attribution.values.len()), (48, 144));
    assert!((pixels[0] - found.map[0]).abs() < 1e-6 && (pixels[47] - found.map[5]).abs() < 1e-6);
    let largest = found.map.iter().copied().fold(0.0, f32::max);
    assert!(pixels.iter().all(|&pixel| (-1e-6..=largest + 1e-6).contains(&pixel)));
}

#[test]
fn a_contrast_is_the_difference_of_two_maps_before_the_rectifier() {
    let map = |target: Target| explained(curved_head, target, false).unwrap().map;
    let (class, other) = (map(Target::Class(2)), map(Target::Class(0)));
    let contrast = map(Target::Against { class: 2, other: 0 });
    for ((class, other), contrast) in class.iter().zip(&other).zip(&contrast) {
        assert!((class - other - contrast).abs() < 1e-5);
    }
}

#[test]
fn parts_that_are_not_the_model_are_refused() {
    let scorer = |images: Tensor<4>| linear_head(features(images)) + 0.1;
    let model = SplitScorer { scorer: &scorer, features, head: linear_head };
    let found = grad_cam(&model, &image(), Target::Predicted, &GradCamConfig::default(), &execution());
    assert!(matches!(found, Err(ExplainError::SplitScores { class: 0, .. })), "{found:?}");
    // a head that does not use the maps has nothing to differentiate
    let constant = |maps: Tensor<4>| Tensor::<2>::ones([maps.dims()[0], CLASSES], &maps.device().inner());
    let scorer = |images: Tensor<4>| Tensor::<2>::ones([images.dims()[0], CLASSES], &images.device());
    let model = SplitScorer { scorer: &scorer, features, head: constant };
    let found = grad_cam(&model, &image(), Target::Predicted, &GradCamConfig::default(), &execution());
    assert_eq!(found.unwrap_err(), ExplainError::NoGradient);
    let class = explained(linear_head, Target::Class(3), true);
    assert_eq!(class.unwrap_err(), ExplainError::OutOfRange { what: "class", index: 3, count: 3 });
}
