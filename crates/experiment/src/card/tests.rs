use std::path::Path;

use burn::tensor::Device;
use tinylsa_model::networks::NetworkConfig;
use tinylsa_model::{TinyCnnLsa, TinyCnnLsaConfig};

use super::*;
use crate::evaluation::{ClassReport, SplitName};
use crate::schema::ExperimentConfig;
use tinylsa_settings::config::{ConfigSource, load};
use tinylsa_system::sha256_hex;

fn report(confusion: Vec<Vec<u64>>) -> EvaluationReport {
    let class = |index: usize| ClassReport {
        name: ["coat", "shirt", "bag"][index].to_owned(),
        precision: Some(0.5),
        precision_interval: Some([0.4, 0.6]),
        recall: Some(0.5),
        recall_interval: Some([0.4, 0.6]),
        f1: Some(0.5),
        support: confusion[index].iter().sum(),
    };
    EvaluationReport {
        dataset: DatasetName::SYNTHETIC_GARMENTS,
        split: SplitName::Test,
        images: 100,
        accuracy: 0.9,
        accuracy_interval: [0.8, 0.95],
        accuracy_tta: None,
        accuracy_tta_interval: None,
        nll: 0.3,
        nll_interval: [0.2, 0.4],
        ece: 0.1,
        ece_interval: [0.05, 0.15],
        calibrated: None,
        parameters: 1,
        macs: 1,
        classes: (0..confusion.len()).map(class).collect(),
        confusion,
        calibration: Vec::new(),
    }
}

#[test]
fn the_most_frequent_mistakes_come_first_and_right_answers_not_at_all() {
    let confusions = Confusion::most_frequent(&report(vec![vec![90, 3, 0], vec![6, 50, 1], vec![0, 0, 80]]), 2);
    let named: Vec<(&str, &str, u64)> =
        confusions.iter().map(|it| (it.truth.as_str(), it.prediction.as_str(), it.images)).collect();
    assert_eq!(named, [("shirt", "coat", 6), ("coat", "shirt", 3)]);
    assert!((confusions[0].share - 0.6).abs() < 1e-12);
    assert!(Confusion::most_frequent(&report(vec![vec![4, 0], vec![0, 5]]), 3).is_empty());
}

#[test]
fn several_runs_have_a_mean_and_a_deviation_and_one_has_none() {
    let over = OverRuns::of(&[0.90, 0.92, 0.94]);
    assert!((over.mean - 0.92).abs() < 1e-12 && (over.deviation.unwrap() - 0.02).abs() < 1e-12, "{over:?}");
    assert_eq!(OverRuns::of(&[0.9]).deviation, None);
}

#[test]
fn the_config_of_a_card_survives_json() {
    let config = TinyCnnLsaConfig::default();
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<TinyCnnLsaConfig>(&text).unwrap(), config);
}

/// A file of the project.
fn shipped(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

#[test]
fn the_card_that_ships_is_of_the_weights_and_the_recipe_that_ship() {
    let card: ModelCard = serde_json::from_slice(&shipped("docs/model-card.json")).unwrap();
    assert_eq!(markdown(&card).unwrap(), String::from_utf8(shipped("docs/model-card.md")).unwrap());
    assert_eq!((card.data.dataset, &card.data.substitution), (DatasetName::FASHION_MNIST, &None));

    let bytes = shipped("crates/model/weights/tinycnn-lsa.safetensors");
    assert_eq!((card.weights.bytes, &card.weights.sha256), (bytes.len(), &sha256_hex(&bytes)));
    assert!(bytes.len() <= 2_000_000 && card.weights.parameters < 500_000);
    let pretrained = TinyCnnLsa::pretrained(&Device::flex()).unwrap();
    assert_eq!(NetworkConfig::from(pretrained.metadata.config), card.model.network().unwrap());
    assert_eq!(pretrained.metadata.temperature, Some(card.calibration.temperature));

    let source = ConfigSource::new("accurate.toml", String::from_utf8(shipped("configs/accurate.toml")).unwrap());
    let config: ExperimentConfig = load(&source, &[], ExperimentConfig::validate).unwrap();
    assert_eq!((config.model, config.train), (card.model, card.train));
    assert_eq!(config.data.validation, card.data.validation_images);
}
