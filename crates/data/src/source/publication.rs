//! Collections in the four IDX files of MNIST, with published checksums.

use tinylsa_shape::ImageShape;

use super::collection::{ImageForm, SplitSizes};

/// Four files with 70 000 grey images of 28×28 pixels and their labels, ten classes, as they were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The name in files, such as `fashion-mnist`.
    pub id: &'static str,
    /// The name for people, such as `Fashion-MNIST`.
    pub title: &'static str,
    /// The names of the classes, in the order of their labels.
    pub class_names: [&'static str; 10],
    /// Where a user finds the files.
    pub page: &'static str,
    /// The addresses of the directories with the files.
    pub base_urls: &'static [&'static str],
    /// The directory of the files, relative to the working directory, if nobody names another one.
    pub directory: &'static str,
    /// The environment variable that names the directory of the files.
    pub directory_variable: Option<&'static str>,
    /// Where torchvision puts the files, below the directory that it is given.
    pub torchvision: &'static str,
    /// Training images, training labels, test images and test labels.
    pub files: [SourceFile; 4],
}

/// One of the files of a [`Publication`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The name of the gzip file.
    pub name: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: &'static str,
    /// The size of what it unpacks to.
    pub content_bytes: u64,
    /// The SHA-256 of what it unpacks to, in hexadecimal, if it is known. Otherwise only the gzip file can be verified.
    pub content_sha256: Option<&'static str>,
}

impl Publication {
    /// Shape and classes of the images.
    pub const FORM: ImageForm = ImageForm { shape: ImageShape::grey(28, 28), classes: 10 };
    /// The numbers of images.
    pub const SIZES: SplitSizes = SplitSizes { train: 60_000, test: 10_000 };
}

impl SourceFile {
    /// The name of the file once it is unpacked.
    pub fn unpacked_name(&self) -> &'static str {
        self.name.trim_end_matches(".gz")
    }
}
