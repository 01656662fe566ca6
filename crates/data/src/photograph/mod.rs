//! A photograph of a garment, brought into the form of the data set.
//!
//! The images of Fashion-MNIST were made from catalogue photographs by a published procedure (Xiao, Rasul and Vollgraf
//! 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", section 2): trim the edges
//! by the colour of the corners, scale the longest edge to 28 by subsampling, sharpen with a Gaussian of radius and
//! standard deviation 1, extend the shortest edge to 28 with the garment in the middle, negate, turn into 8-bit grey.
//! The same is done here to any photograph, whose ground is not white, whose light is not even and whose pixels are not
//! free of noise:
//!
//! 1. Frames and bars around the photograph are cut away (`frame`).
//! 2. A smooth surface is fitted to the border: the ground as the light makes it. Half of the border may be something
//!    else (`ground`).
//! 3. What cannot be reached from the border without a change of colour is garment: the largest piece, and those near it
//!    (`garment`). From what it is found by follows a [confidence](Found).
//! 4. The garment is cut out, scaled by averaging, set against the ground behind it, so that the ground becomes exactly
//!    black, and sharpened (`form`).
//!
//! An image that already has the form of the data set passes unchanged, byte for byte, and its negative as its negative.
//!
//! That is the form of grey images of data sets of garments, digits and characters on black. **A colour image**, of
//! three channels, keeps its colours and its ground: it is the part of the photograph around what was found, in the
//! proportions of the target, or the middle of the photograph where that is doubtful. A photograph of the target's size
//! passes unchanged. [`Photograph::resized`] does none of this and only scales.
//!
//! ```
//! use tinylsa_data::ImageShape;
//! use tinylsa_data::photograph::{Photograph, prepare};
//!
//! // a dark square on a light page
//! let is_inside = |x: usize, y: usize| (30..70).contains(&x) && (20..60).contains(&y);
//! let pixels = (0..100 * 80).flat_map(|pixel| [if is_inside(pixel % 100, pixel / 100) { 40 } else { 240 }; 3]);
//! let photograph = Photograph::from_rgb(100, 80, pixels.collect())?;
//! let prepared = prepare(&photograph, ImageShape::grey(28, 28))?;
//! assert_eq!((prepared.shown.left, prepared.shown.width), (30, 40));
//! assert!(prepared.found.confidence > 0.9);
//! # Ok::<(), tinylsa_data::photograph::PhotographFault>(())
//! ```

mod barrier;
mod colour;
mod decode;
mod error;
mod form;
mod found;
mod frame;
mod garment;
mod ground;
mod in_form;
mod raster;
#[cfg(test)]
mod tests;
mod view;

use std::path::Path;

use tinylsa_shape::ImageShape;

pub use error::{PhotographError, PhotographFault};
pub use found::{Doubt, Found};

use decode::MAX_PIXELS;
use form::Cut;
use in_form::in_form;
use raster::{Colour, Grid, Rows, Window, luma, scaled};
use view::View;

/// A photograph, opaque and the right way up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photograph {
    width: usize,
    height: usize,
    /// Red, green and blue of each pixel, in rows from the top.
    pixels: Vec<u8>,
    had_transparency: bool,
}

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

    /// Decodes the bytes of a PNG or JPEG file of any depth and colour, and turns the photograph as its camera says.
    ///
    /// # Errors
    /// [`PhotographFault`] if the bytes are something else, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, PhotographFault> {
        decode::decode(bytes)
    }

    /// Reads a PNG or JPEG file.
    ///
    /// # Errors
    /// [`PhotographError`] names the file and says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, PhotographError> {
        decode::read(path).map_err(|fault| PhotographError { path: path.to_owned(), fault })
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

/// The levels of colours, channel after channel.
fn planes(colours: &Grid<Colour>, target: ImageShape) -> Vec<u8> {
    // A cast of a float saturates, which is what a level beyond the scale should do.
    let level = |value: f32| value.round() as u8;
    if target.channels == 1 {
        return colours.values.iter().map(|&colour| level(luma(colour))).collect();
    }
    let channel = |channel: usize| colours.values.iter().map(move |colour| level(colour[channel]));
    (0..target.channels).flat_map(channel).collect()
}

fn require_target(target: ImageShape) -> Result<(), PhotographFault> {
    let has_channels = matches!(target.channels, 1 | 3);
    if !has_channels || target.pixels() == 0 || target.pixels() as u64 > MAX_PIXELS {
        return Err(PhotographFault::NoTarget { target });
    }
    Ok(())
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

/// Reads a PNG or JPEG file and brings it into the form of the data set.
///
/// # Errors
/// [`PhotographError`] names the file and says what is wrong with it.
pub fn read_prepared(path: &Path, target: ImageShape) -> Result<PreparedImage, PhotographError> {
    let prepared = decode::read(path).and_then(|photograph| prepare(&photograph, target));
    prepared.map_err(|fault| PhotographError { path: path.to_owned(), fault })
}

/// Brings a photograph into the form of the data set, whose images have the shape `target`: grey or colour.
///
/// # Errors
/// [`PhotographFault::NoGarment`] if nothing stands out from the ground; [`PhotographFault::NoTarget`] if no image can have
/// this shape.
pub fn prepare(photograph: &Photograph, target: ImageShape) -> Result<PreparedImage, PhotographFault> {
    require_target(target)?;
    if target.channels > 1 {
        return colour::prepare(photograph, target);
    }
    if let Some(prepared) = in_form(photograph, target) {
        return Ok(prepared);
    }
    let view = View::of(photograph).ok_or(PhotographFault::NoGarment)?;
    let working_bounds = form::bounds(&view.segmentation, target).ok_or(PhotographFault::NoGarment)?;
    let bounds = view.in_photograph(working_bounds);
    let size = form::fitted(bounds, target);
    let cut = Cut {
        colours: scaled(photograph, bounds, size.width, size.height),
        ground: scaled(&view.segmentation.behind, working_bounds, size.width, size.height),
        coverage: form::coverage(&view.segmentation.mask, working_bounds, size),
    };
    let (levels, polarity) = form::levels(&cut);
    Ok(PreparedImage {
        pixels: form::centred(&form::sharpened(&levels), target),
        width: photograph.width,
        height: photograph.height,
        shown: Area::around(bounds, photograph),
        polarity,
        in_form: false,
        found: view.found,
    })
}

impl Area {
    /// The smallest one around a window.
    fn around(window: Window, photograph: &Photograph) -> Self {
        let left = (window.left.round() as usize).min(photograph.width - 1);
        let top = (window.top.round() as usize).min(photograph.height - 1);
        let right = ((window.left + window.width).round() as usize).clamp(left + 1, photograph.width);
        let bottom = ((window.top + window.height).round() as usize).clamp(top + 1, photograph.height);
        Self { left, top, width: right - left, height: bottom - top }
    }
}
