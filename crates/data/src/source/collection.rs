//! What a source gives.

use serde::{Deserialize, Serialize};
use tinylsa_shape::ImageShape;

use crate::dataset::Dataset;

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
