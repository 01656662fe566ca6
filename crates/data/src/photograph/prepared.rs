//! What a photograph becomes.

use super::found::Found;
use super::raster::Window;

/// An image as a classifier sees it, and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedImage {
    /// Levels 0 to 255 in the shape that was asked for, `[channels, height, width]`. On a grey image the ground is 0.
    pub pixels: Vec<u8>,
    /// Width of the photograph in pixels.
    pub width: usize,
    /// Height of the photograph in pixels.
    pub height: usize,
    /// The part of the photograph that is shown.
    pub shown: Area,
    /// Which of garment and ground is the lighter one.
    pub polarity: Polarity,
    /// Whether the photograph had the form of the data set already, or was its negative.
    pub in_form: bool,
    /// How sure it is that this is the garment.
    pub found: Found,
}

/// A part of a photograph, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Columns to the left of it.
    pub left: usize,
    /// Rows above it.
    pub top: usize,
    /// Its width, at least 1.
    pub width: usize,
    /// Its height, at least 1.
    pub height: usize,
}

/// Which of garment and ground is the lighter one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Polarity {
    /// The photograph was negated.
    DarkOnLight,
    /// The photograph was not negated.
    LightOnDark,
}

impl PreparedImage {
    /// The same, or its negative if it was found to be of the other polarity.
    pub(super) fn in_polarity(mut self, known: Option<Polarity>) -> Self {
        if let Some(polarity) = known.filter(|&known| known != self.polarity) {
            for level in &mut self.pixels {
                *level = u8::MAX - *level;
            }
            self.polarity = polarity;
        }
        self
    }
}

impl Area {
    /// The smallest one around a window of a photograph of this width and height.
    pub(super) fn around(window: Window, [across, down]: [usize; 2]) -> Self {
        let left = (window.left.round() as usize).min(across - 1);
        let top = (window.top.round() as usize).min(down - 1);
        let right = ((window.left + window.width).round() as usize).clamp(left + 1, across);
        let bottom = ((window.top + window.height).round() as usize).clamp(top + 1, down);
        Self { left, top, width: right - left, height: bottom - top }
    }
}
