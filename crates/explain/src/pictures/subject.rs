//! The picture that is explained, as its figures show it.

use anyhow::{Context, Result};
use tinylsa_report::{GreyPicture, Panel, ValueMap};

use super::pixels::PixelScales;
use super::words;
use crate::result::{MethodExplanation, PictureExplanation};

/// A picture with what all of its figures share.
pub(super) struct Subject<'a> {
    pub(super) explanation: &'a PictureExplanation,
    pub(super) grey: GreyPicture,
    /// One scale for each quantity, over all methods.
    pub(super) scales: PixelScales,
}

impl<'a> Subject<'a> {
    pub(super) fn new(explanation: &'a PictureExplanation) -> Result<Self> {
        let grey = grey(explanation)?;
        let scales = PixelScales::of([explanation])?;
        Ok(Self { explanation, grey, scales })
    }

    /// The line above a figure.
    pub(super) fn title(&self, method: &MethodExplanation) -> String {
        format!("{}: why {}?", method.method.title(), words::class(self.explanation, self.explanation.target))
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
                panel.outlined_as(&labels, "the pixels that decide the class, as the garments are drawn")
            }
            None => panel,
        }
    }
}

pub(super) fn grey(explanation: &PictureExplanation) -> Result<GreyPicture> {
    let [_, height, width] = explanation.picture.shape();
    GreyPicture::from_unit(width, height, explanation.picture.values()).context("the picture cannot be shown")
}

/// A number for each token of a square grid.
pub(super) fn grid(values: &[f64], grid_size: usize) -> Result<ValueMap> {
    map(values, grid_size, grid_size)
}

pub(super) fn map(values: &[f64], width: usize, height: usize) -> Result<ValueMap> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Ok(ValueMap::new(width, height, &values)?)
}

/// "row 3, column 3", counted from 0.
pub(super) fn position(token: usize, grid_size: usize) -> String {
    format!("row {}, column {}", token / grid_size, token % grid_size)
}
