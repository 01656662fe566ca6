//! Collections with published checksums, read.

use std::path::Path;

use super::inspect::{check_directory, entries, read_genuine};
use super::{
    FileChecksum, ImageCollection, ImageForm, ImageSource, Place, Publication, SourceError, SourceFile, SourceTables,
    SplitSizes,
};
use crate::dataset::{Dataset, DatasetName, Split, shared_names};
use crate::idx::{IdxFile, IdxForm, decode_images};

impl ImageSource for Publication {
    fn name(&self) -> &'static str {
        self.id
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn place(&self) -> Place {
        Place::Default(self.directory)
    }

    fn directory_variable(&self) -> Option<&'static str> {
        self.directory_variable
    }

    fn publication(&self) -> Option<&Publication> {
        Some(self)
    }

    fn form(&self, _tables: SourceTables<'_>) -> Option<ImageForm> {
        Some(Self::FORM)
    }

    fn is_on_black(&self) -> bool {
        true
    }

    fn sizes(&self, _tables: SourceTables<'_>) -> Option<SplitSizes> {
        Some(Self::SIZES)
    }

    fn load(&self, directory: &Path, _tables: SourceTables<'_>) -> Result<ImageCollection, SourceError> {
        load_published(self, directory)
    }
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
