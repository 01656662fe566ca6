//! Everything that can be wrong with an experiment, found before anything is written or trained.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use burn::tensor::Device;
use tinylsa_data::{ChannelStatistics, FileChecksum, ImageForm, SplitIndices, channel_statistics};
use tinylsa_kernels::instruction_set;
use tinylsa_model::networks::{Network, NetworkConfig};
use tinylsa_model::{ImageKeys, ModelConfig, load_predictor};
use tinylsa_settings::{InvalidSetting, require};
use tinylsa_system::{read_at_most, sha256_hex};
use tinylsa_train::{BURN_VERSION, Training, TrainingPlan};

use tinylsa_explain::Circumstances;
use tinylsa_settings::config::{ConfigError, ConfigSource, load, locate};

use crate::dataset::{LoadedDataset, validation_split};
use crate::folder::{Basis, Identity, Manifest, Status};
use crate::machine::{Machine, device, git_revision, now};
use crate::models::NetworkMetadata;
use crate::network::unknown_statistics;
use crate::schema::ExperimentConfig;

/// Far more than any network of this project weighs.
const LARGEST_MODEL_FILE: u64 = 1 << 30;

/// A valid config, and the text that it was read from, for errors to point at.
#[derive(Clone, Debug)]
pub struct Experiment {
    pub(crate) config: ExperimentConfig,
    source: ConfigSource,
    overrides: Vec<String>,
    /// Whether the config leaves `data.split_seed` to the seed of the run.
    split_follows_seed: bool,
}

/// An experiment whose config fits its data.
pub(crate) struct Prepared {
    /// The config with everything that it leaves to the images.
    pub(crate) config: ExperimentConfig,
    pub(crate) device: Device,
    pub(crate) images: LoadedDataset,
    /// Of the training images.
    pub(crate) split: SplitIndices,
    /// The plan of the training run, without a place for its checkpoints.
    plan: TrainingPlan<NetworkConfig>,
    pub(crate) basis: Basis,
    pub(crate) identity: Identity,
}

impl Experiment {
    /// Reads the config file at `path` and changes it by the `overrides`, each `key.path=value`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_file(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        Self::load(ConfigSource::read(path)?, overrides.to_vec())
    }

    /// The config, with every override.
    pub fn config(&self) -> &ExperimentConfig {
        &self.config
    }

    /// The same for a config that is in memory; errors call it `name`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_text(name: &str, text: &str, overrides: &[String]) -> Result<Self, ConfigError> {
        Self::load(ConfigSource::new(name, text), overrides.to_vec())
    }

    pub(crate) fn load(source: ConfigSource, overrides: Vec<String>) -> Result<Self, ConfigError> {
        let mut config = load(&source, &overrides, ExperimentConfig::validate)?;
        let split_follows_seed = config.data.split_seed.is_none();
        // So that the resolved config says it.
        config.data.split_seed = Some(config.split_seed());
        Ok(Self { config, source, overrides, split_follows_seed })
    }

    /// The config of the same experiment with another seed, which fits the images as this one does.
    pub(crate) fn config_of_seed(&self, seed: u64) -> ExperimentConfig {
        let mut config = self.config.clone();
        config.run.seed = seed;
        if self.split_follows_seed {
            config.data.split_seed = Some(seed);
        }
        config
    }

    /// Compares the config with the images, and finds out what the run rests on.
    ///
    /// # Errors
    /// [`ConfigError`] names the key that these images do not allow; if a teacher cannot be read.
    pub(crate) fn prepare(&self, images: LoadedDataset) -> Result<Prepared> {
        self.check_and_plan(images).map_err(|error| self.located(error))
    }

    /// The same error, shown at its place in the config if it is about one of its settings.
    fn located(&self, error: anyhow::Error) -> anyhow::Error {
        let setting = error.chain().find_map(|cause| cause.downcast_ref::<InvalidSetting>());
        match setting.and_then(|setting| locate(setting, &self.source, &self.overrides)) {
            Some(error) => error.into(),
            None => error,
        }
    }

    fn check_and_plan(&self, images: LoadedDataset) -> Result<Prepared> {
        let given = &self.config;
        images.check()?;
        check_form(given, &images)?;
        check_split(given, images.train.len())?;
        let split = validation_split(&images, given.data.validation, given.split_seed())?;
        let config = completed(given, &images, &split)?;
        let network = config.model.network()?;
        check_plan(&config, &network, &images)?;
        // A name that no model file can hold is refused now and not when the trained model is written.
        described(&network, &images).validate()?;
        let device = device(&config.device)?;
        let plan = TrainingPlan {
            model: network,
            train: config.train.clone(),
            seed: config.run.seed,
            dataset: Arc::new(images.train.clone()),
            train_indices: split.train.clone().into(),
            validation_indices: split.validation.clone().into(),
            device: device.clone(),
            checkpoints: PathBuf::new(),
            load_teacher: load_predictor::<Network>,
        };
        // What else is wrong with the plan, such as a teacher of another task.
        Training::start(&plan)?;
        let (teachers, initial) = (&config.train.distillation.teachers, config.train.initial_weights.as_deref());
        let basis = Basis {
            dataset: images.name().clone(),
            checksums: images.checksums.clone(),
            teachers: teachers.iter().map(|path| model_checksum("teacher", path)).collect::<Result<_>>()?,
            initial_weights: initial.map(|path| model_checksum("initial weights", path)).transpose()?,
            instruction_set: instruction_set()?.to_owned(),
            tinylsa: env!("CARGO_PKG_VERSION").to_owned(),
            burn: BURN_VERSION.to_owned(),
        };
        let identity = Identity::new(&config, &basis)?;
        Ok(Prepared { config, device, images, split, plan, basis, identity })
    }
}

impl Prepared {
    /// The network that is trained.
    pub(crate) fn network(&self) -> &NetworkConfig {
        &self.plan.model
    }

    /// The plan of the training run, with its checkpoints in this directory.
    pub(crate) fn plan(&self, checkpoints: PathBuf) -> TrainingPlan<NetworkConfig> {
        TrainingPlan { checkpoints, ..self.plan.clone() }
    }

    /// The manifest of a run that begins now.
    pub(crate) fn manifest(&self) -> Manifest {
        let cost = self.network().cost();
        let Self { config, images, basis, identity, .. } = self;
        Manifest {
            name: config.run.name.clone(),
            status: Status::Running,
            failure: None,
            experiment: identity.digest(),
            tinylsa: basis.tinylsa.clone(),
            burn: basis.burn.clone(),
            git_revision: git_revision(),
            instruction_set: basis.instruction_set.clone(),
            dataset: images.name().clone(),
            substitution: images.substitution.clone(),
            checksums: images.checksums.clone(),
            teachers: basis.teachers.clone(),
            initial_weights: basis.initial_weights.clone(),
            seed: config.run.seed,
            threads: rayon::current_num_threads(),
            machine: Machine::here(),
            parameters: cost.parameters(),
            macs: cost.macs(),
            started: now(),
            continuations: Vec::new(),
            figures: None,
            digests: None,
            explained: Vec::new(),
            files: BTreeMap::new(),
            sha256: String::new(),
        }
    }
}

/// The config with what it leaves to the images: their form, and the statistics of those that are trained on.
pub(crate) fn completed(
    config: &ExperimentConfig,
    images: &LoadedDataset,
    split: &SplitIndices,
) -> Result<ExperimentConfig> {
    let form = images.form();
    let statistics: ChannelStatistics = if config.lacks_statistics() {
        channel_statistics(&images.train, &split.train)?
    } else {
        unknown_statistics(form.shape.channels)
    };
    Ok(config.completed(form, &statistics))
}

/// The description of the model file that a run leaves.
pub(crate) fn described(network: &NetworkConfig, images: &LoadedDataset) -> NetworkMetadata {
    let class_names: Vec<&str> = images.train.class_names.iter().map(String::as_str).collect();
    NetworkMetadata::new(network, &class_names, images.name().id())
}

/// Refuses what a config can have wrong with these images. Every part that has something to say is asked here, before a
/// directory is made.
fn check_plan(
    config: &ExperimentConfig,
    network: &NetworkConfig,
    images: &LoadedDataset,
) -> Result<(), InvalidSetting> {
    let section = |error: InvalidSetting| error.within(config.model.kind().name()).within("model");
    network.validate().map_err(section)?;
    let augmentation = config.train.augmentation.validate_for(images.train.shape);
    augmentation.map_err(|error| error.within("augmentation").within("train"))?;
    let explained = Circumstances::of_network(network, Some(images.train.len()), images.test.len());
    config.explain.validate_against(&explained).map_err(|error| error.within("explain"))
}

/// Refuses shape and classes that a config gives and that are not those of the images.
fn check_form(config: &ExperimentConfig, images: &LoadedDataset) -> Result<(), InvalidSetting> {
    let ImageKeys { input, classes: given_classes, .. } = config.model.given();
    let key = |key: &str| format!("model.{}.{key}", config.model.kind().name());
    let ImageForm { shape, classes } = images.form();
    let sides = input.map(|input| {
        [
            ("input.channels", input.channels, shape.channels),
            ("input.height", input.height, shape.height),
            ("input.width", input.width, shape.width),
        ]
    });
    for (name, found, expected) in sides.into_iter().flatten() {
        let text = format!("{expected}, as the images are {shape}");
        require(&key(name), found == expected, || found.to_string(), &text)?;
    }
    let Some(found) = given_classes else { return Ok(()) };
    let expected = format!("{classes}, the number of classes of {}", images.name());
    require(&key("classes"), found == classes, || found.to_string(), &expected)
}

fn check_split(config: &ExperimentConfig, images: usize) -> Result<(), InvalidSetting> {
    let (validation, batch_size) = (config.data.validation, config.train.batch_size);
    let expected = format!("fewer than the {images} training images");
    require("data.validation", validation < images, || validation.to_string(), &expected)?;
    let left = images - validation;
    let expected = format!("at most the {left} images that data.validation leaves of {images} for training");
    require("train.batch_size", batch_size <= left, || batch_size.to_string(), &expected)
}

/// The checksum of a model file that a config names in this role.
fn model_checksum(role: &str, path: &Path) -> Result<FileChecksum> {
    let bytes = read_at_most(path, LARGEST_MODEL_FILE)
        .with_context(|| format!("failed to load the {role} {}", path.display()))?;
    Ok(FileChecksum { file: path.display().to_string(), sha256: sha256_hex(&bytes) })
}

#[cfg(test)]
mod tests {
    use tinylsa_data::{SyntheticConfig, synthetic_garments};

    use super::*;

    fn experiment(overrides: &[&str]) -> Experiment {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/ci.toml");
        let overrides = overrides.iter().map(|&text| text.to_owned()).collect();
        Experiment::load(ConfigSource::read(&path).unwrap(), overrides).unwrap()
    }

    /// 300 images for training.
    fn images() -> LoadedDataset {
        let garments = synthetic_garments(&SyntheticConfig { train: 300, test: 100, seed: 0 }).unwrap();
        LoadedDataset { train: garments.train, test: garments.test, checksums: Vec::new(), substitution: None }
    }

    #[test]
    fn what_these_images_do_not_allow_is_told_with_its_key_and_place() {
        let check = |overrides: &[&str], expected: &str| {
            let error = experiment(overrides).prepare(images()).err().unwrap();
            assert!(error.is::<ConfigError>(), "{error:#}");
            assert!(error.to_string().contains(expected), "{error:#}");
        };
        check(
            &["data.validation=300"],
            "--set data.validation=300: `data.validation` is 300, expected fewer than the 300",
        );
        check(&["train.batch_size=201"], "`train.batch_size` is 201, expected at most the 200 images");
        check(&["train.batch_size=65536"], "`train.batch_size` is 65536");
        check(&["model.tinycnn-lsa.classes=12"], "`model.tinycnn-lsa.classes` is 12, expected 10");
        check(&["model.tinycnn-lsa.input.width=32"], "`model.tinycnn-lsa.input.width` is 32, expected 28");
        let error = experiment(&["data.validation=280"]).prepare(images()).err().unwrap().to_string();
        assert!(error.contains("ci.toml:") && error.contains("`train.batch_size` is 32"), "{error}");
    }

    #[test]
    fn a_config_that_fits_is_prepared() {
        let prepared = experiment(&["train.batch_size=200"]).prepare(images()).unwrap();
        assert_eq!((prepared.split.train.len(), prepared.split.validation.len()), (200, 100));
    }
}
