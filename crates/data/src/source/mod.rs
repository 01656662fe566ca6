//! Where Fashion-MNIST comes from: a directory, and behind it the publisher.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use certificates::Certificates;
pub use error::{DownloadFailure, DownloadFault, SourceError};
pub use fetch::{FetchConfig, PUBLISHER_URLS, fetch};
pub use inspect::{FileFault, FileForm, WrongFile};
pub use verify::{FoundFile, VerifiedFile, VerifyReport, verify};

use crate::dataset::{Dataset, DatasetName, Split, shared_names};
use crate::images::{IdxFile, IdxForm, decode_images};
pub(crate) use inspect::kind;
use inspect::{Entry, check_directory, entries, entry, read_genuine};

mod certificates;
mod error;
mod fetch;
mod inspect;
#[cfg(test)]
mod tests;
mod transfer;
mod verify;

/// One of the four files of Fashion-MNIST as it was published.
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
    /// The SHA-256 of what it unpacks to, in hexadecimal.
    pub content_sha256: &'static str,
}

/// Where torchvision puts the files, below the directory that it is given.
const SUBDIRECTORIES: [&str; 3] = ["", "raw", "FashionMNIST/raw"];

impl SourceFile {
    /// The name of the file once it is unpacked.
    pub fn unpacked_name(&self) -> &'static str {
        self.name.trim_end_matches(".gz")
    }

    /// Everything that has a name of the file, in `directory` or below it where torchvision puts the files: packed or
    /// not, and with the dot before `idx` that other copies have.
    pub(crate) fn candidates(&self, directory: &Path) -> Vec<PathBuf> {
        let unpacked = self.unpacked_name();
        let dotted = unpacked.replacen("-idx", ".idx", 1);
        let names = [self.name.to_owned(), unpacked.to_owned(), format!("{dotted}.gz"), dotted];
        let places = SUBDIRECTORIES.map(|part| directory.join(part));
        let mut candidates = Vec::new();
        for path in places.iter().flat_map(|place| names.iter().map(|name| place.join(name))) {
            match entry(&path) {
                Entry::Absent => {}
                Entry::Present => candidates.push(path),
                Entry::Unreadable => {
                    candidates.push(path);
                    // What the system refuses to show under one name, it refuses under the others, too.
                    break;
                }
            }
        }
        candidates
    }
}

/// The ten classes of Fashion-MNIST and of the synthetic garments, in the order of their labels.
pub const FASHION_MNIST_CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// The four files: training images and labels, then test images and labels, as published since 2017-08-31. Earlier
/// copies hold duplicates of training images in the test split and give higher accuracies.
pub const FASHION_MNIST_FILES: [SourceFile; 4] = [
    SourceFile {
        name: "train-images-idx3-ubyte.gz",
        bytes: 26_421_880,
        sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        content_bytes: 47_040_016,
        content_sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    },
    SourceFile {
        name: "train-labels-idx1-ubyte.gz",
        bytes: 29_515,
        sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        content_bytes: 60_008,
        content_sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    },
    SourceFile {
        name: "t10k-images-idx3-ubyte.gz",
        bytes: 4_422_102,
        sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        content_bytes: 7_840_016,
        content_sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    },
    SourceFile {
        name: "t10k-labels-idx1-ubyte.gz",
        bytes: 5_148,
        sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        content_bytes: 10_008,
        content_sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
];

/// The name and the checksum of a file.
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
    /// The 60 000 images to train on.
    pub train: Dataset,
    /// The 10 000 images of the test.
    pub test: Dataset,
    /// The four files as they were published. The content that was read is theirs to the byte, so these are the same
    /// whichever form of the files was read: packed, packed anew or unpacked.
    pub checksums: Vec<FileChecksum>,
}

/// Whether missing files may be downloaded.
#[derive(Clone, Debug)]
pub enum DownloadPolicy {
    /// Only the disk is read.
    Never,
    /// Files that are missing are downloaded into the directory.
    IfMissing(FetchConfig),
}

/// Fashion-MNIST from `directory`, after a download of what is missing there if `policy` allows it. Files that are
/// there but wrong are an error and are never replaced.
///
/// # Errors
/// [`SourceError`] says what the directory holds, or why the files could not be downloaded.
pub fn obtain_fashion_mnist(directory: &Path, policy: &DownloadPolicy) -> Result<FashionMnist, SourceError> {
    if let DownloadPolicy::IfMissing(config) = policy {
        let missing: Vec<SourceFile> =
            FASHION_MNIST_FILES.into_iter().filter(|file| file.candidates(directory).is_empty()).collect();
        fetch::fetch_files(&missing, directory, config)?;
    }
    load_fashion_mnist(directory)
}

/// Whether `directory` holds any of the four files, in any form and whatever they contain.
pub fn holds_fashion_mnist_files(directory: &Path) -> bool {
    FASHION_MNIST_FILES.iter().any(|file| !file.candidates(directory).is_empty())
}

/// Fashion-MNIST from the four files in `directory`, or below it in `FashionMNIST/raw`, packed or not.
///
/// A file is accepted for its content alone: it is, or unpacks to, what was published. Where a file is there in several
/// forms, one of which is another file, a warning names that one.
///
/// # Errors
/// [`SourceError`] says what the directory holds instead.
pub fn load_fashion_mnist(directory: &Path) -> Result<FashionMnist, SourceError> {
    load(&FASHION_MNIST_FILES, directory)
}

fn load(files: &[SourceFile; 4], directory: &Path) -> Result<FashionMnist, SourceError> {
    check_directory(directory)?;
    let missing: Vec<String> =
        files.iter().filter(|file| file.candidates(directory).is_empty()).map(|file| file.name.to_owned()).collect();
    if !missing.is_empty() {
        return Err(SourceError::Missing { directory: directory.to_owned(), missing, entries: entries(directory)? });
    }
    let [train_images, train_labels, test_images, test_labels] = files;
    Ok(FashionMnist {
        train: load_split(directory, train_images, train_labels, Split::Train)?,
        test: load_split(directory, test_images, test_labels, Split::Test)?,
        checksums: files
            .iter()
            .map(|file| FileChecksum { file: file.name.to_owned(), sha256: file.sha256.to_owned() })
            .collect(),
    })
}

fn load_split(
    directory: &Path,
    images: &SourceFile,
    labels: &SourceFile,
    split: Split,
) -> Result<Dataset, SourceError> {
    let images = read_genuine(images, directory)?;
    let labels = read_genuine(labels, directory)?;
    let form = IdxForm {
        name: DatasetName::FASHION_MNIST,
        split,
        class_names: shared_names(&FASHION_MNIST_CLASSES),
        size: Some([28, 28]),
        most_pixels: images.content.len() as u64,
    };
    Ok(decode_images(
        &form,
        &IdxFile { path: &images.path, bytes: &images.content },
        &IdxFile { path: &labels.path, bytes: &labels.content },
    )?)
}
