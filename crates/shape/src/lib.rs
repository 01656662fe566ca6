//! The shape of an image, one type for all crates of the workspace.
//!
//! Images lie in memory channel after channel, each row by row, as the tensors `[channels, height, width]` of burn and
//! PyTorch do. Sizes are therefore named in that order everywhere: channels, height, width. A crate that takes a height
//! and a width takes the height first.
//!
//! ```
//! use tinylsa_shape::ImageShape;
//!
//! let colour = ImageShape { channels: 3, height: 32, width: 48 };
//! assert_eq!(colour.to_string(), "3×32×48");
//! assert_eq!((colour.pixels(), colour.values()), (32 * 48, 3 * 32 * 48));
//! assert_eq!(colour.dims(), [3, 32, 48]);
//! assert_eq!(ImageShape::grey(28, 28), ImageShape::from([1, 28, 28]));
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Channels, height and width of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// Values of each pixel: 1 for grey images, 3 for red, green and blue.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
}

/// A shape that no image has: empty, or more values than a machine can address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("found an image of {0}, expected at least one value and at most {most}", most = isize::MAX)]
pub struct InvalidShape(pub ImageShape);

impl ImageShape {
    /// The shape of a grey image.
    pub const fn grey(height: usize, width: usize) -> Self {
        Self { channels: 1, height, width }
    }

    /// The number of pixels of one channel; [`usize::MAX`] if it is larger than that.
    pub const fn pixels(self) -> usize {
        self.height.saturating_mul(self.width)
    }

    /// The number of values of an image; [`usize::MAX`] if it is larger than that.
    pub const fn values(self) -> usize {
        self.pixels().saturating_mul(self.channels)
    }

    /// `[channels, height, width]`, as a tensor has them.
    pub const fn dims(self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// The shape itself, if images can have it.
    ///
    /// # Errors
    /// [`InvalidShape`] if it is empty or larger than any memory.
    pub fn checked(self) -> Result<Self, InvalidShape> {
        // Saturating products are as large as a true one that does not fit.
        let is_possible = (1..=isize::MAX as usize).contains(&self.values());
        if is_possible { Ok(self) } else { Err(InvalidShape(self)) }
    }
}

impl From<[usize; 3]> for ImageShape {
    /// From `[channels, height, width]`.
    fn from([channels, height, width]: [usize; 3]) -> Self {
        Self { channels, height, width }
    }
}

impl From<ImageShape> for [usize; 3] {
    fn from(shape: ImageShape) -> Self {
        shape.dims()
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}×{}×{}", self.channels, self.height, self.width)
    }
}

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_without_values_or_beyond_memory_are_refused() {
        assert!(ImageShape::grey(28, 28).checked().is_ok());
        for dims in [[0, 28, 28], [1, 0, 28], [1, 28, 0], [usize::MAX, 2, 1], [1, 1 << 40, 1 << 40]] {
            let error = ImageShape::from(dims).checked().unwrap_err();
            assert!(error.to_string().contains(&ImageShape::from(dims).to_string()), "{error}");
        }
    }

    #[test]
    fn a_shape_is_written_by_its_names() {
        let text = serde_json::to_string(&ImageShape::from([3, 20, 30])).unwrap();
        assert_eq!(text, r#"{"channels":3,"height":20,"width":30}"#);
        assert_eq!(serde_json::from_str::<ImageShape>(&text).unwrap().dims(), [3, 20, 30]);
        assert!(serde_json::from_str::<ImageShape>(r#"{"channels":3,"height":20}"#).is_err());
    }
}
