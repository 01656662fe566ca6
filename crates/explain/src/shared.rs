//! The settings that methods share.

use serde::{Deserialize, Serialize};
use tinylsa_xai::{BaselineConfig, FillConfig, SegmentationConfig};

/// The settings that methods share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SharedSettings {
    /// What the paths of gradient methods start from.
    pub baseline: BaselineConfig,
    /// What the segment methods show and hide.
    pub segmentation: SegmentationConfig,
    /// What stands in for hidden segments.
    pub fill: FillConfig,
    /// The images that stand for the data set.
    pub background: BackgroundConfig,
}

/// The images over which expected gradients take their mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackgroundConfig {
    /// How many training images, drawn from the seed.
    pub images: usize,
}

impl Default for BackgroundConfig {
    fn default() -> Self {
        Self { images: 20 }
    }
}
