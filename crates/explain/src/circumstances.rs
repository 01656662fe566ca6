use std::ops::RangeInclusive;

use tinylsa_settings::{InvalidSetting, require_within};

use crate::needs::Given;

/// What is explained, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// `[channels, height, width]` of the images.
    pub image: [usize; 3],
    /// The number of classes.
    pub classes: usize,
    /// The number of tokens of the attention that lie on the image; 0 without attention.
    pub tokens: usize,
    /// What the model gives beside its scores.
    pub given: Given,
    /// The number of training images, of which a background is drawn; nothing if there are none at hand.
    pub training: Option<usize>,
    /// The number of test images, of which a run explains some.
    pub test: usize,
}

impl Circumstances {
    pub(crate) fn pixels(&self) -> usize {
        self.image[1] * self.image[2]
    }

    pub(crate) fn shorter_side(&self) -> usize {
        self.image[1].min(self.image[2])
    }
}

/// Requires a number that counts parts of an image to be no more than there are.
pub(crate) fn within_image(
    key: &str,
    found: usize,
    range: RangeInclusive<usize>,
    of: &str,
) -> Result<(), InvalidSetting> {
    require_within(key, found, range)
        .map_err(|error| InvalidSetting { expected: format!("{}, the {of} of an image", error.expected), ..error })
}
