//! A folder of PNG and JPEG files in classes: `train/<class>/*.png` and `test/<class>/*.png`, or `<class>/*.png` to be
//! divided. A file `classes.txt` may give the order of the classes, and names that no directory can have.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tinylsa_settings::{InvalidSetting, counted, require};
use tinylsa_system::sha256_hex;

pub use error::{ClassesFault, FolderError};
pub use scan::CLASSES_FILE;

use super::inspect::check_directory;
use super::own_name::own_name;
use super::{FileChecksum, FolderConfig, ImageCollection, ImageSource, Place, SourceError, SourceTables};
use crate::dataset::{Dataset, DatasetName, Split};
use crate::split::stratified_split;
use classes::ClassList;
use read::{Form, Images, read};
use scan::{ClassFolder, Listing, classes_of, subdirectories};

mod classes;
mod error;
mod read;
mod scan;

const TRAIN: &str = "train";
const TEST: &str = "test";
pub(super) struct Source;

impl ImageSource for Source {
    fn name(&self) -> &'static str {
        "folder"
    }

    fn title(&self) -> &'static str {
        "image files"
    }

    fn place(&self) -> Place {
        Place::Named
    }

    fn validate(&self, tables: SourceTables<'_>) -> Result<(), InvalidSetting> {
        tables.folder.map_or(Ok(()), FolderConfig::validate).map_err(|error| error.within("folder"))
    }

    fn load(&self, directory: &Path, tables: SourceTables<'_>) -> Result<ImageCollection, SourceError> {
        load_folder(directory, &tables.folder.cloned().unwrap_or_default())
    }
}

/// Images from the PNG and JPEG files in `directory`. A class is a directory and has its name; the classes are in the
/// order of their names, unless a file `classes.txt` in `directory` lists them: a line for each directory in the order of
/// the labels, and behind a tabulator the name of the class where that is another one. The images are in the order of their
/// files' names.
///
/// Up to one file in a hundred may be damaged: it is left out, with a warning. So are files that are no images.
///
/// # Errors
/// [`SourceError`] if there are no images or none of a class, if training and test split have other classes, if class
/// names differ in case only, if images differ in size and `resize` is not given, or if more than 1 % of the files
/// cannot be read.
pub fn load_folder(directory: &Path, config: &FolderConfig) -> Result<ImageCollection, SourceError> {
    config.validate().map_err(|error| error.within("folder"))?;
    check_directory(directory)?;
    let parts = subdirectories(directory)?;
    let has = |name: &str| parts.iter().any(|part| part == name);
    let name = own_name("folder", config.name.as_deref(), directory);
    let (splits, mut warnings) = match (has(TRAIN), has(TEST)) {
        (true, true) => divided(directory, config, &parts, &name)?,
        (true, false) => return Err(FolderError::HalfDivided { directory: directory.to_owned(), missing: TEST }.into()),
        (false, true) => {
            return Err(FolderError::HalfDivided { directory: directory.to_owned(), missing: TRAIN }.into());
        }
        (false, false) => undivided(directory, config, &name)?,
    };
    let Splits { train, test } = splits;
    let repeated = repeated_images(&train, &test);
    if repeated > 0 {
        warnings.push(format!("{} also in the training split", is_or_are(repeated)));
    }
    let checksums = [(TRAIN, &train), (TEST, &test)].map(|(file, dataset)| checksum(file, dataset)).into();
    Ok(ImageCollection { train, test, checksums, warnings })
}

struct Splits {
    train: Dataset,
    test: Dataset,
}

/// `train/<class>/…` and `test/<class>/…`.
fn divided(
    directory: &Path,
    config: &FolderConfig,
    parts: &[String],
    name: &DatasetName,
) -> Result<(Splits, Vec<String>), SourceError> {
    let expected = "nothing: the folder is divided into train and test";
    require("test_fraction", config.test_fraction.is_none(), || format!("{:?}", config.test_fraction), expected)
        .map_err(|error| error.within("folder"))?;
    let mut train = classes_of(&directory.join(TRAIN))?;
    let mut test = classes_of(&directory.join(TEST))?;
    require_same_classes(directory, &train, &test)?;
    if let Some(list) = ClassList::read(directory)? {
        (train.classes, test.classes) = (list.applied(train.classes)?, list.applied(test.classes)?);
    }
    let read_train = read(&train.classes, &Form::new(config, None))?;
    let read_test = read(&test.classes, &Form::new(config, Some(&read_train)))?;
    let others: Vec<&str> = parts.iter().map(String::as_str).filter(|part| ![TRAIN, TEST].contains(part)).collect();
    let mut warnings = [train.warnings, test.warnings].concat();
    if !others.is_empty() {
        warnings.push(format!(
            "beside train and test, {} is not read; the validation split is cut from the training split",
            others.join(", ")
        ));
    }
    warnings.extend(read_train.warnings.iter().chain(&read_test.warnings).cloned());
    let class_names: Arc<[String]> = train.classes.into_iter().map(|class| class.name).collect();
    let dataset = |split, images: Images| Dataset {
        name: name.clone(),
        split,
        shape: images.shape,
        class_names: Arc::clone(&class_names),
        images: images.levels,
        labels: images.labels,
        masks: None,
    };
    let splits = Splits { train: dataset(Split::Train, read_train), test: dataset(Split::Test, read_test) };
    Ok((splits, warnings))
}

/// `<class>/…`, of which a share becomes the test split.
fn undivided(
    directory: &Path,
    config: &FolderConfig,
    name: &DatasetName,
) -> Result<(Splits, Vec<String>), SourceError> {
    let mut listing = classes_of(directory)?;
    if let Some(list) = ClassList::read(directory)? {
        listing.classes = list.applied(listing.classes)?;
    }
    let expected = "the share of the images for the test: the folder is not divided into train and test";
    let fraction = config.test_fraction.ok_or_else(|| {
        InvalidSetting { key: "test_fraction".to_owned(), found: "absent".to_owned(), expected: expected.to_owned() }
            .within("folder")
    })?;
    let images = read(&listing.classes, &Form::new(config, None))?;
    let count = (fraction * images.labels.len() as f64).round() as usize;
    // There are more labels than a fraction below 1 of them.
    let indices = stratified_split(&images.labels, count, config.test_seed)
        .map_err(|error| FolderError::Division { directory: directory.to_owned(), error })?;
    let class_names: Arc<[String]> = listing.classes.into_iter().map(|class| class.name).collect();
    let part = |split: Split, indices: &[u32]| -> Result<Dataset, FolderError> {
        let dataset = Dataset {
            name: name.clone(),
            split,
            shape: images.shape,
            class_names: Arc::clone(&class_names),
            images: indices.iter().flat_map(|&index| images.image(index as usize)).copied().collect(),
            labels: indices.iter().map(|&index| images.labels[index as usize]).collect(),
            masks: None,
        };
        let present: HashSet<u32> = dataset.labels.iter().copied().collect();
        match (0..class_names.len()).find(|&class| !present.contains(&(class as u32))) {
            Some(class) => Err(FolderError::ClassLost {
                class: class_names[class].clone(),
                split,
                fraction,
                directory: directory.to_owned(),
            }),
            None => Ok(dataset),
        }
    };
    let splits = Splits { train: part(Split::Train, &indices.train)?, test: part(Split::Test, &indices.validation)? };
    Ok((splits, [listing.warnings, images.warnings].concat()))
}

fn require_same_classes(directory: &Path, train: &Listing, test: &Listing) -> Result<(), FolderError> {
    let without = |one: &[ClassFolder], other: &[ClassFolder]| -> Vec<String> {
        let is_absent = |class: &&ClassFolder| other.iter().all(|other| other.name != class.name);
        one.iter().filter(is_absent).map(|class| class.name.clone()).collect()
    };
    let only_train = without(&train.classes, &test.classes);
    let only_test = without(&test.classes, &train.classes);
    if only_train.is_empty() && only_test.is_empty() {
        return Ok(());
    }
    Err(FolderError::OtherClasses { directory: directory.to_owned(), only_train, only_test })
}

/// How many images of the test are also trained on, by the SHA-256 of their levels.
fn repeated_images(train: &Dataset, test: &Dataset) -> usize {
    let digest = |dataset: &Dataset, index: usize| -> [u8; 32] { Sha256::digest(dataset.image(index)).into() };
    let known: HashSet<[u8; 32]> = (0..train.len()).map(|index| digest(train, index)).collect();
    (0..test.len()).filter(|&index| known.contains(&digest(test, index))).count()
}

fn is_or_are(images: usize) -> String {
    format!("{} of the test split {}", counted(images, "image"), if images == 1 { "is" } else { "are" })
}

/// By images, labels and class names, whatever the files are called.
fn checksum(file: &str, dataset: &Dataset) -> FileChecksum {
    let text = format!("{}\n{}", dataset.digest(), dataset.class_names.join("\n"));
    FileChecksum { file: file.to_owned(), sha256: sha256_hex(text.as_bytes()) }
}
