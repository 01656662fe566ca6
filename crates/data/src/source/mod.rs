//! Where images come from: one trait, a file for each source, and one list of them all.

use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize};
use tinylsa_settings::InvalidSetting;
use tinylsa_shape::ImageShape;

pub use cifar_10::{CifarError, CifarFault, load_cifar_10};
#[cfg(feature = "download")]
pub use download::{Certificates, DownloadFailure, DownloadFault, FetchConfig, fetch};
pub use error::SourceError;
pub use fashion_mnist::{FASHION_MNIST, FASHION_MNIST_CLASSES};
#[cfg(feature = "images")]
pub use folder::{CLASSES_FILE, ClassesFault, FolderConfig, FolderError, load_folder};
pub use idx_files::{IdxConfig, load_idx};
pub use inspect::{FileFault, FileForm, WrongFile};
pub use kmnist::KMNIST;
pub use mnist::MNIST;
pub use obtain::{DataDirectory, DownloadPolicy, NamedBy, Unavailable, obtain};
pub use publication::{Publication, SourceFile, holds_files_of, load_published};
pub use verify::{FoundFile, VerifiedFile, VerifyReport, verify};

use crate::config::DataConfig;
use crate::dataset::Dataset;
pub(crate) use inspect::kind;

mod cifar_10;
#[cfg(feature = "download")]
mod download;
mod error;
mod fashion_mnist;
#[cfg(feature = "images")]
mod folder;
mod idx_files;
mod inspect;
mod kmnist;
mod mnist;
mod obtain;
mod publication;
mod synthetic_garments;
#[cfg(test)]
mod tests;
mod verify;

/// Every source. A new one is a file with an [`ImageSource`], and a line here.
pub const SOURCES: &[&dyn ImageSource] = &[
    &fashion_mnist::Source,
    &mnist::Source,
    &kmnist::Source,
    &idx_files::Source,
    &cifar_10::Source,
    #[cfg(feature = "images")]
    &folder::Source,
    &synthetic_garments::Source,
];

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| SOURCES.iter().map(|source| source.name()).collect());

/// A place that images come from.
pub trait ImageSource: Sync {
    /// The name in configs, such as `fashion-mnist`.
    fn name(&self) -> &'static str;

    /// The name for people, such as `Fashion-MNIST`.
    fn title(&self) -> &'static str;

    /// Where its files are.
    fn place(&self) -> Place;

    /// The environment variable that names the directory of its files.
    fn directory_variable(&self) -> Option<&'static str> {
        None
    }

    /// The files that can be downloaded, and by which others are verified.
    fn publication(&self) -> Option<&'static Publication> {
        None
    }

    /// Shape and classes of the images, if they are known before the images are read.
    fn form(&self, _config: &DataConfig) -> Option<ImageForm> {
        None
    }

    /// Whether the images show one thing each, light on black, so that a photograph has to be brought into that form
    /// before a model of these images sees it.
    fn is_on_black(&self) -> bool {
        false
    }

    /// How many images there are, if that is known before they are read.
    fn sizes(&self, _config: &DataConfig) -> Option<SplitSizes> {
        None
    }

    /// Checks its own settings in a config, before anything is read.
    ///
    /// # Errors
    /// The first setting outside its range, by its key inside `[data]`.
    fn validate(&self, _config: &DataConfig) -> Result<(), InvalidSetting> {
        Ok(())
    }

    /// Reads the images from a directory, or draws them. Nothing is downloaded.
    ///
    /// # Errors
    /// [`SourceError`] says what is there instead.
    fn load(&self, directory: &Path, config: &DataConfig) -> Result<ImageCollection, SourceError>;
}

/// Where the files of a source are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: its images are drawn.
    Nowhere,
    /// In this directory, relative to the working directory, if nobody names another one.
    Default(&'static str),
    /// In a directory that has to be named.
    Named,
}

/// The images of a source.
#[derive(Clone, Debug)]
pub struct ImageCollection {
    /// The images to train on.
    pub train: Dataset,
    /// The images of the test.
    pub test: Dataset,
    /// What was read, by which it is known again; empty for images that are drawn.
    pub checksums: Vec<FileChecksum>,
    /// What a user should know about the images, a sentence each, without a full stop.
    pub warnings: Vec<String>,
}

/// What all images of a source have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageForm {
    /// Channels, height and width.
    pub shape: ImageShape,
    /// The number of classes.
    pub classes: usize,
}

/// Numbers of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitSizes {
    /// Images of the training split.
    pub train: usize,
    /// Images of the test split.
    pub test: usize,
}

/// The name and the checksum of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileChecksum {
    /// The name of the file, without its directory; of a folder of images that of the split.
    pub file: String,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// The name of one of the [`SOURCES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct SourceName(&'static str);

impl SourceName {
    /// The photographs of Zalando.
    pub const FASHION_MNIST: Self = Self("fashion-mnist");
    /// The images that this crate draws itself.
    pub const SYNTHETIC_GARMENTS: Self = Self("synthetic-garments");

    /// The source with this name, if there is one.
    pub fn new(name: &str) -> Option<Self> {
        NAMES.iter().find(|known| **known == name).copied().map(Self)
    }

    /// The name in configs.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The source itself.
    ///
    /// # Panics
    /// Never: a name that is none of a source cannot be made.
    pub fn source(self) -> &'static dyn ImageSource {
        *SOURCES.iter().find(|source| source.name() == self.0).expect("a source name is one of SOURCES")
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl<'de> Deserialize<'de> for SourceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(&name).ok_or_else(|| serde::de::Error::unknown_variant(&name, &NAMES))
    }
}
