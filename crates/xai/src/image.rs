use burn::tensor::Tensor;
use tinylsa_shape::ImageShape;

use crate::error::{ExplainError, require_count, require_finite, value_count};
use crate::scorer::read_tensor;

/// One image on the host, in the units that the model is fed with.
///
/// The values are finite and as many as the shape says: whoever holds a `Image` need not check again. Baselines and
/// backgrounds are images too.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    values: Vec<f32>,
    shape: ImageShape,
}

impl Image {
    /// The image with these values, channel after channel, each row by row. A shape is also made from
    /// `[channels, height, width]`.
    ///
    /// # Errors
    /// If the shape is empty or larger than any memory, does not fit the number of values, or a value is not finite.
    pub fn new(values: Vec<f32>, shape: impl Into<ImageShape>) -> Result<Self, ExplainError> {
        let shape = shape.into();
        if shape.dims().contains(&0) {
            return Err(ExplainError::Empty { what: "image" });
        }
        require_count("image", values.len(), value_count("image", &shape.dims())?)?;
        require_finite("image", &values)?;
        Ok(Self { values, shape })
    }

    /// The image in a tensor `[channels, height, width]` of any device.
    ///
    /// # Errors
    /// As [`Image::new`], or if the device fails.
    pub fn from_tensor(tensor: Tensor<3>) -> Result<Self, ExplainError> {
        let shape = tensor.dims();
        let values = read_tensor("the image", tensor)?;
        Self::new(values, shape)
    }

    /// The image of this shape whose every value is `value`.
    ///
    /// # Errors
    /// As [`Image::new`].
    pub fn filled(value: f32, shape: impl Into<ImageShape>) -> Result<Self, ExplainError> {
        let shape = shape.into();
        let count = value_count("image", &shape.dims())?;
        let mut values = Vec::new();
        values
            .try_reserve_exact(count)
            .map_err(|_| ExplainError::TooLarge { what: "image", shape: shape.dims().to_vec() })?;
        values.resize(count, value);
        Self::new(values, shape)
    }

    /// The image with `change` applied to every value, which must leave it finite.
    pub(crate) fn map(&self, change: impl Fn(f32) -> f32) -> Self {
        Self { values: self.values.iter().map(|&value| change(value)).collect(), shape: self.shape }
    }

    /// The values, channel after channel, each row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Channels, height and width.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }
}
