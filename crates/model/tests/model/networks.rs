//! The networks that a tiny one is compared with.

use burn::tensor::{Device, Distribution, Tensor};
use tinylsa_model::networks::{
    MobileNetConfig, ResNetConfig, SwinConfig, TorchvisionConfig, TorchvisionError, VggConfig, VitConfig,
};
use tinylsa_model::{
    Classifier, HostTensor, ModelConfig, State, TrainingOutput, state_of, state_to_safetensors, values_of,
};

/// The counts that torchvision documents for its models, at 1000 classes.
#[test]
fn parameters_are_those_of_torchvision() {
    fn count(config: &impl ModelConfig) -> usize {
        config.validate().unwrap();
        config.known_cost().unwrap().parameters()
    }
    assert_eq!(count(&VggConfig::vgg19(false)), 143_667_240);
    assert_eq!(count(&VggConfig::vgg19(true)), 143_678_248);
    assert_eq!(count(&ResNetConfig::resnet50()), 25_557_032);
    assert_eq!(count(&ResNetConfig::resnet18()), 11_689_512);
    assert_eq!(count(&VitConfig::vit_b16()), 86_567_656);
    assert_eq!(count(&SwinConfig::swin_t()), 28_288_354);
    assert_eq!(count(&MobileNetConfig::v3_small()), 2_542_856);
    // 0.27 M, as the paper says
    assert_eq!(count(&ResNetConfig::resnet20()), 269_434);
}

/// In units of 10⁹, as torchvision documents them; it leaves out the products of attention.
#[test]
fn operations_are_those_of_torchvision() {
    fn check(config: &impl ModelConfig, expected: f64, apart: f64) {
        let found = config.known_cost().unwrap().macs() as f64 / 1e9;
        assert!((found - expected).abs() < apart, "{found}");
    }
    check(&VggConfig::vgg19(true), 19.63, 0.03);
    check(&ResNetConfig::resnet50(), 4.09, 0.01);
    check(&ResNetConfig::resnet18(), 1.81, 0.01);
    check(&VitConfig::vit_b16(), 17.56, 0.05);
    check(&SwinConfig::swin_t(), 4.49, 0.05);
    check(&MobileNetConfig::v3_small(), 0.06, 0.01);
}

/// Small enough to be made in a test, with every part of the large ones.
fn tiny_vgg() -> VggConfig {
    VggConfig { stages: vec![vec![8, 8], vec![16]], hidden: vec![12], dropout: 0.5, ..VggConfig::vgg19_small() }
}

fn tiny_resnet(config: ResNetConfig) -> ResNetConfig {
    let mut config = config.small();
    for stage in &mut config.stages {
        (stage.channels, stage.blocks) = (stage.channels / 8, 2);
    }
    config
}

fn tiny_vit() -> VitConfig {
    VitConfig { width: 24, blocks: 2, mlp_width: 32, ..VitConfig::vit_tiny().small() }
}

fn tiny_swin() -> SwinConfig {
    SwinConfig { width: 12, ..SwinConfig::swin_small_images() }
}

/// A network of a config does what every network promises.
fn check<C: ModelConfig>(config: &C) {
    let (kind, device) = (C::KIND, Device::flex());
    config.validate().unwrap();
    let model = config.init_with_seed(1, &device).unwrap();
    let state = state_of(&model);
    let same = config.init_with_seed(1, &device).unwrap();
    assert_eq!(state_of(&same), state, "{kind}: the same seed");
    assert_ne!(state_of(&config.init_with_seed(2, &device).unwrap()), state, "{kind}: another seed");

    let trained: usize =
        state.iter().filter(|(name, _)| !name.contains("running_")).map(|(_, tensor)| tensor.values.len()).sum();
    let cost = config.known_cost().unwrap();
    assert_eq!(cost.parameters(), trained, "{kind}");
    for layer in &cost.layers {
        let has_tensors = state.keys().any(|name| name.starts_with(&layer.name));
        assert!(has_tensors || layer.name.ends_with(".attention"), "{kind}: {}", layer.name);
    }

    let [channels, height, width] = config.input().dims();
    let images =
        |device: &Device| Tensor::<4>::random([3, channels, height, width], Distribution::Uniform(0.0, 1.0), device);
    let batch = images(&device);
    let logits = model.forward(batch.clone());
    assert_eq!(logits.dims(), [3, config.classes()], "{kind}");
    let alone = values_of(&model.forward(batch.clone().narrow(0, 1, 1)));
    let together = values_of(&logits.clone().narrow(0, 1, 1));
    let largest = together.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    assert!(largest > 1e-3, "{kind}: {together:?}");
    for (alone, together) in alone.iter().zip(&together) {
        assert!((alone - together).abs() <= 1e-5 * largest.max(1.0), "{kind}: {alone} {together}");
    }

    // what training changes: every weight has a gradient, and running statistics follow the batch
    let training = Device::flex().autodiff();
    let model = config.init_with_seed(1, &training).unwrap();
    let TrainingOutput { logits, statistics } = model.forward_training(images(&training));
    let gradients = tinylsa_model::gradients_of(&model, &logits.powi_scalar(2).sum().backward());
    let normalised = state.keys().filter(|name| name.ends_with("running_mean")).count();
    assert_eq!(statistics.len(), normalised, "{kind}");
    assert_eq!(gradients.len(), state.len() - 2 * normalised, "{kind}");
    let expected: Vec<Vec<f32>> = statistics.iter().map(|seen| values_of(&seen.mean)).collect();
    let moved = state_of(&model.update_running(statistics, 1.0));
    for (name, tensor) in moved.iter().filter(|(name, _)| name.ends_with("running_mean")) {
        assert!(expected.contains(&tensor.values), "{kind}: {name}");
        assert_ne!(tensor.values, state[name].values, "{kind}: {name}");
    }
}

#[test]
fn every_network_is_a_classifier() {
    check(&tiny_vgg());
    check(&VggConfig { batch_norm: false, grid: 2, ..tiny_vgg() });
    check(&tiny_resnet(ResNetConfig::resnet18()));
    check(&tiny_resnet(ResNetConfig::resnet50()));
    check(&tiny_resnet(ResNetConfig::resnet20()));
    check(&tiny_vit());
    check(&tiny_swin());
    check(&MobileNetConfig { hidden: 16, ..MobileNetConfig::v3_small().small() });
}

/// Each running statistic is that of its own layer: with statistics of the first batch as running ones, evaluating that
/// batch is training on it.
#[test]
fn statistics_go_to_the_layers_that_saw_them() {
    fn check<C: ModelConfig>(config: &C) {
        let training = Device::flex().autodiff();
        let model = config.init_with_seed(3, &training).unwrap();
        let [channels, height, width] = config.input().dims();
        let images = Tensor::<4>::random([4, channels, height, width], Distribution::Uniform(0.0, 1.0), &training);
        let TrainingOutput { logits, statistics } = model.forward_training(images.clone());
        let found = values_of(&model.update_running(statistics, 1.0).forward(images));
        let largest = found.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.iter().zip(values_of(&logits)) {
            assert!((found - expected).abs() <= 1e-3 * largest, "{}: {found} {expected}", C::KIND);
        }
    }
    check(&VggConfig { dropout: 0.0, ..tiny_vgg() });
    check(&tiny_resnet(ResNetConfig::resnet18()));
    check(&tiny_resnet(ResNetConfig::resnet50()));
    check(&MobileNetConfig { dropout: 0.0, ..MobileNetConfig::v3_small().small() });
}

#[test]
fn the_last_map_gives_the_logits() {
    let device = Device::flex();
    let images = Tensor::<4>::random([2, 1, 28, 28], Distribution::Uniform(0.0, 1.0), &device);
    macro_rules! check {
        ($config:expr) => {
            let model = $config.init_with_seed(1, &device).unwrap();
            let map = model.feature_map(images.clone());
            assert_eq!(values_of(&model.forward_from_features(map)), values_of(&model.forward(images.clone())));
        };
    }
    check!(tiny_vgg());
    check!(tiny_resnet(ResNetConfig::resnet50()));
    check!(tiny_swin());
    check!(MobileNetConfig::v3_small().small());
}

#[test]
fn the_rows_of_the_attention_sum_to_one() {
    let device = Device::flex();
    let images = Tensor::<4>::random([2, 1, 28, 28], Distribution::Uniform(0.0, 1.0), &device);
    let model = tiny_vit().init_with_seed(1, &device).unwrap();
    let trace = model.forward_traced(images.clone());
    assert_eq!(values_of(&trace.logits), values_of(&model.forward(images)));
    assert_eq!(trace.attentions.len(), 2);
    for attention in trace.attentions {
        assert_eq!(attention.dims(), [2, 3, 50, 50]);
        assert!(values_of(&attention.sum_dim(3)).iter().all(|sum| (sum - 1.0).abs() < 1e-5));
    }
}

/// A `state_dict` that fits, made from the network's own names.
fn state_dict<C: TorchvisionConfig>(config: &C) -> State {
    let own = state_of(&config.init_with_seed(4, &Device::flex()).unwrap());
    let table = config.torchvision();
    assert_eq!(table.tensors.len(), own.len(), "{}", C::KIND);
    let there = table.tensors.iter().map(|tensor| {
        let mut host = own[&tensor.name].clone();
        if tensor.transposed {
            host.shape.reverse();
        }
        (tensor.key.clone(), host)
    });
    let there: State = there.collect();
    assert_eq!(there.len(), own.len(), "{}: a key stands for one tensor", C::KIND);
    there
}

#[test]
fn every_tensor_has_a_name_in_torchvision() {
    fn check<C: TorchvisionConfig>(config: &C) {
        let bytes = state_to_safetensors(&state_dict(config), "none", String::new()).unwrap();
        config.load_torchvision(&bytes, &Device::flex()).unwrap();
    }
    check(&tiny_vgg());
    check(&tiny_resnet(ResNetConfig::resnet18()));
    check(&tiny_resnet(ResNetConfig::resnet50()));
    check(&tiny_vit());
    check(&tiny_swin());
    check(&MobileNetConfig::v3_small().small());
}

#[test]
fn a_state_dict_that_does_not_fit_is_refused_by_name_and_shape() {
    let config = tiny_resnet(ResNetConfig::resnet18());
    let refused = |change: &dyn Fn(&mut State)| -> String {
        let mut state = state_dict(&config);
        change(&mut state);
        let bytes = state_to_safetensors(&state, "none", String::new()).unwrap();
        config.load_torchvision(&bytes, &Device::flex()).unwrap_err().to_string()
    };
    let said = refused(&|state| drop(state.remove("layer2.0.conv1.weight")));
    let expected = "the tensor layer2.0.conv1.weight, the network's stages.1.0.spatial.convolution.weight, is missing; the \
                    network expects [16, 8, 3, 3]";
    assert_eq!(said, expected);
    let said = refused(&|state| state.get_mut("fc.weight").unwrap().shape.reverse());
    assert_eq!(said, "the tensor fc.weight, the network's head.weight, has shape [64, 10], expected [10, 64]");
    let extra = HostTensor { shape: vec![2, 3], values: vec![0.0; 6] };
    let said = refused(&|state| drop(state.insert("layer5.0.conv1.weight".to_owned(), extra.clone())));
    assert_eq!(said, "the tensor layer5.0.conv1.weight of shape [2, 3] belongs to no part of the network");
    let vgg = state_to_safetensors(&state_dict(&tiny_vgg()), "none", String::new()).unwrap();
    let error = config.load_torchvision(&vgg, &Device::flex()).unwrap_err();
    assert!(matches!(&error, TorchvisionError::Missing { key, .. } if key == "conv1.weight"), "{error}");
    assert!(config.load_torchvision(b"no safetensors", &Device::flex()).is_err());
}

#[test]
fn sizes_that_do_not_fit_are_refused_by_key() {
    fn refused(config: &impl ModelConfig, expected: &str) {
        let error = config.init_for_loading(&Device::flex()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    refused(&VitConfig { patch: 5, ..tiny_vit() }, "patch is 5, expected a divisor of 28 and 28");
    refused(&VitConfig { heads: 5, ..tiny_vit() }, "heads is 5, expected a divisor of the width 24");
    refused(&SwinConfig { window: 4, ..tiny_swin() }, "window is 4, expected a divisor of 14 and 14");
    refused(&SwinConfig { patch: 4, ..tiny_swin() }, "patch is 4, expected patches whose grid can be halved");
    refused(&VggConfig { stages: vec![vec![8], vec![]], ..tiny_vgg() }, "stages.1 is empty");
    let mut narrowing = ResNetConfig::resnet20();
    narrowing.stages[2].channels = 8;
    refused(&narrowing, "stages.2.channels is 8, expected at least the 32 of the stage before");
}
