//! Small colour photographs in ten classes (Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images"), from
//! the binary version of the files.

use std::path::Path;
use std::sync::Arc;

use tinylsa_system::{read_at_most, sha256_hex};

pub use error::{CifarError, CifarFault};

use super::inspect::{check_directory, entries};
use super::{FileChecksum, ImageCollection, ImageForm, ImageSource, Place, SourceError, SourceTables};
use crate::dataset::{Dataset, DatasetName, Split};
use crate::file_kind::kind;
use record::{CLASSES, RECORD, SHAPE};

mod error;
mod record;

/// Records of a file as it was published.
const RECORDS: usize = 10_000;
/// Ten times the size of a published file.
const LARGEST_FILE: u64 = (10 * RECORDS * RECORD) as u64;
/// Ten words take no more.
const LARGEST_NAMES: u64 = 1 << 12;
const TRAIN_FILES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST_FILE: &str = "test_batch.bin";
const NAMES_FILE: &str = "batches.meta.txt";
/// Where the archive has its files.
const SUBDIRECTORY: &str = "cifar-10-batches-bin";
/// What else people have under the directory, and what to do about it.
const OTHER_FORMS: [OtherForm; 3] = [
    OtherForm { name: "cifar-10-binary.tar.gz", remedy: "unpack it there" },
    OtherForm { name: "cifar-10-batches-py", remedy: "that is the Python version; get cifar-10-binary.tar.gz" },
    OtherForm { name: "cifar-10-python.tar.gz", remedy: "that is the Python version; get cifar-10-binary.tar.gz" },
];

struct OtherForm {
    name: &'static str,
    remedy: &'static str,
}

pub(super) struct Source;

impl ImageSource for Source {
    fn name(&self) -> &'static str {
        "cifar-10"
    }

    fn title(&self) -> &'static str {
        "CIFAR-10"
    }

    fn place(&self) -> Place {
        Place::Default("datasets/cifar-10")
    }

    fn form(&self, _tables: SourceTables<'_>) -> Option<ImageForm> {
        Some(ImageForm { shape: SHAPE, classes: CLASSES })
    }

    fn load(&self, directory: &Path, _tables: SourceTables<'_>) -> Result<ImageCollection, SourceError> {
        load_cifar_10(directory)
    }
}

/// CIFAR-10 from the files of the binary version in `directory`, or below it in `cifar-10-batches-bin`. No checksum of
/// these files is published: their own SHA-256 are recorded.
///
/// # Errors
/// [`SourceError`] says what the directory holds instead, or what is wrong with a file.
pub fn load_cifar_10(directory: &Path) -> Result<ImageCollection, SourceError> {
    check_directory(directory)?;
    let all: Vec<&str> = TRAIN_FILES.into_iter().chain([TEST_FILE, NAMES_FILE]).collect();
    let below = directory.join(SUBDIRECTORY);
    let place = if below.is_dir() && !directory.join(TEST_FILE).exists() { &below } else { directory };
    let missing: Vec<String> =
        all.iter().filter(|name| !place.join(name).exists()).map(|&name| name.to_owned()).collect();
    if missing.len() == all.len()
        && let Some(other) = OTHER_FORMS.iter().find(|other| directory.join(other.name).exists())
    {
        let fault = CifarFault::OtherForm { found: other.name, remedy: other.remedy };
        return Err(CifarError { path: directory.to_owned(), fault }.into());
    }
    if !missing.is_empty() {
        return Err(SourceError::Missing {
            collection: "CIFAR-10",
            directory: place.to_owned(),
            missing,
            files: all.len(),
            entries: entries(place)?,
        });
    }
    let mut checksums = Vec::with_capacity(all.len());
    let mut read = |name: &str, limit: u64| -> Result<Vec<u8>, CifarError> {
        let path = place.join(name);
        let bytes = read_file(&path, limit).map_err(|fault| CifarError { path, fault })?;
        checksums.push(FileChecksum { file: name.to_owned(), sha256: sha256_hex(&bytes) });
        Ok(bytes)
    };
    let names = read(NAMES_FILE, LARGEST_NAMES)?;
    let class_names = class_names(&names).map_err(|fault| CifarError { path: place.join(NAMES_FILE), fault })?;
    let mut warnings = Vec::new();
    let mut load = |split: Split, files: &[&str]| -> Result<Dataset, CifarError> {
        let mut dataset = Dataset {
            name: DatasetName::published("cifar-10"),
            split,
            shape: SHAPE,
            class_names: Arc::clone(&class_names),
            images: Vec::new(),
            labels: Vec::new(),
            masks: None,
        };
        for &name in files {
            let bytes = read(name, LARGEST_FILE)?;
            append(&mut dataset, &bytes).map_err(|fault| CifarError { path: place.join(name), fault })?;
        }
        let (found, published) = (dataset.len(), files.len() * RECORDS);
        if found != published {
            warnings.push(format!("the {split} split has {found} images, CIFAR-10 was published with {published}"));
        }
        Ok(dataset)
    };
    let train = load(Split::Train, &TRAIN_FILES)?;
    let test = load(Split::Test, &[TEST_FILE])?;
    Ok(ImageCollection { train, test, checksums, warnings })
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, CifarFault> {
    let metadata = std::fs::metadata(path).map_err(CifarFault::Unreadable)?;
    if !metadata.is_file() {
        // Opening a pipe waits for a writer, and a device never ends.
        return Err(CifarFault::NotAFile { found: kind(&metadata) });
    }
    read_at_most(path, limit).map_err(CifarFault::Unreadable)
}

fn class_names(bytes: &[u8]) -> Result<Arc<[String]>, CifarFault> {
    let text = String::from_utf8_lossy(bytes);
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let is_repeated = |(position, name): (usize, &String)| names[..position].contains(name);
    if names.len() != CLASSES || names.iter().enumerate().any(is_repeated) {
        return Err(CifarFault::Names { found: names });
    }
    Ok(names.into())
}

fn append(dataset: &mut Dataset, bytes: &[u8]) -> Result<(), CifarFault> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
        return Err(CifarFault::Length { found: bytes.len() });
    }
    for (record, [label, levels @ ..]) in bytes.as_chunks::<RECORD>().0.iter().enumerate() {
        if usize::from(*label) >= CLASSES {
            return Err(CifarFault::Label { label: *label, offset: record * RECORD });
        }
        dataset.labels.push(u32::from(*label));
        dataset.images.extend_from_slice(levels);
    }
    Ok(())
}
