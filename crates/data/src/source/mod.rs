//! Where Fashion-MNIST comes from: a directory, and behind it the publisher.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tinylsa_system::sha256_hex;

pub use error::{DownloadFailure, DownloadFault, SourceError};
pub use fetch::{FetchConfig, PUBLISHER_URLS, fetch};
pub use verify::{FileState, VerifiedFile, VerifyReport, verify};

use crate::dataset::{Dataset, DatasetName, Split};
use crate::pictures::decode_pictures;

mod error;
mod fetch;
#[cfg(test)]
mod tests;
mod verify;

/// One of the four files of Fashion-MNIST as it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The name of the gzip file.
    pub name: &'static str,
    /// Its SHA-256 in hexadecimal.
    pub sha256: &'static str,
    /// The number of pictures or labels in it.
    pub count: usize,
}

impl SourceFile {
    /// The name of the file once it is unpacked.
    pub fn unpacked_name(&self) -> &'static str {
        self.name.trim_end_matches(".gz")
    }

    /// The path of the file in `directory`: the gzip file, or else the unpacked one, or neither.
    pub(crate) fn locate(&self, directory: &Path) -> Option<PathBuf> {
        [self.name, self.unpacked_name()].map(|name| directory.join(name)).into_iter().find(|path| path.is_file())
    }

    fn is_packed(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == self.name)
    }
}

/// The four files: pictures and labels of the training half, then of the test half, as published since 2017-08-31.
/// Earlier copies hold duplicates of training pictures in the test half and give higher accuracies.
pub const FASHION_MNIST_FILES: [SourceFile; 4] = [
    SourceFile {
        name: "train-images-idx3-ubyte.gz",
        sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        count: 60_000,
    },
    SourceFile {
        name: "train-labels-idx1-ubyte.gz",
        sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        count: 60_000,
    },
    SourceFile {
        name: "t10k-images-idx3-ubyte.gz",
        sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        count: 10_000,
    },
    SourceFile {
        name: "t10k-labels-idx1-ubyte.gz",
        sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        count: 10_000,
    },
];

/// The checksum of a file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileChecksum {
    /// The name of the file, without its directory.
    pub file: String,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Fashion-MNIST as it was read.
#[derive(Clone, Debug)]
pub struct FashionMnist {
    /// The 60 000 pictures to learn from.
    pub train: Dataset,
    /// The 10 000 pictures of the test.
    pub test: Dataset,
    /// The checksums of the four files.
    pub checksums: Vec<FileChecksum>,
}

/// Whether missing files may be downloaded.
#[derive(Clone, Debug, PartialEq)]
pub enum DownloadPolicy {
    /// Only the disk is read.
    Never,
    /// Files that are missing are downloaded into the directory.
    IfMissing(FetchConfig),
}

/// Fashion-MNIST from `directory`, after a download of what is missing there if `policy` allows it. Files that are
/// there but wrong are never replaced on the way: that is an error, and [`fetch`] the remedy.
pub fn obtain_fashion_mnist(directory: &Path, policy: &DownloadPolicy) -> Result<FashionMnist, SourceError> {
    if let DownloadPolicy::IfMissing(config) = policy {
        let missing: Vec<SourceFile> =
            FASHION_MNIST_FILES.into_iter().filter(|file| file.locate(directory).is_none()).collect();
        fetch::fetch_files(&missing, directory, config)?;
    }
    load_fashion_mnist(directory)
}

/// Fashion-MNIST from the four files in `directory`.
///
/// A gzip file must have its published checksum. An unpacked file (without `.gz`) is read where there is no gzip file;
/// it has no published checksum, so its structure and counts are checked instead and its checksum is only recorded.
pub fn load_fashion_mnist(directory: &Path) -> Result<FashionMnist, SourceError> {
    let missing: Vec<String> = FASHION_MNIST_FILES
        .iter()
        .filter(|file| file.locate(directory).is_none())
        .map(|file| file.name.to_owned())
        .collect();
    if !missing.is_empty() {
        return Err(SourceError::Missing { directory: directory.to_owned(), files: missing });
    }
    let [train_images, train_labels, test_images, test_labels] = FASHION_MNIST_FILES;
    let mut checksums = Vec::new();
    let train = load_half(directory, [train_images, train_labels], Split::Train, &mut checksums)?;
    let test = load_half(directory, [test_images, test_labels], Split::Test, &mut checksums)?;
    Ok(FashionMnist { train, test, checksums })
}

fn load_half(
    directory: &Path,
    [images, labels]: [SourceFile; 2],
    split: Split,
    checksums: &mut Vec<FileChecksum>,
) -> Result<Dataset, SourceError> {
    let images_content = checked_content(directory, images, checksums)?;
    let labels_content = checked_content(directory, labels, checksums)?;
    let dataset = decode_pictures(
        DatasetName::FashionMnist,
        split,
        (&images_content.path, &images_content.bytes),
        (&labels_content.path, &labels_content.bytes),
    )?;
    if dataset.len() != images.count {
        return Err(SourceError::Count { file: images_content.path, found: dataset.len(), expected: images.count });
    }
    Ok(dataset)
}

struct Content {
    path: PathBuf,
    bytes: Vec<u8>,
}

fn checked_content(
    directory: &Path,
    file: SourceFile,
    checksums: &mut Vec<FileChecksum>,
) -> Result<Content, SourceError> {
    let path = file.locate(directory).unwrap_or_else(|| directory.join(file.name));
    let bytes = std::fs::read(&path).map_err(|error| SourceError::Io { path: path.clone(), error })?;
    let sha256 = sha256_hex(&bytes);
    if file.is_packed(&path) && sha256 != file.sha256 {
        return Err(SourceError::Checksum { file: path, found: sha256, expected: file.sha256 });
    }
    let name = if file.is_packed(&path) { file.name } else { file.unpacked_name() };
    checksums.push(FileChecksum { file: name.to_owned(), sha256 });
    Ok(Content { path, bytes })
}
