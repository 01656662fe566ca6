//! A network in evaluation, as whoever measures it sees it.

use std::fmt::Debug;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use thiserror::Error;
use tinylsa_shape::ImageShape;

use crate::classifier::{Classifier, ModelConfig};
use crate::file::ModelFileError;
use crate::state::values_of;

/// Images of a forward pass.
const BATCH: usize = 250;

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

/// The [`Predictor`] of a network that has no other: its forward pass, on the device of its weights.
///
/// The last bits of an image's logits may depend on the number of images that it is asked for with.
#[derive(Debug)]
pub struct ForwardPredictor<M> {
    model: M,
    device: Device,
}

impl<M: Classifier> ForwardPredictor<M> {
    /// Takes a copy of the network out of training: on a device without automatic differentiation, where burn's layers
    /// evaluate.
    pub fn new(model: &M) -> Self {
        let model = model.valid();
        let device = model.devices().into_iter().next().unwrap_or_else(Device::flex);
        Self { model, device }
    }
}

impl<M: Classifier> Predictor for ForwardPredictor<M> {
    fn input(&self) -> ImageShape {
        self.model.config().input()
    }

    fn classes(&self) -> usize {
        self.model.config().classes()
    }

    fn logits(&self, pixels: &[f32]) -> Result<Vec<f32>, PixelError> {
        let input = self.input();
        let images = PixelError::require_images(pixels, input)?;
        let [channels, height, width] = input.dims();
        let mut logits = Vec::with_capacity(images * self.classes());
        for batch in pixels.chunks(BATCH * input.values()) {
            let shape = [batch.len() / input.values(), channels, height, width];
            let images = Tensor::from_data(TensorData::new(batch.to_vec(), shape), &self.device);
            logits.extend(values_of(&self.model.forward(images)));
        }
        Ok(logits)
    }
}

/// A network that was read from a file to be asked, of whatever kind.
#[derive(Debug)]
pub struct LoadedPredictor {
    /// The network.
    pub predictor: Box<dyn Predictor>,
    /// The names of the classes, in the order of the logits.
    pub class_names: Vec<String>,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// Reads a network of the kind `M` from a file, to be asked on the default device. A program that knows several kinds
/// asks [`model_kind`](crate::model_kind) first.
///
/// # Errors
/// [`ModelFileError`] says what is wrong with the file, also if it holds a network of another kind.
pub fn load_predictor<M: Classifier>(path: &Path) -> Result<LoadedPredictor, ModelFileError> {
    let loaded = M::load(path, &Device::flex())?;
    let predictor = loaded.model.predictor();
    Ok(LoadedPredictor { predictor, class_names: loaded.metadata.class_names, sha256: loaded.sha256 })
}
