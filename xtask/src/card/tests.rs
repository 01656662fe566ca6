use tinylsa_model::TinyCnnLsaConfig;

use super::*;
use crate::evaluation::ClassReport;

fn report(confusion: Vec<Vec<u64>>) -> EvaluationReport {
    let class = |index: usize| ClassReport {
        name: ["coat", "shirt", "bag"][index].to_owned(),
        precision: 0.5,
        precision_interval: [0.4, 0.6],
        recall: 0.5,
        recall_interval: [0.4, 0.6],
        f1: 0.5,
        support: confusion[index].iter().sum(),
    };
    EvaluationReport {
        dataset: DatasetName::SyntheticGarments,
        split: "test".to_owned(),
        images: 100,
        accuracy: 0.9,
        accuracy_interval: [0.8, 0.95],
        accuracy_tta: None,
        accuracy_tta_interval: None,
        nll: 0.3,
        nll_interval: [0.2, 0.4],
        ece: 0.1,
        ece_interval: [0.05, 0.15],
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
