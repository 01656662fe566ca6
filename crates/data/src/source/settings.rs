//! The settings of single sources.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
#[cfg(feature = "images")]
use tinylsa_settings::require_within;
use tinylsa_settings::{InvalidSetting, require};

use super::own_name::require_plain_name;
use crate::synthetic::SyntheticConfig;

/// A label is one byte.
pub(super) const MOST_CLASSES: usize = 256;
/// The longest side that images are resized to.
#[cfg(feature = "images")]
const LARGEST_SIDE: usize = 1 << 12;

/// What sources have settings for: the tables of the section `[data]`. A source reads its own.
#[derive(Clone, Copy, Debug)]
pub struct SourceTables<'a> {
    /// The synthetic garments.
    pub synthetic: &'a SyntheticConfig,
    /// IDX files of one's own.
    pub idx: Option<&'a IdxConfig>,
    /// A folder of image files.
    #[cfg(feature = "images")]
    pub folder: Option<&'a FolderConfig>,
}

/// The table `[data.idx]`: which files, and what their labels mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdxConfig {
    /// The name of the images in captions and results; left out, that of the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The names of the classes, in the order of the labels; left out, their numbers from 0 to the largest label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_names: Option<Vec<String>>,
    /// The training images, `[images, height, width]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_images: Option<PathBuf>,
    /// Their labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_labels: Option<PathBuf>,
    /// The test images, of the same size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_images: Option<PathBuf>,
    /// Their labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_labels: Option<PathBuf>,
}

impl IdxConfig {
    /// Checks the names.
    ///
    /// # Errors
    /// The first setting that does not hold.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_plain_name("name", self.name.as_deref())?;
        let Some(names) = &self.class_names else { return Ok(()) };
        let holds = (1..=MOST_CLASSES).contains(&names.len());
        require("class_names", holds, || format!("{} names", names.len()), "1 to 256 names")?;
        let mut seen = BTreeSet::new();
        let repeated = names.iter().find(|name| name.trim().is_empty() || !seen.insert(*name));
        let expected = "names that are all different and not empty";
        require("class_names", repeated.is_none(), || format!("{:?}", repeated.map_or("", |name| name)), expected)
    }
}

/// The table `[data.folder]`: how the image files become a data set.
#[cfg(feature = "images")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FolderConfig {
    /// The name of the images in captions and results; left out, that of the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 3 for red, green and blue, 1 for levels of grey. Files of the other kind are converted.
    pub channels: usize,
    /// Height and width that every image is scaled to, whatever its proportions; left out, all must be of one size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<[usize; 2]>,
    /// The share of the images that is set aside for the test, the same of each class. Of a folder that is not divided
    /// into `train` and `test`, and only of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_fraction: Option<f64>,
    /// Seed of which images these are.
    pub test_seed: u64,
}

#[cfg(feature = "images")]
impl Default for FolderConfig {
    /// Colour images of one size, divided into `train` and `test`.
    fn default() -> Self {
        Self { name: None, channels: 3, resize: None, test_fraction: None, test_seed: 0 }
    }
}

#[cfg(feature = "images")]
impl FolderConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// The first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_plain_name("name", self.name.as_deref())?;
        require("channels", matches!(self.channels, 1 | 3), || self.channels.to_string(), "1 or 3")?;
        for side in self.resize.into_iter().flatten() {
            require_within("resize", side, 1..=LARGEST_SIDE)?;
        }
        let Some(fraction) = self.test_fraction else { return Ok(()) };
        let holds = 0.0 < fraction && fraction < 1.0;
        require("test_fraction", holds, || fraction.to_string(), "more than 0 and less than 1")
    }
}
