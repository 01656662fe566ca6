//! The configs of the segment methods and the scores as a config file meets them.

use serde::{Serialize, de::DeserializeOwned};
use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{
    DeletionConfig, ExactShapleyConfig, FaithfulnessConfig, Fill, FillConfig, InfidelityConfig, KernelShapConfig,
    LimeConfig, MaxSensitivityConfig, MuFidelityConfig, PermutationShapConfig, SegmentationConfig, SegmentationKind,
};

/// An empty table gives the default, which is valid and survives a round trip; an unknown key is refused by name.
fn check<C>(validate: impl Fn(&C) -> Result<(), InvalidSetting>)
where
    C: Default + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let default = C::default();
    assert_eq!(validate(&default), Ok(()));
    assert_eq!(serde_json::from_str::<C>("{}").unwrap(), default);
    let text = serde_json::to_string(&default).unwrap();
    assert_eq!(serde_json::from_str::<C>(&text).unwrap(), default);
    let error = serde_json::from_str::<C>(r#"{"no_such_key": 1}"#).unwrap_err().to_string();
    assert!(error.contains("no_such_key"), "{error}");
}

#[test]
fn every_config_has_valid_defaults_and_refuses_unknown_keys() {
    check(SegmentationConfig::validate);
    check(FillConfig::validate);
    check(LimeConfig::validate);
    check(ExactShapleyConfig::validate);
    check(KernelShapConfig::validate);
    check(PermutationShapConfig::validate);
    check(DeletionConfig::validate);
    check(FaithfulnessConfig::validate);
    check(MuFidelityConfig::validate);
    check(InfidelityConfig::validate);
    check(MaxSensitivityConfig::validate);
}

#[test]
fn choices_are_written_as_words() {
    let fill: FillConfig = serde_json::from_str(r#"{"kind": "dataset-mean", "mean": [0.5]}"#).unwrap();
    assert_eq!(fill, FillConfig { kind: Fill::DatasetMean, mean: Some(vec![0.5]), ..FillConfig::default() });
    let segmentation: SegmentationConfig =
        serde_json::from_str(r#"{"kind": "slic", "slic": {"segments": 9}}"#).unwrap();
    assert_eq!((segmentation.kind, segmentation.slic.segments), (SegmentationKind::Slic, 9));
    let kernel: KernelShapConfig = serde_json::from_str(r#"{"evaluations": 500}"#).unwrap();
    assert_eq!(kernel.evaluations, 500);
}
