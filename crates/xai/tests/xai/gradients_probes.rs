//! The share of the pixels whose gradient is decided by rounding.

#![expect(clippy::float_cmp, reason = "a share of pixels is an exact fraction")]

use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use tinylsa_xai::{
    Execution, Image, Scorer, Target, input_gradient, input_times_gradient, probed_input_gradient,
    probed_input_times_gradient,
};

const SIDE: usize = 8;

fn picture(values: &[f32]) -> Image {
    Image::new(values.to_vec(), [1, SIDE, SIDE]).expect("values are finite")
}

fn unstable(scorer: &impl Scorer, image: &Image) -> f64 {
    let execution = Execution::default();
    probed_input_gradient(scorer, image, Target::Class(0), &execution).expect("the model has gradients").unstable
}

/// A different weight for each of the windows of 2 × 2.
fn weighted(pooled: Tensor<4>) -> Tensor<2> {
    let flat: Tensor<2> = pooled.flatten(1, 3);
    let weights: Vec<f32> = (0..SIDE * SIDE / 4).map(|index| 0.5 + index as f32 / 32.0).collect();
    flat.matmul(Tensor::from_data(TensorData::new(weights, [SIDE * SIDE / 4, 1]), &Device::flex()))
}

/// Maximum pooling by the first of the largest.
fn first_of_the_largest(images: Tensor<4>) -> Tensor<2> {
    weighted(max_pool2d(images, MaxPoolOptions::new([2, 2])))
}

/// The mean of each window.
fn means(images: Tensor<4>) -> Tensor<2> {
    let [batch, ..] = images.dims();
    let windows: Tensor<6> = images.reshape([batch, 1, SIDE / 2, 2, SIDE / 2, 2]);
    weighted(windows.mean_dim(5).mean_dim(3).reshape([batch, 1, SIDE / 2, SIDE / 2]))
}

/// The windows whose top left corners these are get one value, all others four different ones.
fn with_flat_windows(is_flat: &[bool]) -> Image {
    let value = |pixel: usize| {
        let (row, column) = (pixel / SIDE, pixel % SIDE);
        let window = row / 2 * (SIDE / 2) + column / 2;
        let place = if is_flat[window] { 0 } else { 1 + row % 2 * 2 + column % 2 };
        (window as f32 + place as f32 / 8.0) / 17.0
    };
    picture(&(0..SIDE * SIDE).map(value).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ties_are_counted_and_nothing_else_is(is_flat in prop::collection::vec(any::<bool>(), SIDE * SIDE / 4)) {
        let image = with_flat_windows(&is_flat);
        let flat = is_flat.iter().filter(|&&is_flat| is_flat).count() as f64 / is_flat.len() as f64;
        let found = unstable(&first_of_the_largest, &image);
        // of the four pixels of a tied window the first one changes, and those that are the largest of a probe
        prop_assert!((0.4 * flat..=0.75 * flat).contains(&found), "{found} of {flat}");
        prop_assert_eq!(unstable(&means, &image), 0.0);
    }

    #[test]
    fn a_smooth_score_is_stable_anywhere(
        values in prop::collection::vec(-1.0_f32..1.0, SIDE * SIDE),
        scale in prop::sample::select(vec![1e-3_f32, 1.0, 255.0]),
    ) {
        let image = picture(&values.iter().map(|value| value * scale).collect::<Vec<_>>());
        let smooth = |images: Tensor<4>| sigmoid(means(images.clone() / scale)) + means((images / scale).powi_scalar(2));
        prop_assert_eq!(unstable(&smooth, &image), 0.0);
    }
}

#[test]
fn a_constant_image_is_tied_everywhere_under_maximum_pooling() {
    for value in [0.0, 0.3, 1.0, -2.0] {
        let flat = Image::filled(value, [1, SIDE, SIDE]).expect("the shape is not empty");
        // two or three pixels of each window change, unless the probe is rounded to equal values
        assert!(unstable(&first_of_the_largest, &flat) > 0.4, "{value}");
        assert_eq!(unstable(&means, &flat), 0.0);
    }
}

#[test]
fn a_kink_counts_only_where_the_image_lies_on_it() {
    let kink = |images: Tensor<4>| {
        let [batch, ..] = images.dims();
        let x = images.flatten::<2>(1, 3).slice([0..batch, 0..1]);
        relu(x.clone() - 0.5) * 3.0 + x
    };
    let at = |value: f32| {
        let mut values = vec![0.25; SIDE * SIDE];
        values[0] = value;
        unstable(&kink, &picture(&values))
    };
    assert_eq!(at(0.5), 1.0 / 64.0);
    assert_eq!([at(0.499), at(0.501), at(0.0)], [0.0; 3]);
}

#[test]
fn the_maps_are_those_of_the_plain_methods() {
    let image = with_flat_windows(&[true; SIDE * SIDE / 4]);
    for batch_size in [1, 2, 64] {
        let execution = Execution { batch_size, ..Execution::default() };
        let target = Target::Class(0);
        let probed = probed_input_gradient(&first_of_the_largest, &image, target, &execution).unwrap();
        assert_eq!(Ok(probed.attribution), input_gradient(&first_of_the_largest, &image, target, &execution));
        let product = probed_input_times_gradient(&first_of_the_largest, &image, target, &execution).unwrap();
        assert_eq!(Ok(product.attribution), input_times_gradient(&first_of_the_largest, &image, target, &execution));
        let other = Execution { seed: 9, ..execution };
        let again = probed_input_gradient(&first_of_the_largest, &image, target, &other).unwrap();
        assert_eq!(again.unstable, probed.unstable, "no seed decides it");
    }
}

#[test]
fn a_product_with_a_black_pixel_is_stable() {
    let mut values = vec![0.0; SIDE * SIDE];
    values[63] = 1.0;
    let image = picture(&values);
    let execution = Execution::default();
    let target = Target::Class(0);
    assert!(unstable(&first_of_the_largest, &image) > 0.4);
    let product = probed_input_times_gradient(&first_of_the_largest, &image, target, &execution).unwrap();
    assert_eq!(product.unstable, 0.0);
}
