//! The network rebuilt in PyTorch from docs/model.md gives the same logits, where Python and torch are present.

use std::path::Path;
use std::process::Command;

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use tinylsa_model::{
    AttentionConfig, AttentionKind, BranchStart, FeatureMap, HeadKind, HostTensor, ModelFile, State, TinyCnnLsaConfig,
    state_of, state_to_safetensors, values_of, with_state,
};
use tinylsa_random::{Draw, Purpose};

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benchmarks/peers");
const IMAGES: usize = 16;

/// Writes a network with every weight away from zero and one, images, and its logits for them.
fn write_case(folder: &Path, config: &TinyCnnLsaConfig) {
    let device = Device::flex();
    let mut generator = Draw { seed: 9, purpose: Purpose::new("pytorch"), epoch: 0, index: 0 }.generator();
    let model = config.init(&device).unwrap();
    let mut state = state_of(&model);
    for (name, tensor) in &mut state {
        let variance = name.ends_with("running_variance");
        for value in &mut tensor.values {
            let shake: f32 = generator.random_range(-0.05..0.05);
            *value += if variance { shake.abs() } else { shake };
        }
    }
    let model = with_state(model, &state).unwrap();
    let [channels, height, width] = config.input.dims();
    let pixels: Vec<f32> = (0..IMAGES * config.input.values()).map(|_| generator.random_range(0.0..1.0)).collect();
    let shape = vec![IMAGES, channels, height, width];
    let images = Tensor::<4>::from_data(TensorData::new(pixels.clone(), shape.clone()), &device);
    let logits = HostTensor { shape: vec![IMAGES, 10], values: values_of(&model.forward(images)) };
    let case =
        State::from([("images".to_owned(), HostTensor { shape, values: pixels }), ("logits".to_owned(), logits)]);
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    std::fs::write(folder.join("model.safetensors"), model.to_safetensors(&names, "none").unwrap()).unwrap();
    std::fs::write(folder.join("logits.safetensors"), state_to_safetensors(&case, "dataset", String::new()).unwrap())
        .unwrap();
}

#[test]
fn pytorch_gives_the_same_logits() {
    let Some(python) = crate::common::python("torch, numpy, safetensors") else { return };
    let mut strided = TinyCnnLsaConfig::default();
    strided.stages[0].stride = 2;
    strided.stages[0].pool = false;
    let mut softmax = TinyCnnLsaConfig::default();
    softmax.attention.kind = AttentionKind::Softmax;
    let mut softplus = TinyCnnLsaConfig::default();
    softplus.attention.feature_map = FeatureMap::Softplus;
    let colour = TinyCnnLsaConfig {
        input: [3, 20, 36].into(),
        input_mean: vec![0.5, 0.4, 0.3],
        input_deviation: vec![0.2, 0.25, 0.3],
        ..TinyCnnLsaConfig::default()
    };
    // the network of the weights that ship
    let mut two_blocks = TinyCnnLsaConfig { positions: true, closing_blocks: 0, ..TinyCnnLsaConfig::default() };
    two_blocks.attention = AttentionConfig {
        blocks: 2,
        key_width: None,
        mlp_width: 192,
        feature_map: FeatureMap::EluPlusOne,
        local: false,
        branch_start: BranchStart::Random,
        ..two_blocks.attention
    };
    two_blocks.head.kind = HeadKind::Mean;
    let mut gated = TinyCnnLsaConfig { positions: false, ..TinyCnnLsaConfig::default() };
    gated.attention = AttentionConfig {
        key_width: Some(12),
        mlp_width: 0,
        feature_map: FeatureMap::SharpExp,
        gate: true,
        local: true,
        branch_start: BranchStart::ZeroScales,
        ..gated.attention
    };
    gated.closing_blocks = 1;
    gated.head.kind = HeadKind::ClassAttention;
    for config in [TinyCnnLsaConfig::default(), two_blocks, strided, softmax, softplus, colour, gated] {
        let folder = tempfile::tempdir().unwrap();
        write_case(folder.path(), &config);
        let output = Command::new(&python)
            .arg(Path::new(PEERS).join("check_logits.py"))
            .args([folder.path().join("model.safetensors"), folder.path().join("logits.safetensors")])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}
