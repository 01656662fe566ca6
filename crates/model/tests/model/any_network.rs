//! Networks that a config or a file names.

use burn::tensor::Device;
use tinylsa_model::networks::{
    MobileNetConfig, Network, NetworkConfig, NetworkKind, ResNetConfig, SwinConfig, TinyCnnLsa, Vgg, VggConfig,
    VitConfig,
};
use tinylsa_model::{
    Classifier, ConfigOfImages, ImageKeys, ImageShape, ModelConfig, ModelFile, ModelFileError, Precision,
    TinyCnnLsaConfig, model_to_safetensors, state_of,
};

const CLASSES: [&str; 3] = ["a", "b", "c"];

/// Every network, with few weights.
fn configs() -> Vec<NetworkConfig> {
    let keys = ImageKeys {
        input: Some(ImageShape::grey(28, 28)),
        classes: Some(CLASSES.len()),
        mean: Some(vec![0.5]),
        deviation: Some(vec![0.5]),
    };
    let small: [NetworkConfig; 6] = [
        TinyCnnLsaConfig::default().into(),
        VggConfig { stages: vec![vec![8], vec![16]], ..VggConfig::vgg19_small() }.into(),
        ResNetConfig::resnet20().into(),
        MobileNetConfig::v3_small().small().into(),
        VitConfig { width: 24, blocks: 1, mlp_width: 32, ..VitConfig::vit_tiny().small() }.into(),
        SwinConfig { width: 12, ..SwinConfig::swin_small_images() }.into(),
    ];
    small.into_iter().map(|config| config.with_image_keys(keys.clone())).collect()
}

#[test]
fn every_network_comes_back_from_its_file() {
    let device = Device::flex();
    let kinds: Vec<NetworkKind> = configs().iter().map(NetworkConfig::network_kind).collect();
    assert_eq!(kinds, NetworkKind::ALL);
    for config in configs() {
        let network = config.init_with_seed(1, &device).unwrap();
        let bytes = network.to_safetensors(&CLASSES, "none").unwrap();
        let loaded = Network::from_safetensors(&bytes, &device).unwrap();
        assert_eq!(loaded.metadata.config, config);
        assert_eq!(loaded.model.config(), &config);
        assert!(state_of(&loaded.model) == state_of(&network), "{}", config.kind());
        assert_eq!(loaded.to_safetensors(Precision::Single).unwrap(), bytes, "{}", config.kind());
        assert_eq!(config.cost().parameters(), burn::module::Module::num_params(&network) - running(&network));
    }
}

/// Running statistics, which burn counts among the parameters.
fn running(network: &Network) -> usize {
    let state = state_of(network);
    let of_statistics = state.iter().filter(|(name, _)| name.contains("running_"));
    of_statistics.map(|(_, tensor)| tensor.values.len()).sum()
}

#[test]
fn the_file_is_the_one_that_the_network_itself_writes() {
    let (device, config) = (Device::flex(), TinyCnnLsaConfig { classes: 3, ..TinyCnnLsaConfig::default() });
    let own = config.init(&device).unwrap();
    let bytes = own.to_safetensors(&CLASSES, "none").unwrap();
    assert_eq!(Network::from(own).to_safetensors(&CLASSES, "none").unwrap(), bytes);
    let read = TinyCnnLsa::from_safetensors(&bytes, &device).unwrap();
    let any = Network::from_safetensors(&bytes, &device).unwrap();
    assert!(state_of(&read.model) == state_of(&any.model), "the tensors have the same names");
    let metadata = any.metadata.with_config(|config| match config {
        NetworkConfig::TinyCnnLsa(config) => Ok(config),
        other => Err(other.kind()),
    });
    assert_eq!(model_to_safetensors(&read.model, &metadata.unwrap(), Precision::Single).unwrap(), bytes);
}

#[test]
fn files_of_other_and_of_unknown_kinds_are_refused_by_name() {
    let device = Device::flex();
    let network = configs().remove(2).init(&device).unwrap();
    let bytes = network.to_safetensors(&CLASSES, "none").unwrap();
    let error = Vgg::from_safetensors(&bytes, &device).unwrap_err();
    assert!(matches!(&error, ModelFileError::Kind { found, expected: "vgg" } if found == "resnet"), "{error}");

    let place = bytes.windows(6).position(|part| part == b"resnet").unwrap();
    let mut unknown = bytes;
    unknown[place..place + 6].copy_from_slice(b"lstm-2");
    let Err(error) = Network::from_safetensors(&unknown, &device) else { panic!("an unknown kind was read") };
    let text = error.to_string();
    let [others @ .., last] = NetworkKind::NAMES else { panic!("there are no kinds") };
    assert!(text.contains("lstm-2") && text.contains(&format!("{} or {last}", others.join(", "))), "{text}");
}

#[test]
fn keys_that_are_left_out_are_absent_and_make_no_network() {
    for kind in NetworkKind::ALL {
        let left_out = kind.small();
        assert_eq!(left_out.image_keys(), ImageKeys::default(), "{}", kind.name());
        let text = serde_json::to_string(&left_out).unwrap();
        assert!(!text.contains("input") && !text.contains("classes"), "{text}");
        assert!(left_out.validate().unwrap_err().key.starts_with("input"), "{}", kind.name());
        assert_eq!(NetworkKind::named(kind.name()), Some(*kind));
    }
    assert_eq!(NetworkKind::named("lstm"), None);
}
