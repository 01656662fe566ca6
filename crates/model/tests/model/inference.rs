//! What the network made ready for inference promises: the same function, the same bits, readable errors.

use std::process::Command;

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rayon::ThreadPoolBuilder;
use tinylsa_model::{
    AttentionConfig, AttentionKind, BranchStart, Classifier, FeatureMap, ForwardPredictor, HeadConfig, HeadKind,
    ImageShape, InferenceModel, ModelFile, ModelFileError, PixelError, Precision, StageConfig, State, StateError,
    TinyCnnLsa, TinyCnnLsaConfig, state_of, values_of, with_state,
};
use tinylsa_random::{Draw, Purpose};

fn stage(channels: usize, stride: usize, residual_blocks: usize, pool: bool) -> StageConfig {
    StageConfig { channels, stride, residual_blocks, pool }
}

/// Configs that meet every path: strides, pooling behind each kind of layer, channels below, at and between whole
/// vectors, maps that tiles do not divide, one channel, several feature maps, softmax, no attention at all, gates and local
/// convolutions, keys that are narrower or wider than values, and a head with an attention for each class.
fn configs() -> Vec<TinyCnnLsaConfig> {
    let attention = |heads, mlp_width, kind, feature_map| AttentionConfig {
        blocks: 2,
        heads,
        mlp_width,
        kind,
        feature_map,
        ..AttentionConfig::default()
    };
    let sharp = |heads, key_width, mlp_width| AttentionConfig {
        key_width: Some(key_width),
        gate: true,
        local: true,
        branch_start: BranchStart::ZeroScales,
        ..attention(heads, mlp_width, AttentionKind::Linear, FeatureMap::SharpExp)
    };
    let by_class = |config| TinyCnnLsaConfig {
        positions: false,
        closing_blocks: 1,
        head: HeadConfig { kind: HeadKind::ClassAttention, key_width: 20 },
        ..config
    };
    let with = |size, classes, stages, attention| TinyCnnLsaConfig {
        input: ImageShape::grey(size, size),
        classes,
        stages,
        attention,
        ..TinyCnnLsaConfig::default()
    };
    let (linear, softmax) = (AttentionKind::Linear, AttentionKind::Softmax);
    let (elu, relu, softplus) = (FeatureMap::EluPlusOne, FeatureMap::Relu, FeatureMap::Softplus);
    vec![
        TinyCnnLsaConfig::default(),
        with(28, 10, vec![stage(8, 1, 0, true), stage(16, 2, 1, false)], attention(2, 24, linear, relu)),
        with(28, 10, vec![stage(16, 2, 1, true), stage(40, 1, 2, false)], attention(5, 33, linear, softplus)),
        with(20, 3, vec![stage(17, 1, 1, true), stage(33, 1, 1, false)], attention(3, 64, linear, elu)),
        with(13, 2, vec![stage(24, 1, 1, false), stage(18, 2, 1, false)], attention(1, 16, softmax, elu)),
        with(28, 10, vec![stage(16, 1, 0, true), stage(48, 1, 1, true)], attention(4, 96, softmax, elu)),
        with(9, 17, vec![stage(1, 1, 1, false), stage(1, 2, 0, false)], attention(1, 1, linear, elu)),
        with(
            12,
            4,
            vec![stage(16, 2, 0, false), stage(20, 1, 1, false)],
            AttentionConfig { blocks: 0, ..attention(4, 8, linear, elu) },
        ),
        with(4, 5, vec![stage(32, 1, 1, true), stage(64, 1, 1, false)], attention(4, 32, linear, elu)),
        by_class(TinyCnnLsaConfig { attention: sharp(4, 12, 0), ..TinyCnnLsaConfig::default() }),
        by_class(with(12, 17, vec![stage(16, 1, 1, true), stage(40, 1, 1, false)], sharp(5, 19, 24))),
        with(9, 3, vec![stage(8, 1, 0, false), stage(18, 2, 1, false)], sharp(2, 5, 0)),
        with(
            13,
            2,
            vec![stage(24, 2, 1, false)],
            AttentionConfig { key_width: Some(7), ..attention(2, 16, softmax, elu) },
        ),
        of_shape(
            3,
            32,
            32,
            with(4, 7, vec![stage(16, 1, 1, true), stage(24, 2, 1, false)], attention(2, 16, linear, elu)),
        ),
        of_shape(
            17,
            8,
            12,
            with(4, 3, vec![stage(18, 1, 0, true), stage(16, 1, 1, false)], attention(4, 8, softmax, elu)),
        ),
        of_shape(
            1,
            20,
            30,
            with(4, 4, vec![stage(16, 1, 1, true), stage(24, 2, 1, false)], attention(3, 24, linear, elu)),
        ),
    ]
}

/// The same network for images of another shape, with numbers of its own for each channel.
fn of_shape(channels: usize, height: usize, width: usize, config: TinyCnnLsaConfig) -> TinyCnnLsaConfig {
    TinyCnnLsaConfig {
        input: ImageShape { channels, height, width },
        input_mean: (0..channels).map(|channel| 0.3 + 0.02 * channel as f32).collect(),
        input_deviation: (0..channels).map(|channel| 0.5 - 0.02 * channel as f32).collect(),
        ..config
    }
}

/// A network whose every weight and running statistic is away from what it begins with.
fn trained(config: &TinyCnnLsaConfig, seed: u64) -> TinyCnnLsa {
    let model = config.init(&Device::flex()).unwrap();
    let mut state = state_of(&model);
    for (index, (name, tensor)) in state.iter_mut().enumerate() {
        let mut generator = Draw { seed, purpose: Purpose::new("trained"), epoch: 0, index: index as u64 }.generator();
        for value in &mut tensor.values {
            let shake: f32 = generator.random_range(-0.2..0.2);
            *value = match name.rsplit('.').next() {
                Some("running_variance") => generator.random_range(0.2..3.0),
                Some("gamma") => generator.random_range(0.5..1.5),
                Some("weight") => *value,
                _ => *value + shake,
            };
        }
    }
    with_state(model, &state).unwrap()
}

fn images(config: &TinyCnnLsaConfig, count: usize) -> Vec<f32> {
    let mut generator = Draw { seed: 3, purpose: Purpose::new("images"), epoch: 0, index: 0 }.generator();
    (0..count * config.input.values()).map(|_| generator.random_range(0.0..1.0)).collect()
}

fn tensor(config: &TinyCnnLsaConfig, pixels: &[f32], device: &Device) -> Tensor<4> {
    let [channels, height, width] = config.input.dims();
    let shape = [pixels.len() / config.input.values(), channels, height, width];
    Tensor::from_data(TensorData::new(pixels.to_vec(), shape), device)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn the_logits_are_those_of_the_unfolded_network() {
    let device = Device::flex();
    for (index, config) in configs().iter().enumerate() {
        for seed in 0..3 {
            let model = trained(config, seed);
            let pixels = images(config, 9);
            let expected = values_of(&model.forward(tensor(config, &pixels, &device)));
            let found = model.for_inference().logits(&pixels).unwrap();
            assert_eq!(found.len(), expected.len());
            let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            let pairs = found.iter().zip(&expected);
            let difference = pairs.map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max);
            assert!(difference <= 1e-5 * largest, "config {index}, seed {seed}: {difference} of {largest}");
        }
    }
}

#[test]
fn the_bits_of_an_image_depend_neither_on_its_batch_nor_on_the_threads() {
    for config in configs() {
        let model = trained(&config, 7).for_inference();
        let pixels = images(&config, 64);
        let image = config.input.values();
        let together = bits(&on_threads(1, || model.logits(&pixels)).unwrap());
        for (threads, batch) in [(1, 7), (2, 64), (2, 7), (2, 1), (3, 1), (9, 1)] {
            let batches = pixels.chunks(batch * image);
            let apart: Vec<u32> =
                on_threads(threads, || batches.flat_map(|pixels| bits(&model.logits(pixels).unwrap())).collect());
            assert_eq!(apart, together, "batches of {batch} on {threads} threads");
        }
    }
}

#[test]
fn tensors_give_what_slices_give_on_any_device() {
    let config = TinyCnnLsaConfig::default();
    let model = trained(&config, 1).for_inference();
    let pixels = images(&config, 5);
    let expected = model.logits(&pixels).unwrap();
    for device in [Device::flex(), Device::flex().autodiff()] {
        let logits = model.forward(tensor(&config, &pixels, &device));
        assert_eq!(logits.dims(), [5, 10]);
        assert_eq!(logits.device(), device);
        assert_eq!(bits(&values_of(&logits)), bits(&expected));
    }
    let mirrored = tensor(&config, &pixels, &Device::flex()).flip([3]);
    let copied = tensor(&config, &values_of(&mirrored), &Device::flex());
    assert_eq!(values_of(&model.forward(mirrored)), values_of(&model.forward(copied)));
}

#[test]
fn a_file_gives_the_network_that_was_written() {
    let config = configs().swap_remove(2);
    let model = trained(&config, 4);
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let bytes = model.to_safetensors(&names, "drawn").unwrap();
    let loaded = InferenceModel::from_safetensors(&bytes).unwrap();
    assert_eq!(loaded.metadata.class_names, names);
    assert_eq!(loaded.model.config(), &config);
    let pixels = images(&config, 2);
    assert_eq!(loaded.model.logits(&pixels), model.for_inference().logits(&pixels));

    let folder = tempfile::tempdir().unwrap();
    let error = InferenceModel::load(&folder.path().join("absent")).unwrap_err();
    assert!(matches!(error, ModelFileError::Read { .. }), "{error:?}");
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let config = TinyCnnLsaConfig::default();
    let state = state_of(&config.init(&Device::flex()).unwrap());
    let check = |change: &dyn Fn(&mut State), expected: StateError| {
        let mut state = state.clone();
        change(&mut state);
        assert_eq!(InferenceModel::from_state(&config, &state).unwrap_err(), expected);
    };
    let name = "stages.1.residual.0.first.running_mean".to_owned();
    check(&|state| drop(state.remove(&name)), StateError::Missing { name: name.clone() });
    check(
        &|state| drop(state.insert("zebra".to_owned(), state["norm.beta"].clone())),
        StateError::Unexpected { name: "zebra".to_owned() },
    );
    check(
        &|state| drop(state.insert("head.bias".to_owned(), state["norm.beta"].clone())),
        StateError::Shape { name: "head.bias".to_owned(), found: vec![88], expected: vec![10] },
    );
}

#[test]
fn pixels_that_are_not_finite_are_refused_with_their_place() {
    let config = of_shape(3, 8, 12, TinyCnnLsaConfig::default());
    let model = config.init(&Device::flex()).unwrap();
    for predictor in [model.predictor(), Box::new(ForwardPredictor::new(&model))] {
        for value in [f32::INFINITY, f32::NEG_INFINITY] {
            let mut pixels = images(&config, 2);
            pixels[288 + 2 * 96 + 7 * 12 + 11] = value;
            let error = predictor.logits(&pixels).unwrap_err();
            assert_eq!(error, PixelError::NotFinite { image: 1, channel: 2, row: 7, column: 11, value });
        }
    }
}

#[test]
fn half_an_image_is_an_error_and_none_is_no_logits() {
    let config = TinyCnnLsaConfig::default();
    let model = config.init(&Device::flex()).unwrap().for_inference();
    let error = model.logits(&[0.0; 1000]).unwrap_err();
    assert_eq!(error, PixelError::Count { found: 1000, expected: ImageShape::grey(28, 28) });
    assert_eq!(error.to_string(), "1000 values are no whole number of images of 1×28×28");
    assert_eq!(model.logits(&[]), Ok(Vec::new()));
}

/// The instruction set is chosen once for a process, by an environment variable.
#[test]
fn every_instruction_set_gives_the_logits_of_the_unfolded_network() {
    for instruction_set in ["portable", "avx2"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "inference::the_logits_are_those_of_the_unfolded_network"])
            .env("TINYLSA_SIMD", instruction_set)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{instruction_set}: {said}");
    }
}

#[cfg(feature = "pretrained")]
#[test]
fn the_weights_that_ship_name_and_rank_every_class() {
    let pretrained = InferenceModel::pretrained().unwrap();
    let pixels = images(pretrained.model.config(), 3);
    let classified = pretrained.classify(&pixels).unwrap();
    assert_eq!(classified.len(), 3);
    let probabilities = pretrained.metadata.probabilities(&pretrained.model.logits(&pixels).unwrap()).unwrap();
    for (classification, row) in classified.iter().zip(probabilities.chunks_exact(10)) {
        assert!(classification.ranked.is_sorted_by(|one, next| one.probability >= next.probability));
        assert!((classification.ranked.iter().map(|class| class.probability).sum::<f32>() - 1.0).abs() < 1e-5);
        for ranked in &classification.ranked {
            assert_eq!(ranked.probability.to_bits(), row[ranked.class].to_bits());
            assert_eq!(ranked.name, pretrained.metadata.class_names[ranked.class]);
        }
        assert_eq!(classification.best(), &classification.ranked[0]);
    }
    assert!(
        pretrained.classify(&pixels[1..]).unwrap_err().to_string().contains("no whole number of images of 1×28×28")
    );
    let mut poisoned = pixels.clone();
    poisoned[2 * 784 + 3 * 28 + 5] = f32::NAN;
    let error = pretrained.classify(&poisoned).unwrap_err();
    let expected = "channel 0 of the pixel in row 3, column 5 of image 2 is NaN, expected 0 to 1";
    assert_eq!(error.to_string(), expected);
}

#[cfg(feature = "pretrained")]
#[test]
fn the_file_that_ships_is_what_this_version_writes() {
    let pretrained = TinyCnnLsa::pretrained(&Device::flex()).unwrap();
    let written = pretrained.to_safetensors(Precision::Half).unwrap();
    assert_eq!(TinyCnnLsa::from_safetensors(&written, &Device::flex()).unwrap().sha256, pretrained.sha256);
}
