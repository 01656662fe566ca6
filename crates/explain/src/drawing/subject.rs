//! The image that is explained, as its figures show it.

use tinylsa_report::{ByteImage, Panel};

use super::pixel_scales::PixelScales;
use super::shown::grey;
use super::words;
use crate::error::Result;
use crate::explanation::{ImageExplanation, MethodExplanation};

/// An image with what all of its figures share.
pub(super) struct Subject<'a> {
    pub(super) explanation: &'a ImageExplanation,
    pub(super) grey: ByteImage,
    /// One scale for each method.
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
        format!("{}: {}", method.method.title(), words::question(&method.maps, &self.explanation.target_name()))
    }

    /// What was predicted, what is explained, what is true, and where the image is from.
    pub(super) fn subtitle(&self) -> String {
        words::caption(self.explanation)
    }

    /// The image itself, with the pixels that decide its class outlined where they are known.
    pub(super) fn panel(&self) -> Panel {
        let panel = Panel::image("image", &self.grey);
        match &self.explanation.truth_mask {
            Some(mask) => {
                let labels: Vec<usize> = mask.iter().map(|&decides| usize::from(decides)).collect();
                panel.outlined_as(&labels, "the pixels that decide the class")
            }
            None => panel,
        }
    }
}
