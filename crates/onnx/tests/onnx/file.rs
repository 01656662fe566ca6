//! What is in a file, and which networks are refused.

use std::collections::BTreeSet;

use rten::Model;
use serde_json::{Value as Json, json};
use tinylsa_model::burn::tensor::Device;
use tinylsa_model::networks::{NetworkConfig, NetworkKind};
use tinylsa_model::{
    Classifier, ConfigOfImages, ImageKeys, ImageShape, ModelConfig, ModelMetadata, State, TinyCnnLsaConfig, state_of,
    with_owned_state,
};
use tinylsa_onnx::proto::{Length, ModelProto, TENSOR_FLOAT};
use tinylsa_onnx::{IR_VERSION, OPSET, OnnxError, OnnxOptions, to_onnx, to_proto};

use crate::common::{file, metadata, shaken};

const SHOWN: OnnxOptions = OnnxOptions { attention: true };

fn default_network() -> NetworkConfig {
    TinyCnnLsaConfig::default().into()
}

/// The smaller ones of the forms for small images.
fn small_networks() -> Vec<NetworkConfig> {
    let keys = ImageKeys {
        input: Some(ImageShape::grey(28, 28)),
        classes: Some(3),
        mean: Some(vec![0.5]),
        deviation: Some(vec![0.5]),
    };
    let small = |kind: &NetworkKind| kind.small().with_image_keys(keys.clone());
    NetworkKind::ALL.iter().map(small).filter(|config| config.cost().parameters() < 6_000_000).collect()
}

#[test]
fn the_same_network_gives_the_same_bytes() {
    for config in small_networks() {
        let network = shaken(&config);
        let bytes = file(&network, false);
        assert!(bytes == file(&network, false), "{}", config.kind());
        assert!(bytes == file(&shaken(&config), false), "{}", config.kind());
    }
    let network = shaken(&default_network());
    assert!(file(&network, true) == file(&network, true));
    assert!(file(&network, true) != file(&network, false));
}

#[test]
fn every_name_is_given_once_and_before_it_is_used() {
    for config in small_networks() {
        let has_attention = config != config_without_attention(&config);
        let options = OnnxOptions { attention: has_attention };
        let graph = to_proto(&shaken(&config), &metadata(&config), options).unwrap().graph.unwrap();
        let mut known = BTreeSet::from(["images".to_owned()]);
        let mut add = |name: &str| assert!(known.insert(name.to_owned()), "{}: {name} twice", config.kind());
        graph.initializer.iter().for_each(|tensor| add(&tensor.name));
        let mut nodes = BTreeSet::new();
        for node in &graph.node {
            assert!(nodes.insert(&node.name), "{}: two nodes {}", config.kind(), node.name);
            let input = node.input.iter().find(|input| !known.contains(*input));
            assert_eq!(input, None, "{}: {} of {}", config.kind(), node.op_type, node.name);
            let is_new = node.output.iter().all(|output| known.insert(output.clone()));
            assert!(is_new, "{}: {} gives a name twice", config.kind(), node.name);
        }
        let used: BTreeSet<&String> = graph.node.iter().flat_map(|node| &node.input).collect();
        let idle = graph.initializer.iter().find(|tensor| !used.contains(&tensor.name));
        assert_eq!(idle.map(|tensor| &tensor.name), None, "{}", config.kind());
        assert!(graph.output.iter().all(|output| known.contains(&output.name)));
    }
}

/// The same config if its network has no attention, otherwise another.
fn config_without_attention(config: &NetworkConfig) -> NetworkConfig {
    match config {
        NetworkConfig::Vgg(_) | NetworkConfig::ResNet(_) | NetworkConfig::MobileNet(_) => config.clone(),
        NetworkConfig::TinyCnnLsa(_) | NetworkConfig::Vit(_) | NetworkConfig::Swin(_) => {
            config.clone().with_image_keys(ImageKeys::default())
        }
    }
}

#[test]
fn the_tensors_are_those_of_the_network() {
    let network = shaken(&default_network());
    let graph = to_proto(&network, &metadata(network.config()), SHOWN).unwrap().graph.unwrap();
    let mut state = state_of(&network);
    for tensor in graph.initializer.iter().filter(|tensor| tensor.data_type == TENSOR_FLOAT) {
        let Some(host) = state.remove(&tensor.name) else { continue };
        let values: Vec<f32> =
            tensor.raw_data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
        let dims: Vec<usize> = tensor.dims.iter().map(|&length| length as usize).collect();
        if tensor.name == "blocks.0.local.weight" {
            assert_eq!((dims, host.shape), (vec![88, 1, 3, 3], vec![1, 3, 3, 88]));
            // the filter of column 5, in row 1 and column 2
            assert_eq!(values[5 * 9 + 5].to_bits(), host.values[5 * 88 + 5].to_bits());
        } else {
            assert_eq!((dims, values), (host.shape, host.values), "{}", tensor.name);
        }
    }
    assert_eq!(state, State::new(), "tensors that no operation holds");
}

fn property(model: &ModelProto, key: &str) -> String {
    let found: Vec<&str> =
        model.metadata_props.iter().filter(|entry| entry.key == key).map(|entry| entry.value.as_str()).collect();
    assert_eq!(found.len(), 1, "{key}");
    found[0].to_owned()
}

fn json_of(model: &ModelProto, key: &str) -> Json {
    serde_json::from_str(&property(model, key)).unwrap()
}

#[test]
fn a_file_says_what_it_is() {
    let network = shaken(&default_network());
    let metadata = ModelMetadata { temperature: Some(0.75), ..metadata(network.config()) };
    let model = to_proto(&network, &metadata, SHOWN).unwrap();
    assert_eq!((model.ir_version, model.opset_import[0].version), (IR_VERSION, OPSET));
    assert_eq!((IR_VERSION, OPSET), (8, 18));
    assert_eq!(property(&model, "kind"), "tinycnn-lsa");
    let config: TinyCnnLsaConfig = serde_json::from_str(&property(&model, "config")).unwrap();
    assert_eq!(NetworkConfig::from(config), metadata.config);
    assert_eq!(json_of(&model, "class_names"), json!(metadata.class_names));
    assert_eq!((property(&model, "dataset"), property(&model, "temperature")), ("drawn".to_owned(), "0.75".to_owned()));
    let input = json_of(&model, "input");
    assert_eq!((&input["name"], &input["least"], &input["most"]), (&json!("images"), &json!(0), &json!(1)));
    assert_eq!(input["shape"], json!(["batch", 1, 28, 28]));
    let attention = json_of(&model, "attention");
    assert_eq!(attention["layers"], json!([{"output": "attention.0", "block": "blocks.0"}]));
    assert_eq!((&attention["tokens"]["rows"], &attention["tokens"]["prefix"]), (&json!(7), &json!(0)));

    // the types that other programs go by
    let graph = model.graph.unwrap();
    let lengths = |value: &tinylsa_onnx::proto::ValueInfoProto| -> Vec<Length> {
        let tensor = value.r#type.as_ref().unwrap().tensor_type.as_ref().unwrap();
        tensor.shape.as_ref().unwrap().dim.iter().map(|dim| dim.value.clone().unwrap()).collect()
    };
    let of_images = |dims: &[i64]| -> Vec<Length> {
        let fixed = dims.iter().map(|&length| Length::Fixed(length));
        std::iter::once(Length::Named("batch".to_owned())).chain(fixed).collect()
    };
    assert_eq!(lengths(&graph.input[0]), of_images(&[1, 28, 28]));
    let shapes: Vec<_> = graph.output.iter().map(|output| (output.name.as_str(), lengths(output))).collect();
    let expected = [
        ("logits", of_images(&[10])),
        ("attention.0", of_images(&[4, 49, 49])),
        ("class_attention", of_images(&[10, 49])),
        ("class_evidence", of_images(&[10, 49])),
    ];
    assert_eq!(shapes, expected);

    // another reader finds the same
    let read = Model::load(to_onnx(&network, &metadata, SHOWN).unwrap()).unwrap();
    assert_eq!(read.metadata().producer_name(), Some("tinylsa"));
    assert_eq!(read.metadata().get("kind"), Some("tinycnn-lsa"));
    let plain = to_proto(&network, &metadata, OnnxOptions::default()).unwrap();
    assert!(plain.metadata_props.iter().all(|entry| entry.key != "attention"));
}

#[test]
fn attention_of_a_network_without_any_is_refused() {
    for config in small_networks() {
        let refused = to_onnx(&shaken(&config), &metadata(&config), SHOWN);
        match config {
            NetworkConfig::Vgg(_) | NetworkConfig::ResNet(_) | NetworkConfig::MobileNet(_) => {
                let error = refused.unwrap_err();
                assert!(matches!(error, OnnxError::NoAttention { kind } if kind == config.kind()), "{error}");
            }
            NetworkConfig::TinyCnnLsa(_) | NetworkConfig::Vit(_) | NetworkConfig::Swin(_) => drop(refused.unwrap()),
        }
    }
}

#[test]
fn a_description_of_another_network_and_weights_that_are_not_finite_are_refused() {
    let config = default_network();
    let network = config.init(&Device::flex()).unwrap();
    let other = TinyCnnLsaConfig { closing_blocks: 0, ..TinyCnnLsaConfig::default() };
    let error = to_onnx(&network, &metadata(&other.into()), SHOWN).unwrap_err();
    assert!(matches!(error, OnnxError::Model(tinylsa_model::ModelFileError::OtherConfig)), "{error}");

    let mut names = metadata(&config);
    names.class_names.pop();
    let error = to_onnx(&network, &names, SHOWN).unwrap_err();
    assert!(matches!(error, OnnxError::Model(tinylsa_model::ModelFileError::ClassCount { .. })), "{error}");

    let mut state = state_of(&network);
    state.get_mut("head.weight").unwrap().values[3] = f32::NAN;
    let broken = with_owned_state(network, state).unwrap();
    let error = to_onnx(&broken, &metadata(&config), SHOWN).unwrap_err();
    assert!(matches!(error, OnnxError::Model(tinylsa_model::ModelFileError::Value { .. })), "{error}");
}
