//! A network in evaluation, as whoever measures it sees it.

use std::fmt::Debug;

use thiserror::Error;
use tinylsa_shape::ImageShape;

/// A function from images to logits: a network in evaluation, whatever it is made of.
pub trait Predictor: Debug + Send + Sync {
    /// The images that it takes.
    fn input(&self) -> ImageShape;

    /// The number of classes.
    fn classes(&self) -> usize;

    /// The logits of images that lie one after the other, channel by channel and row by row, with values from 0 to 1: a
    /// row of [`Predictor::classes`] values for each image.
    ///
    /// # Errors
    /// [`PixelError`] if the pixels are no whole number of images, or if one is not finite.
    fn logits(&self, pixels: &[f32]) -> Result<Vec<f32>, PixelError>;
}

/// Pixels that no network can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum PixelError {
    /// The values are no whole number of images.
    #[error("{found} values are no whole number of images of {expected}")]
    Count {
        /// Number of values.
        found: usize,
        /// The images that the network was made for.
        expected: ImageShape,
    },
    /// A value is NaN or infinite. A rectifier turns NaN into 0, so that the logits would look like any others.
    #[error(
        "channel {channel} of the pixel in row {row}, column {column} of image {image} is {value}, expected 0 to 1"
    )]
    NotFinite {
        /// The image, counted from 0.
        image: usize,
        /// The channel.
        channel: usize,
        /// The row.
        row: usize,
        /// The column.
        column: usize,
        /// The value.
        value: f32,
    },
}

impl PixelError {
    /// The number of images that the pixels are, if they are images.
    pub(crate) fn require_images(pixels: &[f32], expected: ImageShape) -> Result<usize, Self> {
        let (found, values) = (pixels.len(), expected.values());
        if !found.is_multiple_of(values) {
            return Err(Self::Count { found, expected });
        }
        match pixels.iter().position(|pixel| !pixel.is_finite()) {
            None => Ok(found / values),
            Some(position) => {
                let (image, position) = (position / values, position % values);
                let (channel, pixel) = (position / expected.pixels(), position % expected.pixels());
                let (row, column) = (pixel / expected.width, pixel % expected.width);
                Err(Self::NotFinite { image, channel, row, column, value: pixels[image * values + position] })
            }
        }
    }
}
