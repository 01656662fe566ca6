//! torchvision's models with the same weights give the same logits, where Python and torchvision are present.

use std::path::Path;
use std::process::Command;

use burn::tensor::{Device, Tensor, TensorData};
use tinylsa_model::networks::{MobileNetConfig, ResNetConfig, SwinConfig, TorchvisionConfig, VggConfig, VitConfig};
use tinylsa_model::{Classifier, state_from_safetensors, values_of};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benchmarks/peers/torchvision_case.py");
/// Of the largest logit.
const TOLERANCE: f32 = 1e-4;
const MODULES: &str = "torch, torchvision, safetensors";

fn check<C: TorchvisionConfig>(python: &str, name: &str, config: &C) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(python).arg(Path::new(SCRIPT)).arg(name).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let device = Device::flex();
    let weights = std::fs::read(folder.path().join("state.safetensors")).unwrap();
    let model = config.load_torchvision(&weights, &device).unwrap();
    let case = std::fs::read(folder.path().join("case.safetensors")).unwrap();
    let (mut case, _) = state_from_safetensors(&case, "case").unwrap();
    let [images, expected] = ["images", "logits"].map(|name| case.remove(name).unwrap());
    let images = Tensor::<4>::from_data(TensorData::new(images.values, images.shape), &device);
    let found = values_of(&model.forward(images));
    assert_eq!(found.len(), expected.values.len(), "{name}");
    let largest = expected.values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let difference =
        found.iter().zip(&expected.values).fold(0.0_f32, |largest, (found, value)| largest.max((found - value).abs()));
    crate::common::say(&format!("{name}: {:.1e} of the largest logit", difference / largest));
    assert!(difference <= TOLERANCE * largest, "{name}: {difference} of {largest}");
}

#[test]
fn torchvision_gives_the_same_logits() {
    let Some(python) = crate::common::python(MODULES) else { return };
    let python = python.as_str();
    check(python, "vgg19-small", &VggConfig::vgg19_small());
    check(python, "resnet18", &ResNetConfig::resnet18());
    check(python, "resnet18-small", &ResNetConfig::resnet18().small());
    check(python, "resnet50", &ResNetConfig::resnet50());
    check(python, "resnet50-small", &ResNetConfig::resnet50().small());
    check(python, "vit-tiny-small", &VitConfig::vit_tiny().small());
    check(python, "swin-t", &SwinConfig::swin_t());
    check(python, "swin-small", &SwinConfig::swin_small_images());
    check(python, "mobilenet-v3-small", &MobileNetConfig::v3_small());
    check(python, "mobilenet-v3-small-small", &MobileNetConfig::v3_small().small());
}

/// Hundreds of megabytes each.
#[test]
#[ignore = "takes a gigabyte of memory and minutes"]
fn torchvision_gives_the_same_logits_of_the_largest() {
    let python = crate::common::python(MODULES).expect("a Python with torchvision");
    check(&python, "vgg19", &VggConfig::vgg19(false));
    check(&python, "vgg19-bn", &VggConfig::vgg19(true));
    check(&python, "vit-b16", &VitConfig::vit_b16());
}
