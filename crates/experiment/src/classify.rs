//! What is on a photograph.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use tinylsa_data::encode_png;
use tinylsa_settings::printable_path;
use tinylsa_system::{OutputDir, write_atomically};

use crate::error::ExperimentError;
use crate::image_file::{InputImage, load_image};
use crate::models::AskedNetwork;

/// What a directory of prepared images is marked as.
const PREPARED: &str = "prepared images";
/// The longest part of a file's name that the name of its prepared image begins with.
const NAME: usize = 60;

/// What the classifier says of one photograph.
#[derive(Clone, Debug)]
pub struct ClassifiedPhotograph {
    /// The image that the network sees, and how the garment was found.
    pub prepared: InputImage,
    /// Every class, the most probable first.
    pub classes: Vec<ClassProbability>,
}

/// A class and how probable it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassProbability {
    /// The name of the class.
    pub name: String,
    /// A fraction, calibrated if the model file holds a temperature.
    pub probability: f32,
}

/// Brings a PNG or JPEG file into the form of the model's images and asks the network what it is. Warns if it is doubtful
/// that what was found is the garment.
///
/// # Errors
/// If the file cannot be read or holds no garment.
pub fn classify_photograph(loaded: &AskedNetwork, path: &Path) -> Result<ClassifiedPhotograph, ExperimentError> {
    Ok(classified(loaded, path)?)
}

fn classified(loaded: &AskedNetwork, path: &Path) -> Result<ClassifiedPhotograph> {
    let prepared = load_image(path, &loaded.metadata)?;
    let probabilities = loaded.metadata.probabilities(&loaded.network.logits(&prepared.to_unit())?)?;
    let mut classes: Vec<ClassProbability> = probabilities
        .into_iter()
        .enumerate()
        .map(|(index, probability)| ClassProbability {
            name: loaded.metadata.class_names.get(index).map_or_else(|| index.to_string(), Clone::clone),
            probability,
        })
        .collect();
    classes.sort_by(|left, right| right.probability.total_cmp(&left.probability));
    Ok(ClassifiedPhotograph { prepared, classes })
}

/// A directory of prepared images, which this process alone writes to.
#[derive(Debug)]
pub struct PreparedDirectory {
    output: OutputDir,
}

impl PreparedDirectory {
    /// Claims a directory that is new, empty or of prepared images, and removes those of an earlier call.
    ///
    /// # Errors
    /// If it holds anything else, or if another process uses it.
    pub fn claim(dir: &Path) -> Result<Self, ExperimentError> {
        Ok(Self { output: claimed(dir)? })
    }

    /// Writes a prepared image as PNG. Its name begins with the number of its photograph, so that it is unique.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, prepared: &InputImage, source: &Path, number: usize) -> Result<PathBuf, ExperimentError> {
        Ok(saved(prepared, &self.output.path().join(prepared_name(source, number)))?)
    }
}

fn claimed(dir: &Path) -> Result<OutputDir> {
    let output = OutputDir::claim(dir, PREPARED)?;
    let failed = || format!("failed to remove earlier images from {}", printable_path(dir));
    for entry in std::fs::read_dir(dir).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.file_name().is_some_and(|name| is_prepared_name(&name.to_string_lossy())) {
            std::fs::remove_file(path).with_context(failed)?;
        }
    }
    Ok(output)
}

fn saved(prepared: &InputImage, path: &Path) -> Result<PathBuf> {
    let bytes = encode_png(prepared.shape, &prepared.pixels).context("failed to encode a prepared image")?;
    write_atomically(path, &bytes).with_context(|| format!("failed to write {}", printable_path(path)))?;
    Ok(path.to_owned())
}

/// A name that is unique by the number of the image, and safe whatever the image is called.
fn prepared_name(source: &Path, number: usize) -> String {
    let stem = source.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let safe = |letter: char| if letter.is_alphanumeric() || letter == '-' || letter == '_' { letter } else { '_' };
    format!("{number:04}-{}.png", stem.chars().take(NAME).map(safe).collect::<String>())
}

/// Whether [`prepared_name`] gives such names.
fn is_prepared_name(name: &str) -> bool {
    name.strip_suffix(".png")
        .and_then(|name| name.split_once('-'))
        .is_some_and(|(number, _)| number.len() >= 4 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_prepared_images_are_safe_and_recognised() {
        for (source, expected) in [
            ("a/dress.png", "0007-dress.png"),
            ("...png", "0007-__.png"),
            ("..", "0007-.png"),
            ("a b\n.jpg", "0007-a_b_.png"),
            ("Röcke.jpeg", "0007-Röcke.png"),
        ] {
            assert_eq!(prepared_name(Path::new(source), 7), expected);
            assert!(is_prepared_name(expected));
        }
        assert_eq!(prepared_name(Path::new(&"x".repeat(300)), 12_345).len(), "12345-.png".len() + NAME);
        for foreign in ["holiday.png", "1-a.png", "2024-report.pdf", "abcd-a.png"] {
            assert!(!is_prepared_name(foreign), "{foreign}");
        }
    }
}
