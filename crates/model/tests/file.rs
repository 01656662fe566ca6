//! A model file describes itself, and a damaged one is refused with a reason.

use burn::tensor::Device;
use safetensors::tensor::{Dtype, TensorView, serialize};
use tinylsa_model::{
    HostTensor, ModelFileError, StateError, TinyCnnLsa, TinyCnnLsaConfig, state_from_safetensors, state_of,
    state_to_safetensors, with_state,
};

fn bytes() -> Vec<u8> {
    TinyCnnLsaConfig::default().init(&Device::flex()).unwrap().to_safetensors(&["bag", "boot"], "made up").unwrap()
}

#[test]
fn a_file_gives_back_the_weights_and_the_config() {
    let device = Device::flex();
    let model = TinyCnnLsaConfig::default().init(&device).unwrap().with_initial_weights(3);
    let bytes = model.to_safetensors(&["bag", "boot"], "made up").unwrap();
    let loaded = TinyCnnLsa::from_safetensors(&bytes, &device).unwrap();
    assert_eq!(state_of(&loaded.model), state_of(&model));
    assert_eq!(&loaded.metadata.model, model.config());
    assert_eq!(loaded.metadata.class_names, ["bag", "boot"]);
    assert_eq!(loaded.metadata.dataset, "made up");
    assert_eq!(loaded.model.to_safetensors(&["bag", "boot"], "made up").unwrap(), bytes);
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
    let (state, text) = state_from_safetensors(&bytes(), "tinylsa").unwrap();
    let damage = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        let bytes = state_to_safetensors(&state, "tinylsa", text.replace(from, to)).unwrap();
        TinyCnnLsa::from_safetensors(&bytes, &Device::flex()).unwrap_err()
    };
    assert!(matches!(damage("\"heads\":4", "\"heads\":5"), ModelFileError::Config(_)));
    assert!(matches!(damage("\"heads\":4", "\"hats\":4"), ModelFileError::Metadata(_)));
    let cold = damage("\"dataset\":", "\"temperature\":0.0,\"dataset\":");
    assert_eq!(cold.to_string(), "the temperature in the metadata is 0, expected a positive number");
    assert!(matches!(damage("\"classes\":10", "\"classes\":9"), ModelFileError::State(StateError::Shape { .. })));
}

#[test]
fn a_state_must_fit_the_module() {
    let model = TinyCnnLsaConfig::default().init(&Device::flex()).unwrap();
    let state = state_of(&model);

    let mut missing = state.clone();
    missing.remove("positions");
    let error = with_state(model.clone(), &missing).unwrap_err();
    assert_eq!(error, StateError::Missing { name: "positions".to_owned() });

    let mut unexpected = state.clone();
    unexpected.insert("zebra".to_owned(), HostTensor { shape: vec![1], values: vec![0.0] });
    let error = with_state(model.clone(), &unexpected).unwrap_err();
    assert_eq!(error, StateError::Unexpected { name: "zebra".to_owned() });

    let mut reshaped = state;
    reshaped.get_mut("positions").unwrap().shape.reverse();
    let error = with_state(model, &reshaped).unwrap_err();
    assert!(error.to_string().starts_with("the tensor positions has shape [96, 49], expected [49, 96]"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = TinyCnnLsa::load(std::path::Path::new("no/such/model.safetensors"), &Device::flex()).unwrap_err();
    assert_eq!(error.to_string(), "failed to read no/such/model.safetensors");
}
