//! A map of finite numbers.

use crate::ReportError;
use crate::picture::{check_size, pixel_position};

/// A finite number for each pixel of a picture or each token of a grid, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueMap {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl ValueMap {
    /// A map of `width` × `height` values, row by row; a NaN or an infinite value is an error that names its place.
    pub fn new(width: usize, height: usize, values: &[f32]) -> Result<Self, ReportError> {
        check_size("map", "values", values.len(), width, height)?;
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(ReportError::NotFinite {
                figure: "map",
                position: pixel_position(index, width),
                value: f64::from(values[index]),
            });
        }
        Ok(Self { width, height, values: values.to_vec() })
    }

    /// The map's deviation from `mean`, a map of the same size: what one query looks at more (positive) or less
    /// (negative) than the average query.
    pub fn deviation_from(&self, mean: &Self) -> Result<Self, ReportError> {
        if (self.width, self.height) != (mean.width, mean.height) {
            return Err(ReportError::Shape {
                figure: "deviation from the mean",
                found_width: mean.width,
                found_height: mean.height,
                expected: format!("{}x{} as the map", self.width, self.height),
            });
        }
        let differences: Vec<f32> = self.values.iter().zip(&mean.values).map(|(value, mean)| value - mean).collect();
        Self::new(self.width, self.height, &differences)
    }

    /// Values in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The smallest value.
    pub fn min(&self) -> f32 {
        self.values.iter().copied().fold(f32::INFINITY, f32::min)
    }

    /// The largest value.
    pub fn max(&self) -> f32 {
        self.values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    pub(super) fn at(&self, x: usize, y: usize) -> f32 {
        self.values[y * self.width + x]
    }
}
