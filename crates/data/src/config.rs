//! The settings of where images come from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require, require_within};

#[cfg(feature = "images")]
use crate::source::FolderConfig;
use crate::source::{IdxConfig, SourceName, SourceTables};
use crate::synthetic::SyntheticConfig;

/// The images of an experiment: the section `[data]` of a config.
///
/// Each source that has settings has a table of its own; the tables of the other sources have no effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Where the images come from.
    pub source: SourceName,
    /// The directory of its files; left out, the default one of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// What to do if Fashion-MNIST is neither on disk nor available by download; of no effect on other sources.
    pub offline: Offline,
    /// Images that are cut from the training split for validation.
    pub validation: usize,
    /// Seed of which images these are; left out, the seed of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// The synthetic garments.
    #[serde(default)]
    pub synthetic: SyntheticConfig,
    /// IDX files of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idx: Option<IdxConfig>,
    /// A folder of image files.
    #[cfg(feature = "images")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<FolderConfig>,
}

/// What to do if Fashion-MNIST is neither on disk nor available by download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offline {
    /// Continue with the synthetic garments, and say so everywhere.
    Synthetic,
    /// Stop.
    Fail,
}

impl Default for DataConfig {
    /// Fashion-MNIST with 5000 images for validation, and an error if it is not available.
    fn default() -> Self {
        Self {
            source: SourceName::FASHION_MNIST,
            dir: None,
            offline: Offline::Fail,
            validation: 5000,
            split_seed: None,
            synthetic: SyntheticConfig::default(),
            idx: None,
            #[cfg(feature = "images")]
            folder: None,
        }
    }
}

impl DataConfig {
    /// Checks every range, and the settings of the source.
    ///
    /// # Errors
    /// The first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        let names_something = self.dir.as_ref().is_none_or(|dir| !dir.as_os_str().is_empty());
        require("dir", names_something, || "\"\"".to_owned(), "the path of a directory")?;
        self.synthetic.validate().map_err(|error| error.within("synthetic"))?;
        require_within("validation", self.validation, 1..=u32::MAX as usize)?;
        let source = self.source.source();
        source.validate(self.tables())?;
        if let Some(sizes) = source.sizes(self.tables()) {
            let expected = format!("fewer than the {} training images of {}", sizes.train, source.title());
            require("validation", self.validation < sizes.train, || self.validation.to_string(), &expected)?;
        }
        let expected = format!("fewer than the {} synthetic training images", self.synthetic.train);
        let fits = !self.may_be_substituted() || self.validation < self.synthetic.train;
        require("validation", fits, || self.validation.to_string(), &expected)
    }

    /// Images of an epoch; nothing if only reading the source tells.
    pub fn training_images(&self) -> Option<usize> {
        let sizes = self.source.source().sizes(self.tables())?;
        Some(sizes.train.saturating_sub(self.validation))
    }

    /// The settings that sources read.
    pub fn tables(&self) -> SourceTables<'_> {
        SourceTables {
            synthetic: &self.synthetic,
            idx: self.idx.as_ref(),
            #[cfg(feature = "images")]
            folder: self.folder.as_ref(),
        }
    }

    /// Whether synthetic garments may take the place of the images.
    pub fn may_be_substituted(&self) -> bool {
        self.source == SourceName::FASHION_MNIST && self.offline == Offline::Synthetic
    }
}
