//! A map of finite numbers.

use crate::ReportError;
use crate::image::{check_size, pixel_position};

/// A finite number for each pixel of an image or each token of a grid, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueMap {
    height: usize,
    width: usize,
    values: Vec<f32>,
}

impl ValueMap {
    /// A map of `[height, width]` values, row by row; a NaN or an infinite value is an error that names its place.
    pub fn new(size: [usize; 2], values: &[f32]) -> Result<Self, ReportError> {
        let [height, width] = size;
        check_size("map", "values", values.len(), height, width)?;
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(ReportError::NotFinite {
                figure: "map",
                position: pixel_position(index, width),
                value: f64::from(values[index]),
            });
        }
        Ok(Self { height, width, values: values.to_vec() })
    }

    /// As [`ValueMap::new`], from values in 64 bits.
    pub fn from_f64(size: [usize; 2], values: &[f64]) -> Result<Self, ReportError> {
        Self::new(size, &values.iter().map(|&value| value as f32).collect::<Vec<_>>())
    }

    /// The map's deviation from `mean`, a map of the same size: what one query looks at more (positive) or less
    /// (negative) than the average query.
    pub fn deviation_from(&self, mean: &Self) -> Result<Self, ReportError> {
        if (self.height, self.width) != (mean.height, mean.width) {
            return Err(ReportError::Shape {
                figure: "deviation from the mean",
                found_height: mean.height,
                found_width: mean.width,
                expected: format!("{}x{} as the map", self.height, self.width),
            });
        }
        let differences: Vec<f32> = self.values.iter().zip(&mean.values).map(|(value, mean)| value - mean).collect();
        Self::new([self.height, self.width], &differences)
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
