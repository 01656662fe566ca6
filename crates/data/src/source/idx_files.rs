//! Four IDX files of one's own: grey images of any size, with labels from 0 to 255.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tinylsa_settings::{InvalidSetting, printable_path};
use tinylsa_system::{available_memory, read_at_most, sha256_hex};

use super::candidates::candidates;
use super::inspect::{check_directory, entries};
use super::own_name::own_name;
use super::settings::MOST_CLASSES;
use super::{FileChecksum, IdxConfig, ImageCollection, ImageSource, Place, SourceError, SourceTables};
use crate::dataset::{Dataset, Split};
use crate::file_kind::kind;
use crate::idx::{IdxError, IdxFault, IdxFile, IdxForm, decode_images};

/// What is read where nobody says how much memory there is.
const LARGEST_FILE: u64 = 1 << 36;

pub(super) struct Source;

impl ImageSource for Source {
    fn name(&self) -> &'static str {
        "idx"
    }

    fn title(&self) -> &'static str {
        "IDX files"
    }

    fn place(&self) -> Place {
        Place::Named
    }

    fn validate(&self, tables: SourceTables<'_>) -> Result<(), InvalidSetting> {
        tables.idx.map_or(Ok(()), IdxConfig::validate).map_err(|error| error.within("idx"))
    }

    fn load(&self, directory: &Path, tables: SourceTables<'_>) -> Result<ImageCollection, SourceError> {
        load_idx(directory, &tables.idx.cloned().unwrap_or_default())
    }
}

/// One of the four files.
struct Wanted<'a> {
    given: Option<&'a PathBuf>,
    usual: &'static str,
}

/// A file that was read.
struct Read {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Images from four IDX files in `directory`, packed with gzip or not. A file that `config` does not name has the name
/// that MNIST's has. The files' own SHA-256 are recorded.
///
/// # Errors
/// [`SourceError`] if a file is missing or damaged, the files do not belong together, or a label has no class.
pub fn load_idx(directory: &Path, config: &IdxConfig) -> Result<ImageCollection, SourceError> {
    config.validate().map_err(|error| error.within("idx"))?;
    check_directory(directory)?;
    let wanted = [
        Wanted { given: config.train_images.as_ref(), usual: "train-images-idx3-ubyte" },
        Wanted { given: config.train_labels.as_ref(), usual: "train-labels-idx1-ubyte" },
        Wanted { given: config.test_images.as_ref(), usual: "t10k-images-idx3-ubyte" },
        Wanted { given: config.test_labels.as_ref(), usual: "t10k-labels-idx1-ubyte" },
    ];
    let found: Vec<Option<PathBuf>> = wanted.iter().map(|wanted| wanted.find(directory)).collect();
    let missing: Vec<String> =
        wanted.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(wanted, _)| wanted.shown()).collect();
    if !missing.is_empty() {
        return Err(SourceError::Missing {
            collection: "the idx source",
            directory: directory.to_owned(),
            missing,
            files: wanted.len(),
            entries: entries(directory)?,
        });
    }
    let files = found.into_iter().flatten().map(read).collect::<Result<Vec<Read>, IdxError>>()?;
    let checksum = |file: &Read| FileChecksum {
        file: file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        sha256: sha256_hex(&file.bytes),
    };
    let checksums = files.iter().map(checksum).collect();
    let names =
        config.class_names.clone().unwrap_or_else(|| (0..MOST_CLASSES).map(|class| class.to_string()).collect());
    let class_names: Arc<[String]> = names.into();
    let name = own_name("idx", config.name.as_deref(), directory);
    let decode = |split: Split, size: Option<[usize; 2]>, images: &Read, labels: &Read| {
        let form = IdxForm {
            name: name.clone(),
            split,
            class_names: Arc::clone(&class_names),
            size,
            most_pixels: available_memory().unwrap_or(LARGEST_FILE),
        };
        decode_images(&form, &images.as_file(), &labels.as_file())
    };
    let mut train = decode(Split::Train, None, &files[0], &files[1])?;
    let mut test = decode(Split::Test, Some([train.shape.height, train.shape.width]), &files[2], &files[3])?;
    if config.class_names.is_none() {
        let largest = train.labels.iter().chain(&test.labels).max().copied().unwrap_or_default();
        let known: Arc<[String]> = class_names[..=largest as usize].into();
        train.class_names = Arc::clone(&known);
        test.class_names = known;
    }
    let warnings = classes_without_images(&train);
    Ok(ImageCollection { train, test, checksums, warnings })
}

/// A sentence about classes that nothing can be learned of.
fn classes_without_images(train: &Dataset) -> Vec<String> {
    let present: BTreeSet<u32> = train.labels.iter().copied().collect();
    let absent: Vec<&str> = (0..train.classes())
        .filter(|&class| !present.contains(&(class as u32)))
        .map(|class| train.class_names[class].as_str())
        .collect();
    if absent.is_empty() {
        return Vec::new();
    }
    vec![format!("no training image is of class {}", absent.join(", "))]
}

impl Wanted<'_> {
    fn find(&self, directory: &Path) -> Option<PathBuf> {
        match self.given {
            Some(given) => Some(directory.join(given)).filter(|path| path.exists()),
            None => candidates(self.usual, &["", "raw"], directory).into_iter().next(),
        }
    }

    fn shown(&self) -> String {
        self.given.map_or_else(|| self.usual.to_owned(), |given| printable_path(given))
    }
}

impl Read {
    fn as_file(&self) -> IdxFile<'_> {
        IdxFile { path: &self.path, bytes: &self.bytes }
    }
}

fn read(path: PathBuf) -> Result<Read, IdxError> {
    let unreadable = |error| IdxError::new(&path, 0, IdxFault::Unreadable(error));
    let metadata = std::fs::metadata(&path).map_err(unreadable)?;
    if !metadata.is_file() {
        // Opening a pipe waits for a writer, and a device never ends.
        return Err(IdxError::new(&path, 0, IdxFault::NotAFile { found: kind(&metadata) }));
    }
    let bytes = read_at_most(&path, available_memory().unwrap_or(LARGEST_FILE)).map_err(unreadable)?;
    Ok(Read { path, bytes })
}
