//! Every instruction set of the machine against the portable path, in processes of their own: the instruction set is
//! chosen once for a process, by the environment variable `TINYLSA_SIMD`.

mod common;

use burn::tensor::Tensor;
use common::{random, values};
use std::process::Command;
use tinylsa_kernels::{
    Activation, AdamW, AdamWState, FeatureMap, LinearAttentionOptions, NormOptions, adamw, batch_norm_train, conv3x3,
    cross_entropy, layer_norm, linear, linear_attention, mean_tokens,
};

/// A training step of a small network through every operation: the loss, the gradients and an updated weight.
fn training_step() -> Vec<f32> {
    let track = |seed, dims| random::<4>(seed, dims).require_grad();
    let vector = |seed, length| random::<1>(seed, [length]).require_grad();
    let matrix = |seed, dims| random::<2>(seed, dims).require_grad();
    let (first, second, third) = (track(1, [20, 1, 3, 3]), track(2, [33, 20, 3, 3]), track(3, [36, 33, 3, 3]));
    let (qkv, head) = (matrix(4, [36, 108]), matrix(5, [36, 5]));
    let norm = |x: Tensor<4>, seed, residual, pool| {
        let channels = x.dims()[3];
        let options = NormOptions { activation: Activation::Relu, pool, ..NormOptions::default() };
        batch_norm_train(x, vector(seed, channels), vector(seed + 1, channels), residual, &options).output
    };
    let x = norm(conv3x3(random(6, [3, 14, 13, 1]), first.clone(), 1), 7, None, true);
    let x = norm(conv3x3(x, second.clone(), 2), 9, None, false);
    let y = conv3x3(x, third.clone(), 1);
    let x = norm(y.clone(), 11, Some(y.mul_scalar(0.5)), false);
    let [batch, height, width, channels] = x.dims();
    let tokens = layer_norm(x.reshape([batch, height * width, channels]), vector(13, 36), vector(14, 36), 1e-5);
    let attended = linear_attention(
        linear(tokens, qkv.clone(), Some(vector(15, 108)), Activation::Gelu),
        LinearAttentionOptions::new(3, FeatureMap::Softplus),
    );
    let logits = linear(mean_tokens(attended), head.clone(), None, Activation::Identity);
    let rows = [[0.9, 0.1, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.1, 0.9], [0.0, 0.1, 0.9, 0.0, 0.0_f32]];
    let targets = Tensor::<2>::from_data(rows, &logits.device());
    let loss = cross_entropy(logits, targets);
    let gradients = loss.backward();
    let mut results = values(&loss);
    for weight in [&first, &second, &third] {
        results.extend(values(&weight.grad(&gradients).expect("the weight is tracked")));
    }
    for weight in [&qkv, &head] {
        let gradient = weight.grad(&gradients).expect("the weight is tracked");
        results.extend(values(&gradient));
        let zeros = gradient.zeros_like();
        let state = AdamWState { parameter: weight.clone().inner(), mean: zeros.clone(), mean_square: zeros };
        let options =
            AdamW { learning_rate: 1e-2, beta_1: 0.9, beta_2: 0.99, epsilon: 1e-3, weight_decay: 0.1, step: 1 };
        results.extend(values(&adamw(state, gradient, &options).parameter));
    }
    results
}

/// The results of a training step in a process that uses an instruction set.
fn in_a_process_with(instruction_set: &str) -> Vec<f32> {
    let this = std::env::current_exe().expect("the test knows its program");
    let output = Command::new(this)
        .args(["--exact", "prints_a_training_step_when_asked", "--nocapture"])
        .env("TINYLSA_SIMD", instruction_set)
        .env("TINYLSA_PRINT_STEP", "1")
        .output()
        .expect("the test can start itself");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.split_once("step: ")).expect("the process prints its step").1;
    line.split_whitespace().map(|value| value.parse().expect("the process prints numbers")).collect()
}

#[test]
#[allow(clippy::print_stdout)] // the process that compares reads it
fn prints_a_training_step_when_asked() {
    let step = training_step();
    assert!(step.iter().all(|value| value.is_finite()));
    if std::env::var_os("TINYLSA_PRINT_STEP").is_some() {
        let text: Vec<_> = step.iter().map(ToString::to_string).collect();
        println!("step: {}", text.join(" "));
    }
}

#[test]
fn all_instruction_sets_agree() {
    // a name that the machine does not have stands for its widest, so that this runs anywhere
    let portable = in_a_process_with("portable");
    let largest = portable.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for name in ["avx2", "avx512"] {
        let found = in_a_process_with(name);
        assert_eq!(found.len(), portable.len());
        for (index, (a, b)) in found.iter().zip(&portable).enumerate() {
            assert!((a - b).abs() <= 1e-4 * largest, "{name}, value {index}: {a}, portable {b}");
        }
    }
}
