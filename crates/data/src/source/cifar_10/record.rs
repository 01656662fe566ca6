//! The form of an image in a file.

use tinylsa_shape::ImageShape;

pub(super) const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
pub(super) const CLASSES: usize = 10;
/// A label, then 1024 levels each of red, green and blue, row by row.
pub(super) const RECORD: usize = 1 + SHAPE.values();
