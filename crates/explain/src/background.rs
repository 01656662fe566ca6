use tinylsa_xai::{BaselineConfig, BaselineKind, Execution, Image};

use crate::error::Result;
use crate::shared::BackgroundConfig;

/// The images over which expected gradients take their mean, and what they are.
#[derive(Clone, Debug, Default)]
pub struct Background {
    /// The images.
    pub images: Vec<Image>,
    /// Such as "20 training images".
    pub description: String,
    /// What a reader must know if these are not the images that should have been taken.
    pub warning: Option<String>,
}

/// Noise in place of a data set's images.
///
/// # Errors
/// If the settings are out of range.
pub fn noise_background(
    like: &Image,
    settings: &BaselineConfig,
    config: &BackgroundConfig,
    execution: &Execution,
) -> Result<Background> {
    let noise = BaselineConfig { kinds: vec![BaselineKind::Noise], noise_draws: config.images, ..settings.clone() };
    Ok(Background {
        images: noise.images(like, execution)?,
        description: format!("{} images of noise", config.images),
        warning: Some("no training images at hand: the background is noise of their mean and deviation".to_owned()),
    })
}
