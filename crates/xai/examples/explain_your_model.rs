//! Explains a model that this library has never seen, in three ways, and prints the pixels that matter most.
//!
//! ```text
//! cargo run --package tinylsa-xai --example explain_your_model
//! ```
//!
//! The model looks for a bright bar at one of three heights of a 12 × 12 image. It is a small convolutional network
//! whose weights are partly built by hand, so that the right answer is known, and partly random, so that the image is
//! not a clean one.

#![allow(clippy::print_stdout, reason = "an example shows its result on the terminal")]

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{
    Attribution, BaselineConfig, Execution, ExplainError, FillConfig, Image, IntegratedGradientsConfig,
    KernelShapConfig, Masker, Segmentation, SmoothGradConfig, Target, integrated_gradients, kernel_shap, smooth_grad,
};

const SIDE: usize = 12;
const BARS: usize = 3;

/// One filter for horizontal bars and three of noise, pooled within three bands and read by a linear layer.
#[derive(Module, Debug)]
struct BarFinder {
    filters: Conv2d,
    head: Linear,
}

impl BarFinder {
    fn new(device: &Device) -> Self {
        let mut filters = uniform("filters", 4 * 9, 0.1);
        filters[..9].copy_from_slice(&[-0.5, -0.5, -0.5, 1.0, 1.0, 1.0, -0.5, -0.5, -0.5]);
        let mut head = uniform("head", 4 * BARS * BARS, 0.2);
        (0..BARS).for_each(|band| head[band * BARS + band] += 3.0);
        let mut model = Self {
            filters: Conv2dConfig::new([1, 4], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device),
            head: LinearConfig::new(4 * BARS, BARS).with_bias(false).init(device),
        };
        model.filters.weight = Param::from_tensor(Tensor::from_data(TensorData::new(filters, [4, 1, 3, 3]), device));
        model.head.weight = Param::from_tensor(Tensor::from_data(TensorData::new(head, [4 * BARS, BARS]), device));
        model
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let [batch, ..] = images.dims();
        let maps = relu(self.filters.forward(images));
        let bands: Tensor<3> = maps.reshape([batch, 4 * BARS, SIDE * SIDE / BARS]);
        self.head.forward(bands.mean_dim(2).squeeze_dim(2))
    }
}

fn uniform(purpose: &str, count: usize, width: f32) -> Vec<f32> {
    let mut generator = Draw { seed: 1, purpose: Purpose::new(purpose), epoch: 0, index: 0 }.generator();
    (0..count).map(|_| width * (generator.random::<f32>() - 0.5)).collect()
}

/// Noise with a bright bar in row 6, columns 2 to 9, which lies in the middle band.
fn noisy_bar() -> Result<Image, ExplainError> {
    let mut values: Vec<f32> = uniform("noise", SIDE * SIDE, 0.3).iter().map(|value| value + 0.15).collect();
    values[6 * SIDE + 2..6 * SIDE + 10].fill(1.0);
    Image::new(values, [1, SIDE, SIDE])
}

fn show(method: &str, attribution: &Attribution, note: &str) {
    let pixels = attribution.per_pixel();
    let mut order: Vec<usize> = (0..pixels.len()).collect();
    order.sort_by(|&left, &right| pixels[right].total_cmp(&pixels[left]));
    println!("{method}, {}: {note}", attribution.target);
    for &pixel in &order[..5] {
        println!("  row {:2}, column {:2}: {:+.4}", pixel / SIDE, pixel % SIDE, pixels[pixel]);
    }
}

fn main() -> Result<(), ExplainError> {
    let execution = Execution { batch_size: 32, seed: 7, ..Execution::default() };
    let model = BarFinder::new(&execution.device).valid();
    let scorer = |images: Tensor<4>| model.forward(images);
    let image = noisy_bar()?;

    let baselines = BaselineConfig::default().images(&image, &execution)?;
    let config = IntegratedGradientsConfig::default();
    let found = integrated_gradients(&scorer, &image, &baselines, Target::Predicted, &config, &execution)?;
    let note = format!("score {:.3}, completeness error {:+.1e}", found.score, found.delta);
    show("integrated gradients", &found.attribution, &note);

    let found = smooth_grad(&scorer, &image, Target::Predicted, &SmoothGradConfig::default(), &execution)?;
    show(
        "SmoothGrad",
        &found.attribution,
        &format!("standard error {:.1} %", 100.0 * found.relative_standard_error.unwrap_or(f64::NAN)),
    );

    let segmentation = Segmentation::grid(SIDE, SIDE, 4, 4)?;
    let masker = Masker::new(image, segmentation, &FillConfig::default(), &execution)?;
    let found = kernel_shap(&scorer, &masker, Target::Predicted, &KernelShapConfig::default(), &execution)?;
    show("KernelSHAP", &found.attributions[0], "sixteen square segments");
    Ok(())
}
