use tinylsa_xai::{BaselineConfig, BaselineKind, Execution, Picture};

use crate::error::Result;
use crate::shared::BackgroundConfig;

/// The images over which expected gradients take their mean, and what they are.
#[derive(Clone, Debug, Default)]
pub struct Background {
    /// The images.
    pub images: Vec<Picture>,
    /// Such as "20 training pictures".
    pub description: String,
    /// What a reader must know if these are not the images that should have been taken.
    pub warning: Option<String>,
}

/// Noise in place of a data set's images.
///
/// # Errors
/// If the settings are out of range.
pub fn noise_background(
    like: &Picture,
    settings: &BaselineConfig,
    config: &BackgroundConfig,
    execution: &Execution,
) -> Result<Background> {
    let noise = BaselineConfig { kinds: vec![BaselineKind::Noise], noise_draws: config.pictures, ..settings.clone() };
    Ok(Background {
        images: noise.pictures(like, execution)?,
        description: format!("{} pictures of noise", config.pictures),
        warning: Some("no training pictures at hand: the background is noise of their mean and deviation".to_owned()),
    })
}
