//! What a config of an experiment holds.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tinylsa_data::{ChannelStatistics, DataConfig, ImageForm};
use tinylsa_explain::{Circumstances, ExplainConfig};
use tinylsa_model::ConfigOfImages;
use tinylsa_model::networks::NetworkConfig;
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_train::TrainConfig;

pub use crate::network::ModelSection;
use crate::network::unknown_statistics;

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
    /// Whether a file of events for TensorBoard grows beside the metrics.
    #[serde(default)]
    pub tensorboard: bool,
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
    /// Graphics processors by Vulkan, Metal or DirectX, behind the feature `wgpu`.
    Wgpu,
    /// NVIDIA's, behind the feature `cuda`.
    Cuda,
}

impl Backend {
    /// Its name in a config, which is that of the feature that it stands behind.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }
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
        let Some(explained) = self.circumstances()? else { return Ok(()) };
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
        // Mean and deviation that are left out are known by the time that anything is explained.
        let explain = with_statistics(&self.explain, &unknown_statistics(1));
        explain.validate().map_err(|error| error.within("explain"))
    }
}

impl ExperimentConfig {
    /// Seed of the validation split.
    pub fn split_seed(&self) -> u64 {
        self.data.split_seed.unwrap_or(self.run.seed)
    }

    /// The network as far as it is known before the images are read: for what it costs, since of images that nothing is
    /// known of, mean and deviation are made up.
    ///
    /// # Errors
    /// [`InvalidSetting`] names what neither the config nor the source says.
    pub fn untrained_network(&self) -> Result<NetworkConfig, InvalidSetting> {
        let given = self.model.given();
        let form = self.data.source.source().form(self.data.tables());
        let shape = given.input.or(form.map(|form| form.shape));
        let classes = given.classes.or(form.map(|form| form.classes));
        match (shape, classes) {
            (Some(shape), Some(classes)) => {
                let form = ImageForm { shape, classes };
                self.model.completed(form, &unknown_statistics(shape.channels)).network()
            }
            (None, _) | (_, None) => self.model.network(),
        }
    }

    /// The config with everything that it leaves to the images: shape and classes, and mean and deviation of the channels
    /// for the network and for the explanations.
    pub(crate) fn completed(&self, form: ImageForm, statistics: &ChannelStatistics) -> Self {
        let model = self.model.completed(form, statistics);
        Self { model, explain: with_statistics(&self.explain, statistics), ..self.clone() }
    }

    /// Whether the config leaves mean or deviation to the images.
    pub(crate) fn lacks_statistics(&self) -> bool {
        let (baseline, fill) = (&self.explain.shared.baseline, &self.explain.shared.fill);
        let explained = [&baseline.mean, &baseline.deviation, &fill.mean, &fill.deviation];
        self.model.lacks_statistics() || (self.explain.enabled && explained.iter().any(|list| list.is_none()))
    }

    /// What is explained, if it is known of `data.source` what its images are.
    fn circumstances(&self) -> Result<Option<Circumstances>, InvalidSetting> {
        let Some(sizes) = self.data.source.source().sizes(self.data.tables()) else { return Ok(None) };
        Ok(Some(Circumstances::of_network(&self.untrained_network()?, Some(sizes.train), sizes.test)))
    }
}

/// The same explanations with mean and deviation of the images where they are left out.
pub fn with_statistics(explain: &ExplainConfig, statistics: &ChannelStatistics) -> ExplainConfig {
    let mut explain = explain.clone();
    let (baseline, fill) = (&mut explain.shared.baseline, &mut explain.shared.fill);
    for mean in [&mut baseline.mean, &mut fill.mean] {
        mean.get_or_insert_with(|| statistics.mean.clone());
    }
    for deviation in [&mut baseline.deviation, &mut fill.deviation] {
        deviation.get_or_insert_with(|| statistics.deviation.clone());
    }
    explain
}

/// The same explanations with mean and deviation of the images that a network was trained on, apart from lists that
/// `is_given` by their keys, such as `fill.mean`.
pub fn with_statistics_of(
    explain: &ExplainConfig,
    network: &NetworkConfig,
    is_given: impl Fn(&str) -> bool,
) -> ExplainConfig {
    let mut explain = explain.clone();
    let (baseline, fill) = (&mut explain.shared.baseline, &mut explain.shared.fill);
    for (key, list) in [
        ("baseline.mean", &mut baseline.mean),
        ("baseline.deviation", &mut baseline.deviation),
        ("fill.mean", &mut fill.mean),
        ("fill.deviation", &mut fill.deviation),
    ] {
        if !is_given(key) {
            *list = None;
        }
    }
    let keys = network.image_keys();
    let (mean, deviation) = (keys.mean.unwrap_or_default(), keys.deviation.unwrap_or_default());
    with_statistics(&explain, &ChannelStatistics { mean, deviation })
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
            "quickstart.toml",
            "ci.toml",
            "mnist.toml",
            "kmnist.toml",
            "cifar10.toml",
            "folder.toml",
            "compare/tinycnn-lsa.toml",
            "compare/resnet20.toml",
            "compare/resnet50.toml",
            "compare/vgg19.toml",
            "compare/vit.toml",
            "compare/swin.toml",
            "compare/mobilenet.toml",
        ] {
            let config: ExperimentConfig = load(&shipped(name), &[], ExperimentConfig::validate).unwrap();
            let again = ConfigSource::new("resolved", to_toml(&config).unwrap());
            let resolved: ExperimentConfig = load(&again, &[], ExperimentConfig::validate).unwrap();
            assert_eq!(resolved, config, "{name}");
        }
    }

    #[test]
    fn the_base_config_is_of_the_default_network() {
        let config: ExperimentConfig = load(&shipped("base.toml"), &[], ExperimentConfig::validate).unwrap();
        assert_eq!(config.model.network().unwrap(), NetworkConfig::default());
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
        check("model.kind=lstm", "tinycnn-lsa");
        check("model.kind=vgg", "expected a method that does without attention, which the network does not give");
        check("model.image_size=28", "image_size");
        check(
            "model.tinycnn-lsa.attention.blocks=0",
            "`explain.methods.0` is self-attention, expected a method that does without attention",
        );
        check("train.mixing.kind=blend", "mixup");
        check("explain.segmentation.grid.rows=29", "`explain.segmentation.grid.rows` is 29, expected 1 to 28");
        check("explain.images.indices=[10000]", "one of the 10000 test images, 0 to 9999");
        check("train.distillation.weight=0.5", "more than 0 with teachers, 0 without");
    }
}
