use tinylsa_settings::{InvalidSetting, require, require_within};

/// What a baseline is given and asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaselineInput {
    /// Height and width of the images, a multiple of 32.
    pub image_size: usize,
    /// Channels of the images.
    pub channels: usize,
    /// Classes to tell apart.
    pub classes: usize,
}

impl Default for BaselineInput {
    /// `ImageNet`: coloured images of 224 × 224 and 1000 classes.
    fn default() -> Self {
        Self { image_size: 224, channels: 3, classes: 1000 }
    }
}

impl BaselineInput {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first one that is outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        let size = self.image_size;
        require("image_size", size > 0 && size.is_multiple_of(32), || size.to_string(), "a multiple of 32")?;
        require_within("channels", self.channels, 1..)?;
        require_within("classes", self.classes, 1..)
    }
}
