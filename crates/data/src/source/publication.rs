//! Collections in the four IDX files of MNIST, with published checksums.

use std::path::{Path, PathBuf};

use tinylsa_shape::ImageShape;

use super::inspect::{Entry, check_directory, entries, entry, read_genuine};
use super::{FileChecksum, ImageCollection, ImageForm, SourceError, SplitSizes};
use crate::dataset::{Dataset, DatasetName, Split, shared_names};
use crate::idx::{IdxFile, IdxForm, decode_images};

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

    /// Everything that has a name of `file`, in `directory` or below it where torchvision puts the files: packed or not,
    /// and with the dot before `idx` that other copies have.
    pub(crate) fn candidates(&self, file: &SourceFile, directory: &Path) -> Vec<PathBuf> {
        candidates(file.unpacked_name(), &["", "raw", self.torchvision], directory)
    }
}

impl SourceFile {
    /// The name of the file once it is unpacked.
    pub fn unpacked_name(&self) -> &'static str {
        self.name.trim_end_matches(".gz")
    }
}

/// Everything that has a name of an IDX file: packed or not, with a dash before `idx` or a dot.
pub(super) fn candidates(unpacked: &str, below: &[&str], directory: &Path) -> Vec<PathBuf> {
    let dotted = unpacked.replacen("-idx", ".idx", 1);
    let mut names = vec![format!("{unpacked}.gz"), unpacked.to_owned()];
    if dotted != unpacked {
        names.extend([format!("{dotted}.gz"), dotted]);
    }
    let mut candidates = Vec::new();
    for path in below.iter().flat_map(|part| names.iter().map(move |name| directory.join(part).join(name))) {
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

/// Whether `directory` holds any of the four files, in any form and whatever they contain.
pub fn holds_files_of(publication: &Publication, directory: &Path) -> bool {
    publication.files.iter().any(|file| !publication.candidates(file, directory).is_empty())
}

/// A collection from its four files in `directory`, or below it where torchvision puts them, packed or not.
///
/// A file is accepted for its content alone: it is, or unpacks to, what was published. The checksums are those of the
/// published files, so they are the same whichever form was read. Where a file is there in several forms, one of which is
/// another file, a warning names that one.
///
/// # Errors
/// [`SourceError`] says what the directory holds instead.
pub fn load_published(publication: &Publication, directory: &Path) -> Result<ImageCollection, SourceError> {
    check_directory(directory)?;
    let files = &publication.files;
    let is_missing = |file: &&SourceFile| publication.candidates(file, directory).is_empty();
    let missing: Vec<String> = files.iter().filter(is_missing).map(|file| file.name.to_owned()).collect();
    if !missing.is_empty() {
        return Err(SourceError::Missing {
            collection: publication.title,
            directory: directory.to_owned(),
            missing,
            files: files.len(),
            entries: entries(directory)?,
        });
    }
    let [train_images, train_labels, test_images, test_labels] = files;
    let mut warnings = Vec::new();
    let mut read = |images: &SourceFile, labels: &SourceFile, split: Split| -> Result<Dataset, SourceError> {
        let images = read_genuine(publication, images, directory)?;
        let labels = read_genuine(publication, labels, directory)?;
        warnings.extend(images.warnings);
        warnings.extend(labels.warnings);
        let form = IdxForm {
            name: DatasetName::published(publication.id),
            split,
            class_names: shared_names(&publication.class_names),
            size: Some([Publication::FORM.shape.height, Publication::FORM.shape.width]),
            most_pixels: images.content.len() as u64,
        };
        let (images, labels) = (
            IdxFile { path: &images.path, bytes: &images.content },
            IdxFile { path: &labels.path, bytes: &labels.content },
        );
        Ok(decode_images(&form, &images, &labels)?)
    };
    let train = read(train_images, train_labels, Split::Train)?;
    let test = read(test_images, test_labels, Split::Test)?;
    let checksum = |file: &SourceFile| FileChecksum { file: file.name.to_owned(), sha256: file.sha256.to_owned() };
    Ok(ImageCollection { train, test, checksums: files.iter().map(checksum).collect(), warnings })
}
