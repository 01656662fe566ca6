//! Images and maps over tokens in the form that figures take.

use tinylsa_report::{ByteImage, Panel, ValueMap};
use tinylsa_xai::TokenGrid;

use crate::error::{Context, Result};
use crate::explanation::ImageExplanation;

/// The image that is explained.
pub(super) fn grey(explanation: &ImageExplanation) -> Result<ByteImage> {
    ByteImage::from_unit(explanation.image.shape(), explanation.image.values()).context("the image cannot be shown")
}

/// The part of a map over the tokens that lies on the image. A map of the grid alone is taken as it is.
pub(super) fn grid(values: &[f64], grid: TokenGrid) -> Result<ValueMap> {
    let is_on_grid = values.len() == grid.rows * grid.columns;
    map(if is_on_grid { values } else { grid.restrict(values)? }, [grid.rows, grid.columns])
}

pub(super) fn map(values: &[f64], size: [usize; 2]) -> Result<ValueMap> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Ok(ValueMap::new(size, &values)?)
}

/// As [`grid`], each value as a multiple of `1/N` less 1, `N` being the number of tokens: 0 where a map is even.
pub(super) fn multiples(values: &[f64], size: TokenGrid) -> Result<ValueMap> {
    let tokens = values.len() as f64;
    let multiples: Vec<f64> = values.iter().map(|value| value * tokens - 1.0).collect();
    grid(&multiples, size)
}

/// Marks the token that looks, if it lies on the image.
pub(super) fn with_query(panel: Panel, token: usize, grid: TokenGrid) -> Panel {
    match token.checked_sub(grid.prefix) {
        Some(place) => panel.query(place),
        None => panel,
    }
}
