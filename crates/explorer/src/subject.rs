//! The image that a request is about.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tinylsa_data::to_unit;
use tinylsa_experiment::choice::subject;
use tinylsa_explain::{ImageToExplain, Source, names_of_files};
use tinylsa_model::ModelConfig;
use tinylsa_xai::Image;

use crate::app::App;
use crate::limits::NAME;
use crate::refusal::Refusal;

/// An image in a request: one of the gallery by its number, or its pixels.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageArgument {
    index: Option<u32>,
    /// Levels 0 to 255 in base64, channel after channel, row by row.
    pixels: Option<String>,
    name: Option<String>,
}

/// An image that is asked about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) image: ImageToExplain,
    /// Levels 0 to 255.
    pub(crate) pixels: Vec<u8>,
    /// Its number in the gallery, if it is of it.
    pub(crate) index: Option<u32>,
}

impl ImageArgument {
    /// The image that is meant.
    ///
    /// # Errors
    /// If there is no such image, or the pixels are not those of one.
    pub(crate) fn subject(&self, app: &App) -> Result<Subject, Refusal> {
        match (self.index, &self.pixels, &self.name) {
            (Some(index), None, None) => of_gallery(app, index),
            (None, Some(pixels), name) => {
                let name = name.as_deref().unwrap_or("drawing");
                of_pixels(app, bytes("the pixels of the image", pixels, app.metadata.config.input().values())?, name)
            }
            (Some(_) | None, _, _) => Err(Refusal::bad(
                "an image is either {\"index\": N}, or {\"pixels\": BASE64} with a \"name\" if it has one",
            )),
        }
    }
}

/// The image of the gallery with this number, as `explain --index` takes it.
pub(crate) fn of_gallery(app: &App, index: u32) -> Result<Subject, Refusal> {
    let images = app.gallery.ready()?;
    let image = subject(&images.test, index, None)?;
    let pixels = images.test.image(index as usize).to_vec();
    Ok(Subject { image, pixels, index: Some(index) })
}

/// An image by its pixels, as `explain NAME.png` takes it.
pub(crate) fn of_pixels(app: &App, pixels: Vec<u8>, name: &str) -> Result<Subject, Refusal> {
    require_name(name)?;
    let file = format!("{name}.png");
    let id = names_of_files(&[PathBuf::from(&file)]).pop().unwrap_or_else(|| name.to_owned());
    let image = Image::new(to_unit(&pixels), app.metadata.config.input())?;
    let image = ImageToExplain { source: Source { from: file, number: None }, ..ImageToExplain::new(id, image) };
    Ok(Subject { image, pixels, index: None })
}

/// Requires a name that is that of a file everywhere.
pub(crate) fn require_name(name: &str) -> Result<(), Refusal> {
    let is_safe = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if (1..=NAME).contains(&name.len()) && name.chars().all(is_safe) && !name.starts_with('.') {
        return Ok(());
    }
    let text = format!("the name of the image is not 1 to {NAME} letters of A to Z, a to z, digits, -, _ and .");
    Err(Refusal::values(text))
}

/// The bytes behind base64, which must be as many as expected.
pub(crate) fn bytes(what: &str, text: &str, expected: usize) -> Result<Vec<u8>, Refusal> {
    let bytes = STANDARD.decode(text).map_err(|error| Refusal::bad(format!("{what} are no base64: {error}")))?;
    if bytes.len() != expected {
        return Err(Refusal::values(format!("{what} are {} bytes, expected {expected}", bytes.len())));
    }
    Ok(bytes)
}

/// Bytes as text.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files_everywhere() {
        for name in ["drawing", "my-shoe_2.b"] {
            require_name(name).unwrap();
        }
        for name in ["", ".hidden", "../etc/passwd", "a b", "ü", &"a".repeat(NAME + 1)] {
            require_name(name).unwrap_err();
        }
    }

    #[test]
    fn bytes_are_counted() {
        assert_eq!(bytes("the mask", &base64(&[1, 2, 3]), 3).unwrap(), [1, 2, 3]);
        let error = bytes("the mask", &base64(&[1, 2, 3]), 4).unwrap_err();
        assert_eq!(error.error, "the mask are 3 bytes, expected 4");
        assert!(bytes("the mask", "!", 1).unwrap_err().error.contains("no base64"));
    }
}
