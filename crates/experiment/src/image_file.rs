//! Image files of the user's own, as a model sees them.

use std::path::Path;

use tinylsa_data::photograph::{
    Area, Doubt, Found, Photograph, PhotographError, PhotographFault, Polarity, PreparedImage, prepare_as,
};
use tinylsa_data::{ImageShape, to_unit};
use tinylsa_model::ModelConfig;
use tinylsa_settings::printable_path;
use tracing::warn;

use crate::model_images::ImagesOf;
use crate::models::NetworkMetadata;

/// A file as the network sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct InputImage {
    /// The shape that the network takes.
    pub shape: ImageShape,
    /// Levels 0 to 255, `[channels, height, width]`.
    pub pixels: Vec<u8>,
    /// How the garment was found; none where all of the file is shown.
    pub garment: Option<GarmentSearch>,
}

/// How a garment was found on a photograph.
#[derive(Clone, Debug, PartialEq)]
pub struct GarmentSearch {
    /// Whether the photograph was turned into its negative.
    pub polarity: Polarity,
    /// How sure it is that this is the garment.
    pub found: Found,
    /// The part of the photograph that is shown.
    pub shown: Area,
}

impl InputImage {
    /// The pixels on the scale from 0 to 1 that networks read.
    pub fn to_unit(&self) -> Vec<f32> {
        to_unit(&self.pixels)
    }
}

/// Reads a PNG or JPEG file of any size, depth and colour, and brings it into the shape that a model takes.
///
/// A model whose training images show one thing each, light on black, such as garments or digits, sees the thing that is
/// found on the photograph, in that form; a warning says if it is doubtful that it was found. Any other model sees all of
/// the file, scaled as the images of a folder are.
///
/// # Errors
/// [`PhotographError`] names the file and says what is wrong with it.
pub fn load_image(path: &Path, metadata: &NetworkMetadata) -> Result<InputImage, PhotographError> {
    let photograph = Photograph::read(path)?;
    let image =
        seen_as(&photograph, metadata, None).map_err(|fault| PhotographError { path: path.to_owned(), fault })?;
    if let Some(GarmentSearch { found, .. }) = image.garment.as_ref().filter(|garment| garment.found.is_doubtful()) {
        let doubts: Vec<String> = found.doubts.iter().map(Doubt::to_string).collect();
        warn!(
            "the garment may have been missed in {}, so the answer may be about something else: {}",
            printable_path(path),
            doubts.join(", ")
        );
    }
    Ok(image)
}

/// Whether one thing, light on black, is searched for on what a model is shown.
pub fn searches_for_garment(metadata: &NetworkMetadata) -> bool {
    ImagesOf { metadata, file: None }.source().is_some_and(|source| source.source().is_on_black())
}

/// Brings a photograph into the shape that a model takes, as [`load_image`] does with that of a file, unless it is known
/// whether the photograph is dark on light. One that all of is shown then becomes its negative.
///
/// # Errors
/// [`PhotographFault`] if nothing is found on it, or no photograph has the shape of the model's images.
pub fn seen_as(
    photograph: &Photograph,
    metadata: &NetworkMetadata,
    known: Option<Polarity>,
) -> Result<InputImage, PhotographFault> {
    let shape = metadata.config.input();
    if !searches_for_garment(metadata) {
        let mut pixels = photograph.resized(shape)?;
        if known == Some(Polarity::DarkOnLight) {
            for level in &mut pixels {
                *level = u8::MAX - *level;
            }
        }
        return Ok(InputImage { shape, pixels, garment: None });
    }
    let PreparedImage { pixels, polarity, found, shown, .. } = prepare_as(photograph, shape, known)?;
    Ok(InputImage { shape, pixels, garment: Some(GarmentSearch { polarity, found, shown }) })
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};
    use tinylsa_model::TinyCnnLsaConfig;

    use super::*;

    fn metadata(dataset: &str, input: ImageShape) -> NetworkMetadata {
        let channels = vec![0.5; input.channels];
        let config = TinyCnnLsaConfig {
            input,
            classes: 2,
            input_mean: channels.clone(),
            input_deviation: channels,
            ..TinyCnnLsaConfig::default()
        };
        NetworkMetadata::new(&config.into(), &["a", "b"], dataset)
    }

    #[test]
    fn garments_are_searched_for_and_other_images_are_scaled_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tall.png");
        // a tall, dark red garment on a light ground
        let is_inside = |x: u32, y: u32| (40..60).contains(&x) && (20..60).contains(&y);
        let image = RgbImage::from_fn(100, 80, |x, y| if is_inside(x, y) { Rgb([90, 10, 10]) } else { Rgb([230; 3]) });
        image.save(&path).unwrap();

        let grey = ImageShape::grey(28, 28);
        for dataset in ["fashion-mnist", "synthetic-garments", "mnist", "kmnist"] {
            let seen = load_image(&path, &metadata(dataset, grey)).unwrap();
            assert_eq!(seen.garment.as_ref().unwrap().polarity, Polarity::DarkOnLight, "{dataset}");
            assert_eq!((seen.pixels[0], seen.shape), (0, grey), "the ground is black: {dataset}");
        }
        let colour = ImageShape { channels: 3, height: 8, width: 10 };
        for dataset in ["cifar-10", "folder/garments", "memory/garments"] {
            let seen = load_image(&path, &metadata(dataset, colour)).unwrap();
            assert_eq!((seen.garment.as_ref(), seen.pixels.len()), (None, 240));
            let at = |channel: usize, row: usize, column: usize| seen.pixels[channel * 80 + row * 10 + column];
            assert_eq!([at(0, 0, 0), at(0, 4, 5), at(1, 4, 5), at(2, 4, 5)], [230, 90, 10, 10], "{dataset}");
        }
        let odd = load_image(&path, &metadata("folder/odd", ImageShape { channels: 2, height: 8, width: 8 }));
        assert!(odd.unwrap_err().to_string().contains("tall.png"));
    }
}
