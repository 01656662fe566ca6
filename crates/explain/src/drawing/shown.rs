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

/// Marks the token that looks, if it lies on the image.
pub(super) fn with_query(panel: Panel, token: usize, grid: TokenGrid) -> Panel {
    match token.checked_sub(grid.prefix) {
        Some(place) => panel.query(place),
        None => panel,
    }
}

/// "row 3, column 3", counted from 0, or "class token".
pub(super) fn position(token: usize, grid: TokenGrid) -> String {
    match token.checked_sub(grid.prefix) {
        Some(place) => format!("row {}, column {}", place / grid.columns, place % grid.columns),
        None if token == 0 => "class token".to_owned(),
        None => format!("prefix token {token}"),
    }
}
