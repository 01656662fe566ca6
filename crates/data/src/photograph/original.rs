//! A photograph and its pixels, before anything is looked for in it.

use tinylsa_shape::ImageShape;

use super::error::PhotographFault;
use super::limits::MAX_PIXELS;
use super::prepared::Area;
use super::raster::{Colour, Grid, Rows, Window, luma, scaled};

/// A photograph, opaque and the right way up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photograph {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Red, green and blue of each pixel, in rows from the top.
    pub(super) pixels: Vec<u8>,
    pub(super) had_transparency: bool,
}

impl Photograph {
    /// A photograph from `width * height` pixels of red, green and blue, in rows from the top.
    ///
    /// # Errors
    /// [`PhotographFault`] if there are no pixels, too many, or not the number that is said.
    pub fn from_rgb(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self, PhotographFault> {
        require_pixels(width, height, 3, pixels.len())?;
        Ok(Self { width, height, pixels, had_transparency: false })
    }

    /// A photograph from pixels of red, green, blue and opacity. What is transparent becomes white, or black if the rest
    /// is light.
    ///
    /// # Errors
    /// [`PhotographFault`] if there are no pixels, too many, or not the number that is said.
    pub fn from_rgba(width: usize, height: usize, pixels: &[u8]) -> Result<Self, PhotographFault> {
        require_pixels(width, height, 4, pixels.len())?;
        let (pixels, _) = pixels.as_chunks::<4>();
        let (mut light, mut opacity) = (0.0, 0.0);
        for &[red, green, blue, alpha] in pixels {
            light += f64::from(luma([red, green, blue].map(f32::from))) * f64::from(alpha);
            opacity += f64::from(alpha);
        }
        let backdrop = if light > 127.0 * opacity { 0 } else { u32::from(u8::MAX) };
        let over_backdrop = |&[red, green, blue, alpha]: &[u8; 4]| {
            let (alpha, full) = (u32::from(alpha), u32::from(u8::MAX));
            [red, green, blue]
                .map(|level| ((u32::from(level) * alpha + backdrop * (full - alpha) + full / 2) / full) as u8)
        };
        let had_transparency = pixels.iter().any(|pixel| pixel[3] < u8::MAX);
        Ok(Self { width, height, pixels: pixels.iter().flat_map(over_backdrop).collect(), had_transparency })
    }

    /// Its width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Its height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Whether every pixel is a level of grey.
    pub fn is_grey(&self) -> bool {
        self.pixels.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
    }

    /// The photograph turned clockwise by this many quarters.
    #[must_use]
    pub fn turned(self, quarters: u8) -> Self {
        let (width, height) = (self.width, self.height);
        let at = |column: usize, row: usize| 3 * (row * width + column);
        let (turned_width, turned_height) = if quarters.is_multiple_of(2) { (width, height) } else { (height, width) };
        let from = |column: usize, row: usize| match quarters % 4 {
            0 => at(column, row),
            1 => at(row, height - 1 - column),
            2 => at(width - 1 - column, height - 1 - row),
            _ => at(width - 1 - row, column),
        };
        let places = (0..turned_height).flat_map(|row| (0..turned_width).map(move |column| (column, row)));
        let pixels = places.flat_map(|(column, row)| {
            let start = from(column, row);
            [0, 1, 2].map(|channel| self.pixels[start + channel])
        });
        Self { width: turned_width, height: turned_height, pixels: pixels.collect(), ..self }
    }

    /// A part of the photograph.
    ///
    /// # Errors
    /// [`PhotographFault::NoPart`] if it is empty or reaches beyond the edges.
    pub fn cropped(&self, part: Area) -> Result<Self, PhotographFault> {
        let Area { left, top, width, height } = part;
        let reaches = |start: usize, extent: usize, edge: usize| {
            extent > 0 && start.checked_add(extent).is_some_and(|end| end <= edge)
        };
        if !reaches(left, width, self.width) || !reaches(top, height, self.height) {
            return Err(PhotographFault::NoPart { part, width: self.width, height: self.height });
        }
        let row = |row: usize| &self.pixels[3 * (row * self.width + left)..][..3 * width];
        let pixels = (top..top + height).flat_map(row).copied().collect();
        Ok(Self { width, height, pixels, had_transparency: self.had_transparency })
    }

    /// All of the photograph as an image of this shape, `[channels, height, width]`. Where it becomes smaller every pixel
    /// is the mean of the area that it covers, where it becomes larger it is interpolated, and at its own size it keeps
    /// its levels. Its proportions are not kept. One channel is the luma of ITU-R BT.709, which of a grey image is its
    /// level.
    ///
    /// # Errors
    /// [`PhotographFault::NoTarget`] if the shape is empty or has other than one or three channels.
    pub fn resized(&self, target: ImageShape) -> Result<Vec<u8>, PhotographFault> {
        require_target(target)?;
        let whole = Window { left: 0.0, top: 0.0, width: self.width as f32, height: self.height as f32 };
        Ok(planes(&scaled(self, whole, target.width, target.height), target))
    }
}

impl Rows for Photograph {
    fn colour(&self, column: usize, row: usize) -> Colour {
        let start = 3 * (row * self.width + column);
        [0, 1, 2].map(|channel| f32::from(self.pixels[start + channel]))
    }

    fn columns(&self) -> usize {
        self.width
    }

    fn rows(&self) -> usize {
        self.height
    }
}

/// The levels of colours, channel after channel.
pub(super) fn planes(colours: &Grid<Colour>, target: ImageShape) -> Vec<u8> {
    // A cast of a float saturates, which is what a level beyond the scale should do.
    let level = |value: f32| value.round() as u8;
    if target.channels == 1 {
        return colours.values.iter().map(|&colour| level(luma(colour))).collect();
    }
    let channel = |channel: usize| colours.values.iter().map(move |colour| level(colour[channel]));
    (0..target.channels).flat_map(channel).collect()
}

pub(super) fn require_target(target: ImageShape) -> Result<(), PhotographFault> {
    let has_channels = matches!(target.channels, 1 | 3);
    if !has_channels || target.pixels() == 0 || target.pixels() as u64 > MAX_PIXELS {
        return Err(PhotographFault::NoTarget { target });
    }
    Ok(())
}

fn require_pixels(width: usize, height: usize, channels: usize, found: usize) -> Result<(), PhotographFault> {
    let pixels = width.checked_mul(height).filter(|&pixels| pixels as u64 <= MAX_PIXELS);
    let Some(pixels) = pixels else {
        return Err(PhotographFault::TooManyPixels { width: width as u64, height: height as u64 });
    };
    if pixels == 0 || channels * pixels != found {
        return Err(PhotographFault::PixelCount { found, width, height, channels });
    }
    Ok(())
}
