//! A model file describes itself, and a damaged one is refused with a reason.

use std::error::Error;

use burn::tensor::Device;
use safetensors::tensor::{Dtype, TensorView, serialize};
use tinylsa_model::{
    HostTensor, InferenceModel, ModelFile, ModelFileError, State, StateError, TinyCnnLsa, TinyCnnLsaConfig,
    state_from_safetensors, state_of, state_to_safetensors, with_state,
};

const NAMES: [&str; 10] = ["bag", "boot", "cap", "coat", "glove", "hat", "scarf", "shirt", "shoe", "sock"];
/// The key of the description in the metadata.
const KEY: &str = "tinylsa";

fn bytes() -> Vec<u8> {
    TinyCnnLsaConfig::default().init(&Device::flex()).unwrap().to_safetensors(&NAMES, "made up").unwrap()
}

/// The error of a file whose tensors were changed, which every reader must give.
#[track_caller]
fn refused(change: impl Fn(&mut State)) -> String {
    let (mut state, text) = state_from_safetensors(&bytes(), KEY).unwrap();
    change(&mut state);
    refused_bytes(&state_to_safetensors(&state, KEY, text).unwrap())
}

/// The error of a file with another description.
#[track_caller]
fn refused_description(from: &str, to: &str) -> String {
    let (state, text) = state_from_safetensors(&bytes(), KEY).unwrap();
    assert!(text.contains(from), "{text}");
    refused_bytes(&state_to_safetensors(&state, KEY, text.replace(from, to)).unwrap())
}

/// An error and its causes.
fn chain(error: &ModelFileError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[track_caller]
fn refused_bytes(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let device = Device::flex();
    let errors = [
        chain(&TinyCnnLsa::from_safetensors(bytes, &device).unwrap_err()),
        chain(&InferenceModel::from_safetensors(bytes).unwrap_err()),
        chain(&TinyCnnLsa::load(&path, &device).unwrap_err()),
        chain(&InferenceModel::load(&path).unwrap_err()),
    ];
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    errors[0].clone()
}

#[test]
fn a_file_gives_back_the_weights_and_the_config() {
    let device = Device::flex();
    let model = TinyCnnLsaConfig::default().init(&device).unwrap().with_initial_weights(3);
    let bytes = model.to_safetensors(&NAMES, "made up").unwrap();
    let loaded = TinyCnnLsa::from_safetensors(&bytes, &device).unwrap();
    assert_eq!(state_of(&loaded.model), state_of(&model));
    assert_eq!(&loaded.metadata.config, model.config());
    assert_eq!(loaded.metadata.class_names, NAMES);
    assert_eq!(loaded.metadata.dataset, "made up");
    assert_eq!(loaded.model.to_safetensors(&NAMES, "made up").unwrap(), bytes);
}

#[test]
fn damaged_bytes_are_refused() {
    let device = Device::flex();
    let whole = bytes();
    for damaged in [&whole[..0], &whole[..4], &whole[..100], &whole[..whole.len() - 1], b"not a model file at all"] {
        let error = TinyCnnLsa::from_safetensors(damaged, &device).unwrap_err();
        assert!(matches!(error, ModelFileError::Format(_)), "{error}");
    }
}

/// A weight that is another finite number is known by the checksum alone.
#[test]
fn changed_contents_are_refused_and_a_file_without_a_checksum_is_read() {
    let whole = bytes();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    let error = refused_bytes(&changed);
    assert!(error.starts_with("the file is damaged: the contents have SHA-256 "), "{error}");
    assert!(refused_description("made up", "made in").starts_with("the file is damaged"));

    let (state, text) = state_from_safetensors(&whole, KEY).unwrap();
    let unsealed = text.replace(&text[1..text.find("\"kind\"").unwrap()], "");
    let loaded =
        TinyCnnLsa::from_safetensors(&state_to_safetensors(&state, KEY, unsealed).unwrap(), &Device::flex()).unwrap();
    assert_eq!(state_of(&loaded.model), state);
    assert_eq!(loaded.model.to_safetensors(&NAMES, "made up").unwrap(), whole);
}

#[test]
fn a_file_of_another_program_is_refused() {
    let values = [0_u8; 8];
    let halves = TensorView::new(Dtype::F16, vec![4], &values).unwrap();
    let bytes = serialize([("weight", halves)], None).unwrap();
    let error = TinyCnnLsa::from_safetensors(&bytes, &Device::flex()).unwrap_err();
    assert!(matches!(error, ModelFileError::NoMetadata), "{error}");

    let integers = TensorView::new(Dtype::I16, vec![4], &values).unwrap();
    let metadata = std::collections::HashMap::from([("key".to_owned(), String::new())]);
    let bytes = serialize([("weight", integers)], Some(metadata)).unwrap();
    let error = state_from_safetensors(&bytes, "key").unwrap_err();
    assert_eq!(error.to_string(), "the tensor weight holds I16, expected F32 or F16");
}

#[test]
fn metadata_out_of_range_is_refused() {
    let check = |from: &str, to: &str, expected: &str| {
        let error = refused_description(from, to);
        assert!(error.contains(expected), "{error}");
    };
    check("\"kind\":\"tinycnn-lsa\"", "\"kind\":\"vit\"", "a network of the kind \"vit\", expected \"tinycnn-lsa\"");
    check("\"kind\":\"tinycnn-lsa\",", "", "does not name the kind of the network, expected \"tinycnn-lsa\"");
    check("\"input_mean\":[0.286]", "\"input_mean\":[]", "input_mean is a list of 0, expected one number for each");
    check("\"heads\":4", "\"heads\":5", "the model's config is invalid: attention.heads is 5");
    check("\"heads\":4", "\"hats\":4", "does not hold a model's description: unknown field `hats`");
    for temperature in ["0.0", "-1.0", "1e-300", "5e-324", "1e300", "0.0099"] {
        let to = format!("\"temperature\":{temperature},\"dataset\":");
        check("\"dataset\":", &to, "expected 0.01 to 100");
    }
    check("\"dataset\":", "\"held_out\":{\"images\":0,\"seed\":0},\"dataset\":", "held_out.images is 0");
    check("\"classes\":10", "\"classes\":9", "the metadata names 10 classes, but the model has 9");
    check("\"boot\"", "\"bag\"", "the metadata names class 1 \"bag\", expected a name that no other class has");
    check("\"boot\"", "\"bo\\u0007ot\"", "expected a name without control characters");
    check("\"boot\"", "\" \"", "expected a name that is not empty");
    check("\"sock\"]", "\"sock\",\"extra\"]", "the metadata names 11 classes, but the model has 10");
}

#[test]
fn a_description_of_other_tensors_is_refused() {
    let check = |from: &str, to: &str, expected: &str| {
        let error = refused_description(from, to);
        assert!(error.starts_with("the weights do not fit the model's config: "), "{error}");
        assert!(error.contains(expected), "{error}");
    };
    check("\"key_width\":12", "\"key_width\":16", "blocks.0.query_key_value.bias has shape [184], expected [216]");
    check("\"mlp_width\":0", "\"mlp_width\":4096", "the tensor blocks.0.contract.bias is missing");
    check("\"blocks\":1", "\"blocks\":16", "the tensor blocks.1.attention_norm.beta is missing");
    check("\"blocks\":1", "\"blocks\":0", "the tensor blocks.0.attention_norm.beta belongs to no part");
    check("\"channels\":88", "\"channels\":1024", "has shape [88], expected [1024]");
}

/// The kind of `huge.safetensors`: a few bytes that describe a network of gigabytes, for which nothing may be allocated.
#[test]
fn a_small_file_that_describes_a_huge_network_is_refused() {
    let (mut state, text) = state_from_safetensors(&bytes(), KEY).unwrap();
    state.retain(|name, _| name == "norm.beta");
    let described = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        refused_bytes(&state_to_safetensors(&state, KEY, text.replace(from, to)).unwrap())
    };
    let list = &text[text.find("\"stages\"").unwrap()..text.find("\"attention\"").unwrap()];
    let replaced = |count: usize, channels: usize, blocks: usize| {
        let stage = format!("{{\"channels\":{channels},\"stride\":1,\"residual_blocks\":{blocks},\"pool\":false}}");
        described(list, &format!("\"stages\":[{}],", vec![stage; count].join(",")))
    };
    assert!(replaced(1, 1024, 5).contains("is missing"));
    let error = replaced(16, 1024, 16);
    assert!(error.contains("parameters, expected at most 268435456"), "{error}");
    let error = replaced(17, 8, 0);
    assert!(error.contains("stages is a list of 17, expected at most 16 stages"), "{error}");
    let error = described("\"mlp_width\":0", "\"mlp_width\":1000000000");
    assert!(error.contains("attention.mlp_width is 1000000000, expected 0 to 4096"), "{error}");
}

#[test]
fn values_that_no_network_can_compute_with_are_refused_wherever_they_stand() {
    let poked =
        |name: &str, index: usize, value: f32| refused(|state| state.get_mut(name).unwrap().values[index] = value);
    let names: Vec<String> = state_from_safetensors(&bytes(), KEY).unwrap().0.into_keys().collect();
    let kinds = [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")];
    for (name, (value, said)) in names.iter().zip(kinds.into_iter().cycle()) {
        let error = poked(name, 0, value);
        let expected = format!("the tensor {name} holds {said} at [0");
        assert!(error.starts_with(&expected) && error.ends_with("expected a finite number"), "{error}");
    }
    let error = poked("stages.1.residual.0.first.weight", 64 * 64 * 9 - 1, f32::NAN);
    assert!(error.starts_with("the tensor stages.1.residual.0.first.weight holds NaN at [63, 63, 2, 2]"), "{error}");
    let error = poked("stages.2.entry.running_variance", 5, -1e-9);
    let expected = "the tensor stages.2.entry.running_variance holds -1e-9 at [5], expected a variance of at least 0";
    assert_eq!(error, expected);
}

#[test]
fn weights_that_overflow_when_the_normalisation_is_folded_in_are_refused() {
    let error = refused(|state| {
        state.get_mut("stages.0.residual.0.first.running_variance").unwrap().values[2] = 0.0;
        state.get_mut("stages.0.residual.0.first.gamma").unwrap().values[2] = 1e38;
        state.get_mut("stages.0.residual.0.first.weight").unwrap().values[2 * 288 + 7] = 2.0;
    });
    let expected = "the tensor stages.0.residual.0.first.weight holds ";
    let reason = "expected a number that stays finite when the batch normalisation is folded in";
    assert!(error.starts_with(expected) && error.contains(" at [2, ") && error.ends_with(reason), "{error}");
    let error = refused(|state| {
        state.get_mut("stages.2.entry.running_mean").unwrap().values[1] = -3e38;
        state.get_mut("stages.2.entry.running_variance").unwrap().values[1] = 0.0;
    });
    assert_eq!(error, format!("the tensor stages.2.entry.beta holds 0.0 at [1], {reason}"));
}

#[test]
fn what_would_be_refused_is_not_written() {
    let model = TinyCnnLsaConfig::default().init(&Device::flex()).unwrap();
    let error = model.to_safetensors(&NAMES[..9], "made up").unwrap_err();
    assert!(matches!(error, ModelFileError::ClassCount { found: 9, expected: 10 }), "{error}");
    let mut state = state_of(&model);
    state.get_mut("head.bias").unwrap().values[9] = f32::NAN;
    let error = with_state(model, &state).unwrap().to_safetensors(&NAMES, "made up").unwrap_err();
    assert_eq!(error.to_string(), "the tensor head.bias holds NaN at [9], expected a finite number");
}

#[test]
fn bytes_behind_the_last_tensor_are_refused() {
    let longer = [bytes(), vec![0; 3]].concat();
    assert_eq!(refused_bytes(&longer), refused_bytes(&[longer.clone(), vec![7]].concat()));
}

#[test]
fn a_state_must_fit_the_module() {
    let model = TinyCnnLsaConfig::default().init(&Device::flex()).unwrap();
    let state = state_of(&model);

    let mut missing = state.clone();
    missing.remove("class_attention.queries");
    let error = with_state(model.clone(), &missing).unwrap_err();
    assert_eq!(error, StateError::Missing { name: "class_attention.queries".to_owned() });

    let mut unexpected = state.clone();
    unexpected.insert("zebra".to_owned(), HostTensor { shape: vec![1], values: vec![0.0] });
    let error = with_state(model.clone(), &unexpected).unwrap_err();
    assert_eq!(error, StateError::Unexpected { name: "zebra".to_owned() });

    let mut reshaped = state;
    reshaped.get_mut("blocks.0.projection.weight").unwrap().shape = vec![44, 176];
    let error = with_state(model, &reshaped).unwrap_err();
    assert!(
        error.to_string().starts_with("the tensor blocks.0.projection.weight has shape [44, 176], expected [88, 88]"),
        "{error}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = TinyCnnLsa::load(std::path::Path::new("no/such/model.safetensors"), &Device::flex()).unwrap_err();
    assert_eq!(error.to_string(), "failed to read no/such/model.safetensors");
}
