use tinylsa_xai::{BaselineConfig, BaselineKind, Execution, ExplainError, Picture};

use crate::config::BackgroundConfig;
use crate::explainer::Background;

/// Noise in place of a dataset's pictures.
///
/// # Errors
/// If the settings are out of range.
pub fn noise_background(
    like: &Picture,
    settings: &BaselineConfig,
    config: &BackgroundConfig,
    execution: &Execution,
) -> Result<Background, ExplainError> {
    let noise = BaselineConfig { kinds: vec![BaselineKind::Noise], noise_draws: config.pictures, ..settings.clone() };
    Ok(Background {
        pictures: noise.pictures(like, execution)?,
        description: format!("{} pictures of noise", config.pictures),
        warning: Some("no training pictures at hand: the background is noise of their mean and deviation".to_owned()),
    })
}
