//! Images written as PNG files, and a collection as a folder that the source `folder` reads back.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use png::{BitDepth, ColorType, Encoder};
use rayon::prelude::*;
use thiserror::Error;
use tinylsa_settings::printable_path;
use tinylsa_shape::ImageShape;

use crate::dataset::{Dataset, DatasetError};
use crate::source::{CLASSES_FILE, ImageCollection};

/// Images that were not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// No PNG file can hold images of this shape.
    #[error("an image of {found} has no form as PNG, expected 1 or 3 channels and at least one pixel")]
    Shape {
        /// The shape.
        found: ImageShape,
    },
    /// The levels do not fill the image.
    #[error("{found} levels are given for an image of {shape}, expected {}", shape.values())]
    Levels {
        /// The number of levels.
        found: usize,
        /// The shape.
        shape: ImageShape,
    },
    /// The encoder gave up.
    #[error("an image cannot be encoded: {0}")]
    Encoding(#[from] png::EncodingError),
    /// The images contradict themselves.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The directory holds something already.
    #[error("{} holds something already, expected a new or an empty directory", printable_path(directory))]
    NotEmpty {
        /// The directory.
        directory: PathBuf,
    },
    /// A file or a directory cannot be written.
    #[error("failed to write {}: {error}", printable_path(path))]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
}

/// An image as the bytes of a PNG file: grey of one channel, colour of three, every level as it is.
///
/// # Errors
/// [`ExportError`] if the shape has no form as PNG or the levels do not fill it.
pub fn encode_png(shape: ImageShape, levels: &[u8]) -> Result<Vec<u8>, ExportError> {
    let colour = match shape.channels {
        1 => ColorType::Grayscale,
        3 => ColorType::Rgb,
        _ => return Err(ExportError::Shape { found: shape }),
    };
    let sides = u32::try_from(shape.width).ok().zip(u32::try_from(shape.height).ok());
    let Some((width, height)) = sides.filter(|&(width, height)| width > 0 && height > 0) else {
        return Err(ExportError::Shape { found: shape });
    };
    if levels.len() != shape.values() {
        return Err(ExportError::Levels { found: levels.len(), shape });
    }
    let pixels = shape.pixels();
    let interleaved: Vec<u8> = (0..pixels)
        .flat_map(|pixel| (0..shape.channels).map(move |channel| levels[channel * pixels + pixel]))
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&interleaved)?;
    writer.finish()?;
    Ok(bytes)
}

/// Writes a collection as `train/<class>/<number>.png`, `test/<class>/<number>.png` and a list of the classes. The
/// directory appears whole or not at all.
///
/// Read back with [`load_folder`](crate::load_folder), these are the same images in the same order with the same labels and
/// class names.
///
/// # Errors
/// [`ExportError`] if the directory holds something already or cannot be written, or if the images have neither one nor
/// three channels.
pub fn export_folder(collection: &ImageCollection, directory: &Path) -> Result<(), ExportError> {
    let written = |path: &Path, error: io::Error| ExportError::Write { path: path.to_owned(), error };
    collection.train.check()?;
    collection.test.check()?;
    match fs::read_dir(directory) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(ExportError::NotEmpty { directory: directory.to_owned() });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(written(directory, error)),
    }
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let staged = directory.with_file_name(format!(".{name}.part-{}", std::process::id()));
    let outcome = write_folder(collection, &staged)
        .and_then(|()| fs::rename(&staged, directory).map_err(|error| written(directory, error)));
    if outcome.is_err() {
        // What was written so far is of no use; that it cannot be removed changes nothing about the failure.
        let _ = fs::remove_dir_all(&staged);
    }
    outcome
}

fn write_folder(collection: &ImageCollection, directory: &Path) -> Result<(), ExportError> {
    let directories = class_directories(&collection.train.class_names);
    for dataset in [&collection.train, &collection.test] {
        let split = directory.join(dataset.split.to_string());
        for class in &directories {
            let path = split.join(class);
            fs::create_dir_all(&path).map_err(|error| ExportError::Write { path, error })?;
        }
        write_images(dataset, &split, &directories)?;
    }
    let lines = directories.iter().zip(collection.train.class_names.iter());
    let text = lines.map(|(directory, class)| format!("{directory}\t{class}\n")).collect::<Vec<_>>().concat();
    let path = directory.join(CLASSES_FILE);
    fs::write(&path, text).map_err(|error| ExportError::Write { path, error })
}

/// Each image under its number, with as many digits as the largest has.
fn write_images(dataset: &Dataset, split: &Path, directories: &[String]) -> Result<(), ExportError> {
    let digits = dataset.len().saturating_sub(1).to_string().len();
    (0..dataset.len()).into_par_iter().try_for_each(|index| {
        let class = &directories[dataset.label(index) as usize];
        let path = split.join(class).join(format!("{index:0digits$}.png"));
        let bytes = encode_png(dataset.shape, dataset.image(index))?;
        fs::write(&path, bytes).map_err(|error| ExportError::Write { path, error })
    })
}

/// A directory name for each class: the name itself as far as file systems allow it, different from all others whatever
/// the case of letters.
fn class_directories(class_names: &[String]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut directory = |(class, name): (usize, &String)| {
        let safe = |letter: char| {
            let is_safe = !letter.is_control() && !"/\\:*?\"<>|".contains(letter);
            if is_safe { letter } else { '-' }
        };
        let plain: String = name.chars().map(safe).collect();
        // Hidden directories are no classes, and some systems drop a dot or a space at the end.
        let plain = plain.trim_matches(|letter| letter == '.' || letter == ' ').to_owned();
        let candidates = std::iter::once(plain.clone()).filter(|plain| !plain.is_empty());
        let numbered = (0..).map(|again| format!("{plain}-{}", class + again * class_names.len()));
        let free = |candidate: &String| taken.insert(candidate.to_lowercase());
        candidates.chain(numbered).find(free).unwrap_or_default()
    };
    class_names.iter().enumerate().map(&mut directory).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{DatasetName, Split};
    use crate::photograph::Photograph;
    use crate::source::{FolderConfig, load_folder};
    use crate::synthetic::{SyntheticConfig, synthetic_garments};

    fn collection(train: Dataset, test: Dataset) -> ImageCollection {
        ImageCollection { train, test, checksums: Vec::new(), warnings: Vec::new() }
    }

    #[test]
    fn a_collection_comes_back_image_for_image_in_its_order_with_its_names() {
        let garments = synthetic_garments(&SyntheticConfig { train: 120, test: 30, seed: 3 }).unwrap();
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("garments");
        let drawn = collection(garments.train, garments.test);
        export_folder(&drawn, &directory).unwrap();
        let read = load_folder(&directory, &FolderConfig { channels: 1, ..FolderConfig::default() }).unwrap();
        for (drawn, read) in [(&drawn.train, &read.train), (&drawn.test, &read.test)] {
            assert_eq!((&read.images, &read.labels), (&drawn.images, &drawn.labels));
            assert_eq!((&read.class_names, read.shape), (&drawn.class_names, drawn.shape));
        }
        assert_eq!(read.warnings, Vec::<String>::new());
        assert!(directory.join("train/T-shirt-top").is_dir(), "a slash is no part of a name");
        let error = export_folder(&drawn, &directory).unwrap_err().to_string();
        assert!(error.contains("holds something already"), "{error}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "nothing half-written is left");
    }

    #[test]
    fn colours_keep_every_level_and_names_stay_apart() {
        let shape = ImageShape { channels: 3, height: 2, width: 3 };
        let names = ["..", "a/b", "A:b", "猫", " "].map(str::to_owned);
        let split = |split| Dataset {
            name: DatasetName::new("memory/colours"),
            split,
            shape,
            class_names: names.clone().into(),
            images: (0..5 * 18).map(|value| value * 2).collect(),
            labels: vec![4, 3, 2, 1, 0],
            masks: None,
        };
        let colours = collection(split(Split::Train), split(Split::Test));
        let png = encode_png(shape, colours.train.image(1)).unwrap();
        assert_eq!(Photograph::decode(&png).unwrap().resized(shape).unwrap(), colours.train.image(1));
        assert_eq!(class_directories(&names), ["-0", "a-b", "A-b-2", "猫", "-4"]);
        let parent = tempfile::tempdir().unwrap();
        let empty = parent.path().join("empty");
        fs::create_dir(&empty).unwrap();
        // A class whose name is blank has no line in the list, so it is refused when it is read.
        export_folder(&colours, &empty).unwrap();
        let error = load_folder(&empty, &FolderConfig::default()).unwrap_err().to_string();
        assert!(error.contains("classes.txt") && error.contains("line 5"), "{error}");
    }

    #[test]
    fn what_has_no_form_as_png_is_refused() {
        let wrong = |channels, height, width, levels: usize| {
            encode_png(ImageShape { channels, height, width }, &vec![0; levels]).unwrap_err().to_string()
        };
        assert!(wrong(2, 4, 4, 32).starts_with("an image of 2×4×4 has no form as PNG"));
        assert!(wrong(1, 0, 4, 0).starts_with("an image of 1×0×4 has no form as PNG"));
        assert_eq!(wrong(3, 2, 2, 11), "11 levels are given for an image of 3×2×2, expected 12");
    }
}
