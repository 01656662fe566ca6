//! The size of the images.

/// Height and width of an image.
pub(super) const SIDE: usize = 28;
pub(super) const PIXELS: usize = SIDE * SIDE;
