//! The settings by which a model explains images: the part `[explain]` of a config, fitted to the model.

use std::path::Path;

use tinylsa_explain::{Circumstances, ExplainConfig, Given, MethodId, SharedSetting};
use tinylsa_model::networks::NetworkConfig;
use tinylsa_settings::UsageError;
use tinylsa_settings::config::{ConfigError, ConfigSource, load};
use tinylsa_xai::{BaselineKind, Fill};
use tracing::info;

use crate::BASE_CONFIG;
use crate::schema::{ExperimentConfig, with_statistics_of};

/// The name of the config that the program brings along.
const BASE: &str = "configs/base.toml";

/// The settings of the methods, from a config or by default.
#[derive(Clone, Debug)]
pub struct ExplainSettings {
    source: ConfigSource,
    /// Whether the config is the one that the program brings along.
    is_built_in: bool,
    /// The changes of the config, each `key=value`.
    pub overrides: Vec<String>,
    /// The settings of every method.
    pub explain: ExplainConfig,
    /// The methods that are asked for, or those of the config.
    pub methods: Vec<MethodId>,
    /// Whether the methods were asked for.
    are_named: bool,
    /// The seed of everything that is drawn.
    pub seed: u64,
}

impl ExplainSettings {
    /// Reads the settings from a config file, or without one from `configs/base.toml` as it was when the program was built.
    /// `methods` are the names of those that are asked for, none for those of the config; the seed is that of the config
    /// unless another one is given.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of a mistake.
    pub fn read(
        config: Option<&Path>,
        overrides: &[String],
        methods: Option<Vec<MethodId>>,
        seed: Option<u64>,
    ) -> Result<Self, ConfigError> {
        let source = match config {
            Some(path) => ConfigSource::read(path)?,
            None => ConfigSource::new(BASE, BASE_CONFIG),
        };
        let ExperimentConfig { explain, run, .. } = load(&source, overrides, ExperimentConfig::validate_ranges)?;
        let are_named = methods.is_some() || overrides.iter().any(|change| change.contains("explain.methods"));
        Ok(Self {
            source,
            is_built_in: config.is_none(),
            overrides: overrides.to_vec(),
            methods: methods.unwrap_or_else(|| explain.methods.clone()),
            are_named,
            explain,
            seed: seed.unwrap_or(run.seed),
        })
    }

    /// Mean and deviation of the images are those that the network was trained with, unless the caller gives them: the
    /// config that the program brings along has those of Fashion-MNIST.
    #[must_use]
    pub fn with_statistics_of(self, network: &NetworkConfig) -> Self {
        let is_given = |key: &str| {
            !self.is_built_in
                || self.overrides.iter().any(|change| change.trim_start().starts_with(&format!("explain.{key}")))
        };
        Self { explain: with_statistics_of(&self.explain, network, is_given), ..self }
    }

    /// Of the methods that nobody named, those that the network serves; one that was named and that it does not serve is
    /// refused.
    ///
    /// # Errors
    /// [`UsageError`] names the method, and what it needs.
    pub fn of_methods_for(mut self, given: Given) -> Result<Self, UsageError> {
        if self.is_built_in && !self.are_named {
            let (served, others) = given.served(&self.methods);
            if !others.is_empty() {
                info!(
                    "the model does not give what these methods need, so that they are left out: {}",
                    others.join(", ")
                );
            }
            self.methods = served;
        }
        given.require(&self.methods).map(|()| self)
    }

    /// Whether one of the methods reads settings that methods share.
    pub fn read_by_methods(&self, setting: SharedSetting) -> bool {
        self.methods.iter().any(|method| method.facts().reads.contains(&setting))
    }

    /// Whether anything is drawn at random: by a method, or as noise in place of pixels.
    pub fn draws(&self) -> bool {
        let shared = &self.explain.shared;
        self.methods.iter().any(|method| method.facts().draws)
            || (self.read_by_methods(SharedSetting::Baseline) && shared.baseline.kinds.contains(&BaselineKind::Noise))
            || (self.read_by_methods(SharedSetting::Fill) && shared.fill.kind == Fill::Noise)
    }

    /// Checks the settings of the methods, and of their scores if they are scored, against the images and the network.
    ///
    /// # Errors
    /// [`ConfigError`] names the line of a mistake.
    pub fn check(&self, at: &Circumstances, scores: bool) -> Result<(), ConfigError> {
        let fits = |explain: &ExplainConfig| {
            explain.validate_methods(&self.methods, at)?;
            if scores { explain.validate_scoring(&self.methods, at) } else { Ok(()) }
        };
        let validate = |config: &ExperimentConfig| fits(&config.explain).map_err(|error| error.within("explain"));
        load(&self.source, &self.overrides, validate).map(drop)
    }
}
