//! The gradients of a score with respect to the attention of a vision transformer with a class token on a grid that is not
//! square, against differences of its scores.

use burn::tensor::{Device, Tensor, TensorData, activation};
use tinylsa_xai::{AttentionTap, Execution, ExplainError, Image, Target, TokenGrid, gradient_rollout, trace_attention};

/// Images of 30 × 20 pixels in patches of 5 × 5: a class token in front of 6 × 4 tokens.
const SHAPE: [usize; 3] = [1, 30, 20];
const TOKENS: usize = 25;
const WIDTH: usize = 6;
const HEADS: usize = 2;
const LAYERS: usize = 2;

fn tensor<const D: usize>(salt: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let count = shape.iter().product::<usize>() as u64;
    let value = |i: u64| ((((i + 1) * (salt * 2 + 77_003) * 2_654_435_761) >> 17) % 64) as f32 / 64.0 - 0.5;
    Tensor::from_data(TensorData::new((0..count).map(value).collect::<Vec<f32>>(), shape), device)
}

/// A change of one entry of the attention of one layer.
#[derive(Clone, Copy)]
struct Change {
    layer: usize,
    entry: usize,
    by: f32,
}

fn transformer(images: Tensor<4>, tap: &mut AttentionTap, change: Option<Change>) -> Tensor<2> {
    let (batch, device) = (images.dims()[0], images.device());
    let patches = images.reshape([batch, 6, 5, 4, 5]).permute([0, 1, 3, 2, 4]).reshape([batch, 24, 25]);
    let tokens = patches.matmul(tensor::<2>(1, [25, WIDTH], &device).unsqueeze::<3>().repeat_dim(0, batch));
    let class_token = tensor::<3>(2, [1, 1, WIDTH], &device).repeat_dim(0, batch);
    let mut tokens = Tensor::cat(vec![class_token, tokens], 1);
    for layer in 0..LAYERS {
        let projected = |part: u64, tokens: &Tensor<3>| -> Tensor<4> {
            let weights = tensor::<2>(10 * layer as u64 + 3 + part, [WIDTH, WIDTH], &device);
            let projected = tokens.clone().matmul(weights.unsqueeze::<3>().repeat_dim(0, batch));
            projected.reshape([batch, TOKENS, HEADS, WIDTH / HEADS]).swap_dims(1, 2)
        };
        let (queries, keys, values) = (projected(0, &tokens), projected(1, &tokens), projected(2, &tokens));
        let mut attention = tap.record(activation::softmax(queries.matmul(keys.transpose()) * 2.0, 3));
        if let Some(change) = change.filter(|change| change.layer == layer) {
            let mut values = vec![0.0; HEADS * TOKENS * TOKENS];
            values[change.entry] = change.by;
            let values = Tensor::<4>::from_data(TensorData::new(values, [1, HEADS, TOKENS, TOKENS]), &device);
            attention = attention + values.repeat_dim(0, batch);
        }
        let mixed = attention.matmul(values).swap_dims(1, 2).reshape([batch, TOKENS, WIDTH]);
        tokens = activation::tanh(tokens + mixed);
    }
    let read: Tensor<2> = tokens.narrow(1, 0, 1).squeeze_dim(1);
    read.matmul(tensor::<2>(50, [WIDTH, 3], &device))
}

fn image() -> Image {
    let values = (0..600_u64).map(|i| (((i + 1) * 2_654_435_761) >> 13) % 64).map(|value| value as f32 / 64.0);
    Image::new(values.collect(), SHAPE).unwrap()
}

fn execution() -> Execution {
    Execution { device: Device::flex(), ..Execution::default() }
}

#[test]
fn they_are_those_of_differences_through_all_layers_behind() {
    const STEP: f32 = 1e-2;
    let forward = |images: Tensor<4>, tap: &mut AttentionTap| transformer(images, tap, None);
    let contrast = Target::Against { class: 2, other: 0 };
    for target in [Target::Class(1), contrast] {
        let traced = trace_attention(&forward, &image(), target, &execution()).unwrap();
        assert_eq!((traced.layers.len(), traced.layers[0].heads(), traced.layers[0].tokens()), (LAYERS, HEADS, TOKENS));
        let score = |change: Change| {
            let images = Tensor::from_data(TensorData::new(image().values().to_vec(), [1, 1, 30, 20]), &Device::flex());
            let scores: Vec<f32> =
                transformer(images, &mut AttentionTap::default(), Some(change)).into_data().try_to_vec().unwrap();
            traced.explained.of(&scores).unwrap()
        };
        let mut largest = 0.0_f64;
        for layer in 0..LAYERS {
            // every eleventh entry: all heads, rows and columns occur, that of the class token often
            for entry in (0..HEADS * TOKENS * TOKENS).step_by(11) {
                let shifted = |by: f32| score(Change { layer, entry, by });
                let expected = (shifted(STEP) - shifted(-STEP)) / f64::from(2.0 * STEP);
                let found = traced.gradients[layer][entry];
                assert!((found - expected).abs() < 1e-3, "layer {layer}, entry {entry}: {found} is not {expected}");
                largest = largest.max(found.abs());
            }
        }
        assert!(largest > 0.01, "gradients of zeros show nothing");
        // the head reads the class token alone, so that no other query of the last layer has a gradient
        assert!(traced.gradients[1][TOKENS..TOKENS * TOKENS].iter().all(|&gradient| gradient == 0.0));
        let rollout = gradient_rollout(&traced.layers, &traced.gradients, &execution().cancellation).unwrap();
        let map = rollout.pooled(TokenGrid::new(6, 4).with_prefix(1)).unwrap();
        assert_eq!(map.len(), 24);
        assert!(map.iter().any(|&value| value > 0.0));
    }
}

#[test]
fn models_that_record_nothing_or_nothing_of_use_are_refused() {
    let silent = |images: Tensor<4>, _: &mut AttentionTap| transformer(images, &mut AttentionTap::default(), None);
    let found = trace_attention(&silent, &image(), Target::Predicted, &execution());
    assert_eq!(found.unwrap_err(), ExplainError::Empty { what: "list of recorded layers" });
    // what is recorded and then not used has no gradient
    let unused = |images: Tensor<4>, tap: &mut AttentionTap| {
        let tokens = Tensor::<4>::full([images.dims()[0], 1, 2, 2], 0.5, &images.device());
        drop(tap.record(tokens));
        images.flatten::<2>(1, 3).narrow(1, 0, 3)
    };
    let found = trace_attention(&unused, &image(), Target::Predicted, &execution());
    assert_eq!(found.unwrap_err(), ExplainError::NoGradient);
    let scores_for_rows = |images: Tensor<4>, tap: &mut AttentionTap| {
        let batch = images.dims()[0];
        let matrix = Tensor::<4>::full([batch, 1, 2, 2], 0.7, &images.device());
        tap.record(matrix).flatten::<2>(1, 3)
    };
    let found = trace_attention(&scores_for_rows, &image(), Target::Class(0), &execution());
    assert!(matches!(found, Err(ExplainError::AttentionRow { .. })), "{found:?}");
}
