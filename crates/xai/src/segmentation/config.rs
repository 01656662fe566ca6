use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};
use tinylsa_shape::ImageShape;

use super::{Segmentation, SegmentationError, SlicConfig};
use crate::execution::Cancellation;

/// Which segmentation a config asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentationKind {
    /// A regular grid: the same for every image, so that images can be compared.
    #[default]
    Grid,
    /// Superpixels that follow the image's edges.
    Slic,
}

/// Cells of a regular grid. A config names both numbers or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridConfig {
    /// Rows of cells.
    pub rows: usize,
    /// Columns of cells.
    pub columns: usize,
}

impl Default for GridConfig {
    /// 7 x 7 cells of 4 x 4 pixels on a 28 x 28 image.
    fn default() -> Self {
        Self { rows: 7, columns: 7 }
    }
}

impl GridConfig {
    /// How many cells there are; `usize::MAX` if that is more than fits.
    pub fn cells(self) -> usize {
        self.rows.saturating_mul(self.columns)
    }

    /// Checks both ranges.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(self) -> Result<(), InvalidSetting> {
        require_within("rows", self.rows, 1..)?;
        require_within("columns", self.columns, 1..)
    }
}

/// A segmentation as a config names it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmentationConfig {
    /// Which of the two below is used.
    pub kind: SegmentationKind,
    /// The regular grid.
    pub grid: GridConfig,
    /// The superpixels.
    pub slic: SlicConfig,
}

impl SegmentationConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        self.grid.validate().map_err(|error| error.within("grid"))?;
        self.slic.validate().map_err(|error| error.within("slic"))
    }

    /// The segmentation of an image of this shape.
    ///
    /// # Errors
    /// [`SegmentationError`] if the config is out of range or does not fit the image, or if it is cancelled.
    pub fn segment(
        &self,
        image: &[f32],
        shape: impl Into<ImageShape>,
        cancellation: &Cancellation,
    ) -> Result<Segmentation, SegmentationError> {
        self.validate()?;
        let shape = shape.into();
        let ImageShape { height, width, .. } = shape;
        match self.kind {
            SegmentationKind::Grid => Segmentation::grid(height, width, self.grid.rows, self.grid.columns),
            SegmentationKind::Slic => Segmentation::slic(image, shape, &self.slic, cancellation),
        }
    }
}
