//! What a config of an experiment holds.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tinylsa_data::DataConfig;
use tinylsa_model::{ModelConfig, TinyCnnLsaConfig};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_train::TrainConfig;

use tinylsa_explain::{Circumstances, ExplainConfig};

/// A whole config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentConfig {
    /// The run itself.
    pub run: RunSection,
    /// Where to compute.
    pub device: DeviceSection,
    /// The images.
    pub data: DataConfig,
    /// The network.
    pub model: ModelSection,
    /// How it is trained.
    pub train: TrainConfig,
    /// The measurement at the end.
    pub evaluate: EvaluateSection,
    /// Which images are explained, by which methods.
    pub explain: ExplainConfig,
}

/// The run itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSection {
    /// The name of the run's folder.
    pub name: String,
    /// Where run folders go.
    pub directory: PathBuf,
    /// Seed of everything that is random.
    pub seed: u64,
}

/// Where to compute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceSection {
    /// What computes.
    pub backend: Backend,
    /// Threads; 0 takes every core. The result has the same bits whatever the number.
    pub threads: usize,
}

/// burn's backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The default, with fused operations.
    Flex,
    /// The deprecated one, behind the feature `ndarray`.
    Ndarray,
}

/// The network: its kind, and one table for each kind. A table that is left out stands for the kind's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSection {
    /// Which kind.
    pub kind: ModelKind,
    /// `TinyCNN` + LSA.
    #[serde(rename = "tinycnn-lsa", default)]
    pub tinycnn_lsa: TinyCnnLsaConfig,
}

/// The kinds of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelKind {
    /// A convolutional stem and linear self-attention.
    #[serde(rename = "tinycnn-lsa")]
    TinycnnLsa,
}

/// The measurement at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateSection {
    /// What to measure on.
    pub split: MeasuredSplit,
    /// Whether to measure, besides, with mirrored and shifted views of each image.
    pub test_time_augmentation: bool,
}

/// The images of the measurement at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeasuredSplit {
    /// Those that nothing was chosen by.
    Test,
    /// Those that choices are made by, so that comparing variants leaves the test set unread.
    Validation,
}

impl ExperimentConfig {
    /// Checks every range, and what is explained against the images and the network.
    ///
    /// # Errors
    /// The first key outside its range, or that does not fit.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate_ranges()?;
        // The images of some sources are only known when they are read, and are checked then.
        let Some(explained) = self.circumstances() else { return Ok(()) };
        self.explain.validate_against(&explained).map_err(|error| error.within("explain"))
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first key outside its range.
    pub fn validate_ranges(&self) -> Result<(), InvalidSetting> {
        self.run.validate().map_err(|error| error.within("run"))?;
        require_within("device.threads", self.device.threads, 0..=1024)?;
        self.data.validate().map_err(|error| error.within("data"))?;
        self.model.validate().map_err(|error| error.within("model"))?;
        self.train.validate().map_err(|error| error.within("train"))?;
        self.explain.validate().map_err(|error| error.within("explain"))?;
        let has_attention = self.model.network().attention.blocks > 0 || !self.explain.needs_attention();
        require(
            "model.tinycnn-lsa.attention.blocks",
            has_attention,
            || "0".to_owned(),
            "at least 1 for the attention maps of explain.methods",
        )
    }
}

impl ExperimentConfig {
    /// Seed of the validation split.
    pub fn split_seed(&self) -> u64 {
        self.data.split_seed.unwrap_or(self.run.seed)
    }

    /// What is explained, if it is known of `data.source` how many images it has.
    fn circumstances(&self) -> Option<Circumstances> {
        let sizes = self.data.source.source().sizes(&self.data)?;
        Some(Circumstances::new(self.model.network(), Some(sizes.train), sizes.test))
    }
}

impl ModelKind {
    /// The name in configs, which is also that of the kind's table, and in model files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TinycnnLsa => TinyCnnLsaConfig::KIND,
        }
    }
}

impl ModelSection {
    /// The config of the network that `kind` names.
    pub fn network(&self) -> &TinyCnnLsaConfig {
        match self.kind {
            ModelKind::TinycnnLsa => &self.tinycnn_lsa,
        }
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.network().validate().map_err(|error| error.within(self.kind.name()))
    }
}

impl From<TinyCnnLsaConfig> for ModelSection {
    fn from(tinycnn_lsa: TinyCnnLsaConfig) -> Self {
        Self { kind: ModelKind::TinycnnLsa, tinycnn_lsa }
    }
}

impl RunSection {
    fn validate(&self) -> Result<(), InvalidSetting> {
        let is_plain = !self.name.is_empty()
            && self.name != "."
            && self.name != ".."
            && self.name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter));
        require("name", is_plain, || format!("{:?}", self.name), "letters, digits, and the signs - _ .")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use tinylsa_settings::config::{ConfigSource, load, to_toml};

    fn shipped(name: &str) -> ConfigSource {
        ConfigSource::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name)).unwrap()
    }

    fn error_of(overrides: &[&str]) -> String {
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        load::<ExperimentConfig>(&shipped("base.toml"), &overrides, ExperimentConfig::validate).unwrap_err().to_string()
    }

    #[test]
    fn every_shipped_config_is_valid_and_survives_being_resolved() {
        for name in [
            "base.toml",
            "accurate.toml",
            "born-again.toml",
            "quickstart.toml",
            "ci.toml",
            "mnist.toml",
            "kmnist.toml",
            "cifar10.toml",
            "folder.toml",
        ] {
            let config: ExperimentConfig = load(&shipped(name), &[], ExperimentConfig::validate).unwrap();
            let again = ConfigSource::new("resolved", to_toml(&config).unwrap());
            let resolved: ExperimentConfig = load(&again, &[], ExperimentConfig::validate).unwrap();
            assert_eq!(resolved, config, "{name}");
        }
    }

    #[test]
    fn the_base_accurate_and_born_again_configs_are_of_the_default_network() {
        for name in ["base.toml", "accurate.toml", "born-again.toml"] {
            let config: ExperimentConfig = load(&shipped(name), &[], ExperimentConfig::validate).unwrap();
            assert_eq!(config.model.network(), &TinyCnnLsaConfig::default(), "{name}");
        }
    }

    #[test]
    fn wrong_values_are_named_with_their_place() {
        let check = |argument: &str, expected: &str| {
            let error = error_of(&[argument]);
            assert!(error.contains(expected), "{error}");
        };
        check("train.epochs=0", "`train.epochs` is 0");
        check("train.batch_size=0", "`train.batch_size` is 0");
        check("train.augmentation.flip_probability=1.5", "flip_probability");
        check("train.epoch=3", "did you mean `train.epochs`");
        check("device.backend=flax", "flex");
        check("data.source=fashion", "fashion-mnist");
        let channels = error_of(&["data.source=folder", "data.folder.channels=2"]);
        assert!(channels.contains("`data.folder.channels` is 2, expected 1 or 3"), "{channels}");
        let colour = error_of(&["data.source=folder", "data.folder.colour=true"]);
        assert!(colour.contains("colour"), "{colour}");
        check("data.validation=20000", "fewer than the 12000 synthetic training images");
        check("run.name=../elsewhere", "letters, digits");
        check("data.dir=", "`data.dir` is \"\", expected the path of a directory");
        check("model.tinycnn-lsa.stages.1.stride=3", "`model.tinycnn-lsa.stages.1.stride` is 3");
        check("model.kind=vit", "tinycnn-lsa");
        check("model.image_size=28", "image_size");
        check("model.tinycnn-lsa.attention.blocks=0", "at least 1 for the attention maps of explain.methods");
        check("train.mixing.kind=blend", "mixup");
        check("explain.segmentation.grid.rows=29", "`explain.segmentation.grid.rows` is 29, expected 1 to 28");
        check("explain.pictures.indices=[10000]", "one of the 10000 test images, 0 to 9999");
        check("train.distillation.weight=0.5", "more than 0 with teachers, 0 without");
    }
}
