//! What the network promises: its size, its formula, its trace, its reproducibility.

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use rand::RngExt;
use tinylsa_model::{
    AttentionConfig, AttentionKind, BranchStart, Classifier, FeatureMap, HeadConfig, HeadKind, StageConfig, TinyCnnLsa,
    TinyCnnLsaConfig, gradients_of, state_of, values_of, with_state,
};
use tinylsa_random::{Draw, Purpose};

fn small() -> TinyCnnLsaConfig {
    let stage = |channels, stride, residual_blocks, pool| StageConfig { channels, stride, residual_blocks, pool };
    TinyCnnLsaConfig {
        positions: true,
        stages: vec![stage(8, 1, 0, true), stage(16, 2, 1, false)],
        attention: AttentionConfig { heads: 2, mlp_width: 24, ..two_blocks() },
        closing_blocks: 0,
        head: HeadConfig { kind: HeadKind::Mean, key_width: 24 },
        ..TinyCnnLsaConfig::default()
    }
}

/// Blocks of attention and perceptron with nothing beside them.
fn two_blocks() -> AttentionConfig {
    AttentionConfig {
        blocks: 2,
        heads: 4,
        key_width: None,
        mlp_width: 192,
        kind: AttentionKind::Linear,
        feature_map: FeatureMap::EluPlusOne,
        gate: false,
        local: false,
        branch_start: BranchStart::Random,
    }
}

/// Every part of a block that `small` does without, and a head with an attention for each class.
fn gated() -> TinyCnnLsaConfig {
    TinyCnnLsaConfig {
        positions: false,
        attention: AttentionConfig {
            heads: 2,
            key_width: Some(6),
            mlp_width: 0,
            feature_map: FeatureMap::SharpExp,
            gate: true,
            local: true,
            branch_start: BranchStart::ZeroScales,
            ..two_blocks()
        },
        closing_blocks: 1,
        head: HeadConfig { kind: HeadKind::ClassAttention, key_width: 8 },
        ..small()
    }
}

/// Weights with no zero and no one among them, so that every layer matters.
fn shaken(config: &TinyCnnLsaConfig, device: &Device) -> TinyCnnLsa {
    let model = config.init(device).unwrap();
    let mut state = state_of(&model);
    for (index, (name, tensor)) in state.iter_mut().enumerate() {
        let draw = Draw { seed: 5, purpose: Purpose::new("shake"), epoch: 0, index: index as u64 };
        let mut generator = draw.generator();
        for value in &mut tensor.values {
            let shake: f32 = generator.random_range(-0.1..0.1);
            *value = if name.ends_with("running_variance") { *value + shake.abs() } else { *value + shake };
        }
    }
    with_state(model, &state).unwrap()
}

fn images(count: usize, device: &Device) -> Tensor<4> {
    let mut generator = Draw { seed: 1, purpose: Purpose::new("images"), epoch: 0, index: 0 }.generator();
    let values: Vec<f32> = (0..count * 784).map(|_| generator.random_range(0.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, [count, 1, 28, 28]), device)
}

fn largest_difference<const D: usize>(left: &Tensor<D>, right: &Tensor<D>) -> f32 {
    let pairs = values_of(left).into_iter().zip(values_of(right));
    pairs.map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

/// The largest magnitude.
fn largest<const D: usize>(tensor: &Tensor<D>) -> f32 {
    values_of(tensor).into_iter().fold(0.0, |largest, value| value.abs().max(largest))
}

#[test]
fn the_default_network_stays_under_half_a_million_weights() {
    let config = TinyCnnLsaConfig::default();
    let cost = config.cost();
    assert!(cost.parameters() < 500_000, "{}", cost.parameters());
    assert!(cost.macs() < 52_000_000, "{}", cost.macs());
    assert_eq!(config.feature_map().dims(), [88, 7, 7]);
    assert!(config.attention.blocks >= 1);
}

#[test]
fn the_cost_table_counts_what_the_network_holds() {
    let attentionless = AttentionConfig { blocks: 0, ..AttentionConfig::default() };
    let attentionless = TinyCnnLsaConfig { attention: attentionless, ..small() };
    for config in [TinyCnnLsaConfig::default(), small(), gated(), attentionless] {
        let state = state_of(&config.init(&Device::flex()).unwrap());
        let trained: usize =
            state.iter().filter(|(name, _)| !name.contains("running_")).map(|(_, tensor)| tensor.values.len()).sum();
        assert_eq!(config.cost().parameters(), trained);
        for layer in config.cost().layers.iter().filter(|layer| layer.parameters > 0) {
            assert!(state.keys().any(|name| name.starts_with(&layer.name)), "{}", layer.name);
        }
    }
}

/// Counted by hand, as the networks were planned.
#[test]
fn the_parameters_of_networks_within_half_a_million() {
    let stages = |last: usize, blocks: usize| {
        let stage = |channels, residual_blocks, pool| StageConfig { channels, stride: 1, residual_blocks, pool };
        vec![stage(32, 1, true), stage(64, 1, true), stage(last, blocks, false)]
    };
    let sharp = |blocks, mlp_width| AttentionConfig {
        blocks,
        key_width: Some(12),
        mlp_width,
        feature_map: FeatureMap::SharpExp,
        gate: true,
        local: true,
        branch_start: BranchStart::ZeroWeights,
        ..two_blocks()
    };
    let network = |stages, attention, kind| TinyCnnLsaConfig {
        positions: false,
        stages,
        attention,
        closing_blocks: 0,
        head: HeadConfig { kind, key_width: 24 },
        ..TinyCnnLsaConfig::default()
    };
    let (mean, by_class) = (HeadKind::Mean, HeadKind::ClassAttention);
    let none = || AttentionConfig { blocks: 0, ..AttentionConfig::default() };
    for (config, parameters, macs) in [
        (network(stages(96, 1), two_blocks(), by_class), 486_514, 51.44),
        (network(stages(88, 2), sharp(1, 0), by_class), 478_346, 50.74),
        (network(stages(96, 1), sharp(2, 192), by_class), 488_434, 51.29),
        (network(stages(94, 2), none(), by_class), 488_294, 51.15),
        (network(stages(94, 2), none(), mean), 485_774, 50.98),
        (TinyCnnLsaConfig::default(), 470_602, 50.36),
    ] {
        let cost = config.cost();
        assert_eq!(cost.parameters(), parameters);
        assert!((cost.macs() as f64 / 1e6 - macs).abs() < 0.01, "{}", cost.macs());
    }
}

#[test]
fn the_multiplications_of_a_hand_counted_network() {
    let config = small();
    let stem = 28 * 28 * 9 * 8 + 7 * 7 * 9 * 8 * 16 + 2 * 7 * 7 * 9 * 16 * 16;
    let block = 49 * 16 * 48 + 2 * 49 * 16 * 8 + 49 * 16 + 49 * 16 * 16 + 2 * 49 * 16 * 24;
    assert_eq!(config.cost().macs(), stem + 2 * block + 16 * 10);
}

#[test]
fn attention_recovered_from_the_linear_form_gives_back_the_context() {
    let device = Device::flex();
    let with_map = |feature_map| {
        let mut config = small();
        config.attention.feature_map = feature_map;
        config
    };
    let maps = [FeatureMap::EluPlusOne, FeatureMap::Relu, FeatureMap::Softplus, FeatureMap::Exp, FeatureMap::SharpExp];
    for config in maps.map(with_map).into_iter().chain([gated()]) {
        let trace = shaken(&config, &device).forward_traced(images(3, &device));
        assert_eq!(trace.layers.len(), config.attention.blocks);
        for layer in trace.layers {
            let again = layer.attention.clone().matmul(layer.values);
            assert!(largest_difference(&again, &layer.context) <= 2e-6 * largest(&layer.context));
            let sums = layer.attention.sum_dim(3);
            assert!(largest_difference(&sums, &sums.ones_like()) <= 3e-7);
        }
    }
}

#[test]
fn what_the_tokens_say_for_a_class_sums_to_its_logit_less_its_bias() {
    let device = Device::flex();
    for config in [small(), gated()] {
        let trace = shaken(&config, &device).forward_traced(images(5, &device));
        let (evidence, attention) = (trace.readout.evidence, trace.readout.attention);
        assert_eq!(evidence.dims(), [5, config.classes, 49]);
        let sums = evidence.sum_dim(2).squeeze_dim::<2>(2) + trace.readout.bias.unsqueeze();
        assert!(largest_difference(&sums, &trace.logits) <= 1e-5 * largest(&trace.logits));
        let weights = attention.clone().sum_dim(2);
        assert!(largest_difference(&weights, &weights.ones_like()) <= 1e-6);
        assert!(values_of(&attention).into_iter().all(|weight| weight >= 0.0));
    }
}

#[test]
fn a_head_whose_queries_are_zero_takes_the_mean() {
    let device = Device::flex();
    let by_class = TinyCnnLsaConfig { head: HeadConfig { kind: HeadKind::ClassAttention, key_width: 8 }, ..small() };
    let by_mean = small().init(&device).unwrap();
    let by_class = by_class.init(&device).unwrap();
    let images = images(3, &device);
    let (expected, found) = (by_mean.forward(images.clone()), by_class.forward(images));
    assert!(largest_difference(&found, &expected) <= 1e-5 * largest(&expected));
}

#[test]
fn blocks_that_start_at_zero_change_nothing_and_learn() {
    let device = Device::flex();
    let images = images(3, &device);
    let without = TinyCnnLsaConfig { attention: AttentionConfig { blocks: 0, ..gated().attention }, ..gated() };
    let expected = without.init(&device).unwrap().forward(images.clone());
    for (branch_start, part) in [(BranchStart::ZeroWeights, "weight"), (BranchStart::ZeroScales, "scale")] {
        let config = TinyCnnLsaConfig { attention: AttentionConfig { branch_start, ..gated().attention }, ..gated() };
        let model = config.init(&device.clone().autodiff()).unwrap();
        let tracked = model.forward(images.clone().autodiff());
        assert!(largest_difference(&tracked.clone().inner(), &expected) <= 1e-5 * largest(&expected));
        let gradients = gradients_of(&model, &tracked.powi_scalar(2).sum().backward());
        let gradient = &gradients[&format!("blocks.0.projection.{part}")];
        assert!(gradient.values.iter().any(|&gradient| gradient != 0.0));
    }
}

#[test]
fn softmax_attention_gives_back_the_context() {
    let device = Device::flex();
    let mut config = small();
    config.attention.kind = AttentionKind::Softmax;
    for layer in shaken(&config, &device).forward_traced(images(2, &device)).layers {
        let again = layer.attention.matmul(layer.values);
        assert!(largest_difference(&again, &layer.context) <= 2e-6 * largest(&layer.context));
    }
}

/// The query bias of a layer reaches the logits through that layer's attention alone, so the change of the logit must be
/// the gradient of the attention times the change of the attention.
#[test]
fn attention_gradients_foretell_what_a_change_of_the_attention_does_to_the_logit() {
    let device = Device::flex();
    let mut softmax = small();
    softmax.attention.kind = AttentionKind::Softmax;
    for config in [small(), softmax, gated()] {
        let model = shaken(&config, &device);
        let images = images(2, &device);
        let classes = [3, 7];
        let gradients = model.attention_gradients(images.clone(), &classes);
        for (layer, gradient) in gradients.into_iter().enumerate() {
            let traced = |step: f32| with_query_bias(&model, layer, step).forward_traced(images.clone());
            let (before, after) = (traced(-0.1), traced(0.1));
            let change = after.layers[layer].attention.clone() - before.layers[layer].attention.clone();
            let foretold = values_of(&(gradient * change).sum_dims_squeeze::<1, _>(&[1, 2, 3]));
            let logits = values_of(&(after.logits - before.logits));
            for (image, &class) in classes.iter().enumerate() {
                let seen = logits[image * config.classes + class];
                assert!((foretold[image] - seen).abs() <= 0.02 * seen.abs() + 2e-6, "{} {seen}", foretold[image]);
                assert!(seen.abs() > 1e-5, "the test moves the logit");
            }
        }
    }
}

/// The network with the query biases of a layer moved, every second one the other way.
fn with_query_bias(model: &TinyCnnLsa, layer: usize, step: f32) -> TinyCnnLsa {
    let mut state = state_of(model);
    let bias = &mut state.get_mut(&format!("blocks.{layer}.query_key_value.bias")).unwrap().values;
    let attention = &model.config().attention;
    let queries = attention.key_width.map_or(model.config().width(), |columns| attention.heads * columns);
    for (index, value) in bias[..queries].iter_mut().enumerate() {
        *value += if index % 2 == 0 { step } else { -step };
    }
    with_state(model.clone(), &state).unwrap()
}

#[test]
fn tracing_changes_no_logit() {
    let device = Device::flex();
    let images = images(4, &device);
    let logits = |config: &TinyCnnLsaConfig| {
        let model = shaken(config, &device);
        (model.forward(images.clone()), model.forward_traced(images.clone()).logits)
    };
    let (plain, traced) = logits(&small());
    assert_eq!(values_of(&plain), values_of(&traced));
    // the gate is rounded in another way outside of the fused block
    let (plain, traced) = logits(&gated());
    assert!(largest_difference(&plain, &traced) <= 1e-6 * largest(&plain));
}

#[test]
fn the_logits_of_an_image_do_not_depend_on_its_batch() {
    let device = Device::flex();
    let model = shaken(&small(), &device);
    let images = images(5, &device);
    let together = model.forward(images.clone());
    for index in 0..5 {
        let alone = model.forward(images.clone().narrow(0, index, 1));
        assert!(largest_difference(&alone, &together.clone().narrow(0, index, 1)) <= 1e-5);
    }
}

#[test]
fn the_order_of_tokens_matters_only_through_the_positions() {
    let device = Device::flex();
    let mut config = small();
    config.stages = vec![StageConfig { channels: 8, stride: 1, residual_blocks: 0, pool: false }];
    config.input = [1, 4, 4].into();
    config.attention.heads = 2;
    let model = shaken(&config, &device);
    let positions = state_of(&model)["positions"].clone();
    assert_eq!(positions.shape, [16, 8]);

    let mut without = state_of(&model);
    without.get_mut("positions").unwrap().values.fill(0.0);
    // A kernel that looks at its own pixel alone, so that a shuffled image is a shuffle of its tokens.
    for (index, value) in without.get_mut("stages.0.entry.weight").unwrap().values.iter_mut().enumerate() {
        *value = if index % 9 == 4 { 1.0 + index as f32 / 50.0 } else { 0.0 };
    }
    let without = with_state(model, &without).unwrap();
    let image = Tensor::<4>::random([1, 1, 4, 4], Distribution::Uniform(0.0, 1.0), &device);
    let reversed = image.clone().flip([2, 3]);
    assert!(largest_difference(&without.forward(image), &without.forward(reversed)) <= 1e-5);
}

#[test]
fn the_same_seed_draws_the_same_weights_and_another_seed_others() {
    let device = Device::flex();
    let model = small().init(&device).unwrap();
    let again = small().init(&device).unwrap();
    assert_eq!(state_of(&model), state_of(&again));
    let other = again.with_initial_weights(1);
    assert_ne!(state_of(&model)["head.weight"], state_of(&other)["head.weight"]);
}

#[test]
fn a_residual_block_begins_as_the_identity() {
    let device = Device::flex();
    let state = state_of(&small().init(&device).unwrap());
    assert_eq!(state["stages.1.residual.0.second.gamma"].values, [0.0; 16]);
    assert_eq!(state["stages.1.residual.0.first.gamma"].values, [1.0; 16]);
}

#[test]
fn training_statistics_move_the_running_statistics() {
    let device = Device::flex().autodiff();
    let model = small().init(&device).unwrap();
    let images = images(8, &device);
    let output = model.forward_training(images.clone());
    let expected: Vec<f32> = values_of(&output.statistics[0].mean).iter().map(|mean| 0.25 * mean).collect();
    let model = model.update_running(output.statistics, 0.25);
    let state = state_of(&model);
    let found = &state["stages.0.entry.running_mean"].values;
    assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-6));

    // Once the running statistics have become those of the batch, evaluation and training agree.
    let model = (0..2).fold(model, |model, _| {
        let statistics = model.forward_training(images.clone()).statistics;
        model.update_running(statistics, 1.0)
    });
    let difference = largest_difference(&model.forward(images.clone()), &model.forward_training(images).logits);
    assert!(difference < 1e-4, "{difference}");
}

#[test]
fn every_weight_receives_a_gradient() {
    let device = Device::flex().autodiff();
    let model = shaken(&small(), &device);
    let loss = model.forward_training(images(4, &device)).logits.powi_scalar(2).sum();
    let gradients = gradients_of(&model, &loss.backward());
    let trained: Vec<String> = state_of(&model).into_keys().filter(|name| !name.contains("running_")).collect();
    assert_eq!(gradients.into_keys().collect::<Vec<_>>(), trained);
}

#[test]
fn evaluation_can_be_differentiated_by_the_image() {
    let device = Device::flex().autodiff();
    let model = shaken(&small(), &device);
    let images = images(1, &device).require_grad();
    let gradients = model.forward(images.clone()).sum().backward();
    let gradient = values_of(&images.grad(&gradients).unwrap());
    assert!(gradient.iter().any(|value| value.abs() > 1e-6));
}

#[test]
fn a_config_that_does_not_fit_names_its_key() {
    let check = |change: fn(&mut TinyCnnLsaConfig), expected: &str| {
        let mut config = small();
        change(&mut config);
        assert_eq!(config.init(&Device::flex()).unwrap_err().to_string(), expected);
    };
    check(|config| config.stages.clear(), "stages is empty, expected at least one stage");
    check(|config| config.stages[1].stride = 3, "stages.1.stride is 3, expected 1 to 2");
    check(
        |config| config.attention.heads = 5,
        "attention.heads is 5, expected a divisor of the last stage's 16 channels",
    );
    check(
        |config| config.stages[1].pool = true,
        "stages.1.pool is true on a grid of 7×7, expected pooling of an even grid only",
    );
    check(|config| config.input_deviation = vec![f32::NAN], "input_deviation.0 is NaN, expected 0.001 to 10");
    check(
        |config| config.input.channels = 3,
        "input_mean is a list of 1, expected one number for each of the 3 channels",
    );
    check(|config| config.input.width = 2000, "input.width is 2000, expected 4 to 1024");
    check(
        |config| config.input.height = 27,
        "stages.0.pool is true on a grid of 27×28, expected pooling of an even grid only",
    );
    check(|config| config.attention.blocks = 17, "attention.blocks is 17, expected 0 to 16");
}

/// Colour, and an image that is no square.
fn other_shapes() -> [TinyCnnLsaConfig; 2] {
    let colour = TinyCnnLsaConfig {
        input: [3, 32, 32].into(),
        input_mean: vec![0.5, 0.4, 0.3],
        input_deviation: vec![0.2, 0.25, 0.3],
        classes: 7,
        ..small()
    };
    [colour, TinyCnnLsaConfig { input: [1, 20, 30].into(), ..small() }]
}

fn images_of(config: &TinyCnnLsaConfig, count: usize, device: &Device) -> Tensor<4> {
    let [channels, height, width] = config.input.dims();
    let mut generator = Draw { seed: 2, purpose: Purpose::new("images"), epoch: 0, index: 0 }.generator();
    let values: Vec<f32> = (0..count * config.input.values()).map(|_| generator.random_range(0.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, [count, channels, height, width]), device)
}

#[test]
fn the_map_of_the_last_convolution_gives_the_logits_of_the_network() {
    let device = Device::flex();
    for config in other_shapes().into_iter().chain([small(), gated()]) {
        let model = shaken(&config, &device);
        let images = images_of(&config, 3, &device);
        let map = model.feature_map(images.clone());
        let [batch, channels, rows, columns] = map.dims();
        assert_eq!((batch, [channels, rows, columns]), (3, config.feature_map().dims()));
        assert_eq!(values_of(&model.forward_from_features(map)), values_of(&model.forward(images.clone())));
        let trace = model.forward_traced(images);
        assert_eq!([trace.rows, trace.columns], [rows, columns]);
        assert_eq!(trace.layers[0].attention.dims(), [3, 2, rows * columns, rows * columns]);
    }
}

/// What Grad-CAM asks for.
#[test]
fn logits_can_be_differentiated_by_the_map_of_the_last_convolution() {
    let device = Device::flex();
    let [config, _] = other_shapes();
    let model = shaken(&config, &device);
    let map = model.feature_map(images_of(&config, 2, &device)).autodiff().require_grad();
    let logit = |map: Tensor<4>| model.forward_from_features(map).narrow(1, 3, 1).sum();
    let gradients = logit(map.clone()).backward();
    let gradient = map.grad(&gradients).unwrap();
    assert_eq!(gradient.dims(), map.dims());
    // A step along the gradient changes the logit by its squared length.
    let step = gradient.clone() * 1e-2;
    let plain = map.inner();
    let change = values_of(&(logit(plain.clone() + step.clone()) - logit(plain - step)))[0];
    let expected = 2e-2 * values_of(&gradient.powi_scalar(2).sum())[0];
    assert!((change - expected).abs() < 0.02 * expected, "{change} {expected}");
}

/// The mean and deviation of a channel are part of the network: shifted and stretched images, described by other
/// numbers, are the same input.
#[test]
fn each_channel_is_normalised_by_its_own_numbers() {
    let device = Device::flex();
    let [config, _] = other_shapes();
    let model = shaken(&config, &device);
    let plain = TinyCnnLsaConfig { input_mean: vec![0.0; 3], input_deviation: vec![1.0; 3], ..config.clone() };
    let plain = with_state(plain.init(&device).unwrap(), &state_of(&model)).unwrap();
    let images = images_of(&config, 2, &device);
    let channel =
        |index: usize| (images.clone().narrow(1, index, 1) - config.input_mean[index]) / config.input_deviation[index];
    let normalised = Tensor::cat((0..3).map(channel).collect(), 1);
    assert!(largest_difference(&model.forward(images), &plain.forward(normalised)) <= 1e-5);
}

#[test]
fn the_layers_of_the_module_are_those_of_the_cost_table() {
    for config in other_shapes().into_iter().chain([TinyCnnLsaConfig::default()]) {
        let layers = config.init(&Device::flex()).unwrap().layers();
        let found: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        let cost = config.cost();
        let expected: Vec<&str> =
            cost.layers.iter().filter(|layer| layer.parameters > 0).map(|layer| layer.name.as_str()).collect();
        assert_eq!(found, expected);
        let tensors: usize = layers.iter().map(|layer| layer.tensors.len()).sum();
        assert_eq!(tensors, config.tensor_shapes().len());
    }
}
