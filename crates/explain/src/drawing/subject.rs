//! The picture that is explained, as its figures show it.

use crate::error::{Context, Result};
use tinylsa_report::{Image, Panel, ValueMap};
use tinylsa_xai::TokenGrid;

use super::pixels::PixelScales;
use super::words;
use crate::explanation::ImageExplanation;
use crate::method::MethodExplanation;

/// A picture with what all of its figures share.
pub(super) struct Subject<'a> {
    pub(super) explanation: &'a ImageExplanation,
    pub(super) grey: Image,
    /// One scale for each quantity, over all methods.
    pub(super) scales: PixelScales,
}

impl<'a> Subject<'a> {
    pub(super) fn new(explanation: &'a ImageExplanation) -> Result<Self> {
        let grey = grey(explanation)?;
        let scales = PixelScales::of([explanation])?;
        Ok(Self { explanation, grey, scales })
    }

    /// The line above a figure.
    pub(super) fn title(&self, method: &MethodExplanation) -> String {
        format!("{}: why {}?", method.method.title(), self.explanation.target_name())
    }

    /// What was predicted, what is explained, what is true, and where the picture is from.
    pub(super) fn subtitle(&self) -> String {
        words::caption(self.explanation)
    }

    /// The picture itself, with the pixels that decide its class outlined where they are known.
    pub(super) fn panel(&self) -> Panel {
        let panel = Panel::picture("picture", &self.grey);
        match &self.explanation.truth_mask {
            Some(mask) => {
                let labels: Vec<usize> = mask.iter().map(|&decides| usize::from(decides)).collect();
                panel.outlined_as(&labels, "the pixels that decide the class")
            }
            None => panel,
        }
    }
}

pub(super) fn grey(explanation: &ImageExplanation) -> Result<Image> {
    Image::from_unit(explanation.image.shape(), explanation.image.values()).context("the picture cannot be shown")
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
