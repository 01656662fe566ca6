//! The files of all networks, read by another runtime.

use tinylsa_model::networks::{
    MobileNetConfig, NetworkConfig, ResNetConfig, ResNetStem, SwinConfig, SwinStageConfig, VggConfig, VitConfig,
};
use tinylsa_model::{
    AttentionConfig, AttentionKind, BranchStart, Classifier, FeatureMap, HeadConfig, HeadKind, ImageShape, ModelConfig,
    StageConfig, TinyCnnLsaConfig,
};

use crate::common::{Outputs, file, ours, shaken, theirs};

/// As a share of the largest logit.
const LOGITS: f32 = 1e-5;
/// Of a matrix whose rows sum to 1.
const ATTENTION: f32 = 1e-6;
/// The same with the feature map `relu`: where queries or keys are all negative, only a thousandth is left of each feature, so
/// that rounding in the seventh place of a projection near 0 is one in the fourth place of the feature.
const RELU_ATTENTION: f32 = 1e-5;
/// The same behind many blocks, whose rounding the scores of the later ones carry on.
const DEEP_ATTENTION: f32 = 4e-6;

/// Compares the outputs of a network's file with the network itself, with 1 image and with 5.
#[track_caller]
fn check(config: impl Into<NetworkConfig>, expected: &[&str]) {
    check_to(config, expected, ATTENTION);
}

#[track_caller]
fn check_to(config: impl Into<NetworkConfig>, expected: &[&str], attention: f32) {
    let config: NetworkConfig = config.into();
    let network = shaken(&config);
    let shown = file(&network, !expected.is_empty());
    for count in [1, 5] {
        let (ours, theirs) = (ours(&network, count), theirs(shown.clone(), config.input(), count));
        let mut names: Vec<&str> = theirs.keys().map(String::as_str).filter(|&name| name != "logits").collect();
        names.sort_unstable();
        assert_eq!(names, expected);
        compare(&ours, &theirs, attention);
    }
    // the logits of a graph that shows nothing else are the same
    let alone = theirs(file(&network, false), config.input(), 5);
    assert_eq!(alone.len(), 1);
    assert_eq!(network.config(), &config);
    compare(&ours(&network, 5), &alone, attention);
}

#[expect(clippy::print_stderr, reason = "how far apart two programs are is worth knowing")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[track_caller]
fn compare(ours: &Outputs, theirs: &Outputs, attention: f32) {
    for (name, found) in theirs {
        let expected = &ours[name];
        let apart = found.apart(expected);
        let bound = match name.as_str() {
            "logits" | "class_evidence" => LOGITS * ours["logits"].largest(),
            _ => attention,
        };
        say(&format!("{name}: {apart:.1e} apart, at most {bound:.1e}, the largest {:.1e}", expected.largest()));
        assert!(expected.largest() > 0.0, "{name}");
        assert!(apart <= bound, "{name}: {apart:e} apart, expected at most {bound:e}");
    }
}

/// A small network of two stages, and two blocks of four heads on a grid of 7 × 7.
fn tiny() -> TinyCnnLsaConfig {
    let stage = |channels, stride, residual_blocks, pool| StageConfig { channels, stride, residual_blocks, pool };
    TinyCnnLsaConfig {
        classes: 4,
        stages: vec![stage(8, 2, 0, true), stage(16, 1, 1, false)],
        attention: AttentionConfig { blocks: 2, key_width: Some(6), ..AttentionConfig::default() },
        head: HeadConfig { key_width: 8, ..HeadConfig::default() },
        ..TinyCnnLsaConfig::default()
    }
}

const OF_TWO_BLOCKS: [&str; 4] = ["attention.0", "attention.1", "class_attention", "class_evidence"];

fn with_attention(change: impl FnOnce(&mut AttentionConfig)) -> TinyCnnLsaConfig {
    let mut config = tiny();
    change(&mut config.attention);
    config
}

#[test]
fn the_default_network() {
    check(TinyCnnLsaConfig::default(), &["attention.0", "class_attention", "class_evidence"]);
}

#[test]
fn every_feature_map() {
    let maps = [FeatureMap::EluPlusOne, FeatureMap::Relu, FeatureMap::Softplus, FeatureMap::Exp, FeatureMap::SharpExp];
    for feature_map in maps {
        say(&format!("{feature_map:?}"));
        let bound = if feature_map == FeatureMap::Relu { RELU_ATTENTION } else { ATTENTION };
        check_to(with_attention(|attention| attention.feature_map = feature_map), &OF_TWO_BLOCKS, bound);
    }
}

#[test]
fn softmax_attention() {
    check(with_attention(|attention| attention.kind = AttentionKind::Softmax), &OF_TWO_BLOCKS);
}

#[test]
fn every_part_of_a_block() {
    check(
        with_attention(|attention| {
            (attention.gate, attention.local, attention.mlp_width) = (true, true, 24);
            attention.branch_start = BranchStart::ZeroScales;
        }),
        &OF_TWO_BLOCKS,
    );
    check(
        with_attention(|attention| {
            (attention.gate, attention.local, attention.key_width) = (true, false, None);
            attention.branch_start = BranchStart::Random;
        }),
        &OF_TWO_BLOCKS,
    );
}

#[test]
fn positions_closing_blocks_and_the_mean_of_the_tokens() {
    let head = HeadConfig { kind: HeadKind::Mean, ..HeadConfig::default() };
    let config = TinyCnnLsaConfig { positions: true, closing_blocks: 2, head, ..tiny() };
    check(config.clone(), &["attention.0", "attention.1", "class_evidence"]);
    check(TinyCnnLsaConfig { closing_blocks: 0, ..config }, &["attention.0", "attention.1", "class_evidence"]);
}

#[test]
fn no_block_of_attention() {
    check(with_attention(|attention| attention.blocks = 0), &["class_attention", "class_evidence"]);
}

#[test]
fn colour_images_that_are_wider_than_high() {
    let config = TinyCnnLsaConfig {
        input: ImageShape { channels: 3, height: 16, width: 24 },
        input_mean: vec![0.4, 0.5, 0.6],
        input_deviation: vec![0.2, 0.3, 0.4],
        ..tiny()
    };
    check(config, &OF_TWO_BLOCKS);
}

#[test]
fn vgg() {
    let config =
        VggConfig { stages: vec![vec![8, 8], vec![16]], hidden: vec![12], dropout: 0.5, ..VggConfig::vgg19_small() };
    check(config.clone(), &[]);
    check(VggConfig { batch_norm: false, grid: 2, ..config.clone() }, &[]);
    // a grid that is neither the map's nor a divisor of it, and a map that is a single pixel before the last stage
    check(VggConfig { grid: 3, ..config.clone() }, &[]);
    check(VggConfig { stages: vec![vec![4]; 6], grid: 2, ..config }, &[]);
}

fn tiny_resnet(config: ResNetConfig) -> ResNetConfig {
    let mut config = config.small();
    for stage in &mut config.stages {
        (stage.channels, stage.blocks) = (stage.channels / 8, 2);
    }
    config
}

#[test]
fn residual_networks() {
    check(tiny_resnet(ResNetConfig::resnet18()), &[]);
    check(tiny_resnet(ResNetConfig::resnet20()), &[]);
    check(tiny_resnet(ResNetConfig::resnet50()), &[]);
    let large = ResNetConfig {
        input: ImageShape { channels: 3, height: 45, width: 64 },
        input_mean: vec![0.5; 3],
        input_deviation: vec![0.25; 3],
        stem: ResNetStem::Large,
        ..tiny_resnet(ResNetConfig::resnet50())
    };
    check(large, &[]);
}

#[test]
fn mobilenet() {
    let mut config = MobileNetConfig::v3_small().small();
    config.blocks.retain(|block| block.expanded < 200);
    config.hidden = 32;
    check(config.clone(), &[]);
    check(MobileNetConfig { entry_stride: 2, ..config }, &[]);
}

#[test]
fn vision_transformer() {
    let config = VitConfig { width: 24, blocks: 2, mlp_width: 32, ..VitConfig::vit_tiny().small() };
    check(config, &["attention.0", "attention.1"]);
}

#[test]
fn swin() {
    let names = ["attention.0", "attention.1", "attention.2", "attention.3", "attention.4", "attention.5"];
    check_to(SwinConfig { width: 12, ..SwinConfig::swin_small_images() }, &names, DEEP_ATTENTION);
    // several windows on the grid of the last stage, those of every second block shifted
    let stage = |blocks, heads| SwinStageConfig { blocks, heads };
    let config = SwinConfig {
        input: ImageShape::grey(32, 48),
        window: 4,
        width: 12,
        stages: vec![stage(1, 2), stage(3, 3)],
        ..SwinConfig::swin_small_images()
    };
    check_to(config, &names[..3], DEEP_ATTENTION);
}
