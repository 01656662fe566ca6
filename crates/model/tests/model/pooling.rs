//! The tolerance of the pooling covers what rounding makes of equal values in the shipped network, with a margin, and
//! little else.

use std::path::Path;
use std::process::Command;

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::RngExt;
use tinylsa_kernels::{Activation, NormOptions, TIE_TOLERANCE, batch_norm_eval, conv3x3};
use tinylsa_model::{EPSILON, ModelFile, State, TinyCnnLsa, TinyCnnLsaConfig, state_of};
use tinylsa_random::{Draw, Purpose};

/// Values that differ by less in double precision are equal but for its rounding.
const EQUAL: f64 = 1e-11;

/// The convolutional stages of the shipped network, computed in `dtype`: the fused operations in `f32`, their references
/// in `f64`.
struct Stages {
    config: TinyCnnLsaConfig,
    state: State,
    dtype: DType,
}

impl Stages {
    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let tensor = &self.state[name];
        let data = TensorData::new(tensor.values.clone(), tensor.shape.clone());
        Tensor::<D>::from_data(data, &Device::flex()).cast(self.dtype)
    }

    fn normalised(&self, name: &str, x: &Tensor<4>, residual: Option<Tensor<4>>, options: &NormOptions) -> Tensor<4> {
        let convolved = conv3x3(x.clone(), self.tensor(&format!("{name}.weight")), 1);
        let [gamma, beta, mean, variance] =
            ["gamma", "beta", "running_mean", "running_variance"].map(|part| self.tensor(&format!("{name}.{part}")));
        batch_norm_eval(convolved, gamma, beta, mean, variance, residual, options)
    }

    /// What the rectifier and the pooling at the end of the first two stages take, `[batch, height, width, channels]`.
    fn before_pooling(&self, images: &Tensor<4>) -> [Tensor<4>; 2] {
        let (mean, deviation) = (self.config.input_mean[0], self.config.input_deviation[0]);
        let x = images.clone().cast(self.dtype).sub_scalar(mean).div_scalar(deviation).permute([0, 2, 3, 1]);
        let plain = NormOptions { epsilon: EPSILON, activation: Activation::Identity, pool: false };
        let rectified = NormOptions { activation: Activation::Relu, ..plain };
        let stage = |stage: usize, x: Tensor<4>, options: &NormOptions| {
            let entry = self.normalised(&format!("stages.{stage}.entry"), &x, None, &rectified);
            let block = format!("stages.{stage}.residual.0");
            let hidden = self.normalised(&format!("{block}.first"), &entry, None, &rectified);
            self.normalised(&format!("{block}.second"), &hidden, Some(entry), options)
        };
        let second = stage(0, x.clone(), &NormOptions { pool: true, ..rectified });
        [stage(0, x, &plain), stage(1, second, &plain)]
    }
}

/// Flat images of several greys, and noisy, bordered and shaded patches on such grounds at every place of a tile.
fn images(device: &Device) -> Tensor<4> {
    const SIDE: usize = 28;
    let mut pixels = Vec::new();
    for (index, ground) in [0.0, 0.1, 0.286, 0.5, 0.83, 1.0_f32].into_iter().enumerate() {
        pixels.extend([ground; SIDE * SIDE]);
        for at in 4..8 {
            let mut generator =
                Draw { seed: at as u64, purpose: Purpose::new("patches"), epoch: 0, index: index as u64 }.generator();
            let mut image = [ground; SIDE * SIDE];
            for row in 0..13 {
                for column in 0..9 {
                    let value = match row {
                        0..4 => generator.random_range(0.0..1.0),
                        4..9 => 0.7,
                        _ => 0.2 + 0.05 * column as f32,
                    };
                    image[(at + row) * SIDE + 3 + at + column] = value;
                }
            }
            pixels.extend(image);
        }
    }
    let count = pixels.len() / (SIDE * SIDE);
    Tensor::from_data(TensorData::new(pixels, [count, 1, SIDE, SIDE]), device)
}

/// Windows of 2×2 values, from `[batch, height, width, channels]`.
fn windows(x: Tensor<4>) -> Vec<[f64; 4]> {
    let [batch, height, width, channels] = x.dims();
    let windows: Tensor<6> = x.reshape([batch, height / 2, 2, width / 2, 2, channels]);
    let values: Vec<f64> = windows.permute([0, 1, 3, 5, 2, 4]).reshape([-1]).to_data().iter().collect();
    values.as_chunks().0.to_vec()
}

/// How far each value lies below the largest, in the unit of the tolerance.
fn gaps(window: [f64; 4]) -> [f64; 4] {
    let largest = window.into_iter().fold(f64::NEG_INFINITY, f64::max);
    window.map(|value| (largest - value) / largest.abs().max(1.0))
}

/// The largest gap between values that are equal in double precision, and the share of the others that the tolerance
/// takes for equal.
struct Rounding {
    of_equal_values: f64,
    mistaken: f64,
}

fn rounding(single: Tensor<4>, double: Tensor<4>) -> Rounding {
    let (mut of_equal_values, mut mistaken, mut unequal) = (0.0_f64, 0, 0);
    for (single, double) in windows(single).into_iter().zip(windows(double)) {
        let exact = gaps(double);
        // what the rectifier stops has no gradient to share
        if double.iter().all(|&value| value < 0.0) {
            continue;
        }
        let of_largest = single.into_iter().fold(f64::NEG_INFINITY, f64::max);
        for (value, exact) in single.into_iter().zip(exact) {
            let found = (of_largest - value) / of_largest.abs().max(1.0);
            if exact < EQUAL {
                of_equal_values = of_equal_values.max(found);
            } else {
                unequal += 1;
                mistaken += usize::from(found < f64::from(TIE_TOLERANCE));
            }
        }
    }
    Rounding { of_equal_values, mistaken: f64::from(mistaken as u32) / f64::from(unequal) }
}

#[test]
fn rounding_keeps_equal_values_within_a_fifth_of_the_tolerance() {
    let device = Device::flex();
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/tinycnn-lsa.safetensors");
    let model = TinyCnnLsa::load(&weights, &device).unwrap().model;
    let [single, double] = [DType::F32, DType::F64].map(|dtype| {
        Stages { config: model.config().clone(), state: state_of(&model), dtype }.before_pooling(&images(&device))
    });
    for (stage, (single, double)) in single.into_iter().zip(double).enumerate() {
        let Rounding { of_equal_values, mistaken } = rounding(single, double);
        assert!(of_equal_values > 0.0, "stage {stage}: nothing is equal");
        assert!(of_equal_values < 0.2 * f64::from(TIE_TOLERANCE), "stage {stage}: {of_equal_values:.1e}");
        assert!(mistaken < 1e-3, "stage {stage}: {mistaken}");
    }
}

#[test]
fn and_so_it_does_in_every_instruction_set() {
    if std::env::var_os("TINYLSA_SIMD").is_some() {
        return;
    }
    let this = std::env::current_exe().unwrap();
    // a name that the machine does not have stands for its widest
    for name in ["portable", "avx2", "avx512"] {
        let output = Command::new(&this).arg("pooling::").env("TINYLSA_SIMD", name).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains(" 0 passed"), "{name}: {said}");
    }
}
