use thiserror::Error;
use tinylsa_settings::InvalidSetting;

use crate::random::GeneratorBusy;

/// A network that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InitError {
    /// The config is out of range.
    #[error(transparent)]
    Config(#[from] InvalidSetting),
    /// burn's random numbers are in use.
    #[error(transparent)]
    Random(#[from] GeneratorBusy),
}
