//! What a question about the maps of several methods says.

use serde::Deserialize;

use crate::settings::SettingsArgument;
use crate::subject::ImageArgument;

/// Which maps of which image, by which methods and settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MapsArgument {
    pub(super) image: ImageArgument,
    pub(super) target: Option<usize>,
    pub(super) against: Option<usize>,
    pub(super) methods: Vec<String>,
    #[serde(default)]
    pub(super) settings: SettingsArgument,
    pub(super) seed: Option<u64>,
}
