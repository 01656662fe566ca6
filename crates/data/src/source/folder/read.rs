//! The files of a folder, decoded.

use std::path::PathBuf;

use rayon::prelude::*;
use tinylsa_shape::ImageShape;
use tinylsa_system::available_memory;

use super::FolderError;
use super::scan::{ClassFolder, unreadable_in_words};
use crate::photograph::{Photograph, PhotographError};
use crate::source::FolderConfig;

/// Files that are decoded at a time, so that no more than these are in memory twice.
const AT_A_TIME: usize = 256;
/// One file in so many may be unreadable.
const PER_UNREADABLE: usize = 100;

/// What the images must be.
pub(super) struct Form {
    channels: usize,
    resize: Option<[usize; 2]>,
    /// The first image, of whose size all must be.
    first: Option<First>,
}

#[derive(Clone, Debug)]
struct First {
    path: PathBuf,
    shape: ImageShape,
}

/// The images of a split.
pub(super) struct Images {
    pub(super) shape: ImageShape,
    /// `[images, channels, height, width]`.
    pub(super) levels: Vec<u8>,
    pub(super) labels: Vec<u32>,
    pub(super) warnings: Vec<String>,
    first: PathBuf,
}

impl Form {
    /// By the settings, and of the size of other images if there are some.
    pub(super) fn new(config: &FolderConfig, like: Option<&Images>) -> Self {
        let first = like.map(|images| First { path: images.first.clone(), shape: images.shape });
        Self { channels: config.channels, resize: config.resize, first }
    }
}

impl Images {
    pub(super) fn image(&self, index: usize) -> &[u8] {
        &self.levels[index * self.shape.values()..][..self.shape.values()]
    }
}

/// An image of a class.
struct File<'a> {
    path: &'a PathBuf,
    label: u32,
}

/// An image of its own size, or of the one that is asked for.
struct Decoded {
    shape: ImageShape,
    levels: Vec<u8>,
}

/// Reads the files of some classes in the order of the files' names, of equal ones in that of the classes: images that were
/// written under their numbers come back in their order, whatever their classes.
pub(super) fn read(classes: &[ClassFolder], form: &Form) -> Result<Images, FolderError> {
    let of_class = |(label, class): (usize, &'_ ClassFolder)| (label as u32, class.files.len());
    let counts: Vec<(u32, usize)> = classes.iter().enumerate().map(of_class).collect();
    let mut files: Vec<File<'_>> = classes
        .iter()
        .zip(&counts)
        .flat_map(|(class, &(label, _))| class.files.iter().map(move |path| File { path, label }))
        .collect();
    files.sort_by(|one, other| one.path.file_name().cmp(&other.path.file_name()));
    let mut first = form.first.clone();
    let (mut levels, mut labels): (Vec<u8>, Vec<u32>) = (Vec::new(), Vec::new());
    let mut unreadable: Vec<PhotographError> = Vec::new();
    for some in files.chunks(AT_A_TIME) {
        let decoded: Vec<Result<Decoded, PhotographError>> = some.par_iter().map(|file| decode(file, form)).collect();
        for (file, decoded) in some.iter().zip(decoded) {
            let decoded = match decoded {
                Ok(decoded) => decoded,
                Err(error) => {
                    unreadable.push(error);
                    continue;
                }
            };
            if labels.is_empty() {
                require_memory(files.len(), decoded.shape)?;
            }
            let expected = first.get_or_insert_with(|| First { path: file.path.clone(), shape: decoded.shape });
            if decoded.shape != expected.shape {
                let (path, first) = (file.path.clone(), expected.path.clone());
                return Err(FolderError::Size { path, found: decoded.shape, expected: expected.shape, first });
            }
            levels.extend(decoded.levels);
            labels.push(file.label);
        }
    }
    let warnings = require_readable(unreadable, files.len())?;
    if let Some((label, _)) = counts.iter().find(|(label, _)| !labels.contains(label)) {
        let directory = classes[*label as usize].files[0].parent().unwrap_or_else(|| "".as_ref()).to_owned();
        return Err(FolderError::EmptyClass { directory });
    }
    // Every class has an image by now, so there is a first one.
    let First { path, shape } = first.ok_or_else(|| FolderError::NoClasses { directory: PathBuf::new() })?;
    Ok(Images { shape, levels, labels, warnings, first: path })
}

fn decode(file: &File<'_>, form: &Form) -> Result<Decoded, PhotographError> {
    let photograph = Photograph::read(file.path)?;
    let [height, width] = form.resize.unwrap_or([photograph.height(), photograph.width()]);
    let shape = ImageShape { channels: form.channels, height, width };
    let levels = photograph.resized(shape).map_err(|fault| PhotographError { path: file.path.clone(), fault })?;
    Ok(Decoded { shape, levels })
}

fn require_memory(images: usize, shape: ImageShape) -> Result<(), FolderError> {
    let needed = (images as u64).saturating_mul(shape.values() as u64);
    match available_memory() {
        Some(available) if needed > available => Err(FolderError::Memory { images, shape, needed, available }),
        Some(_) | None => Ok(()),
    }
}

/// A warning about files that cannot be read, if they are few.
fn require_readable(unreadable: Vec<PhotographError>, files: usize) -> Result<Vec<String>, FolderError> {
    if unreadable.len() * PER_UNREADABLE > files {
        let count = unreadable.len();
        if let Some(first) = unreadable.into_iter().next() {
            return Err(FolderError::TooManyUnreadable { unreadable: count, files, first });
        }
        return Ok(Vec::new());
    }
    let paths: Vec<PathBuf> = unreadable.into_iter().map(|error| error.path).collect();
    Ok(if paths.is_empty() { Vec::new() } else { vec![unreadable_in_words(&paths)] })
}
