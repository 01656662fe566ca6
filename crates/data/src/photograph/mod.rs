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
//! ```
//! use tinylsa_data::photograph::{Photograph, TargetSize, prepare};
//!
//! // a dark square on a light page
//! let is_inside = |x: usize, y: usize| (30..70).contains(&x) && (20..60).contains(&y);
//! let pixels = (0..100 * 80).flat_map(|pixel| [if is_inside(pixel % 100, pixel / 100) { 40 } else { 240 }; 3]);
//! let photograph = Photograph::from_rgb(100, 80, pixels.collect())?;
//! let prepared = prepare(&photograph, TargetSize { height: 28, width: 28 })?;
//! assert_eq!((prepared.shown.left, prepared.shown.width), (30, 40));
//! assert!(prepared.found.confidence > 0.9);
//! # Ok::<(), tinylsa_data::photograph::PhotographFault>(())
//! ```

mod barrier;
mod decode;
mod error;
mod form;
mod found;
mod frame;
mod garment;
mod ground;
mod raster;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use error::{PhotographError, PhotographFault};
pub use found::{Doubt, Found};

use decode::MAX_PIXELS;
use form::Cut;
use frame::Frame;
use garment::{Segmentation, segment};
use raster::{Colour, Grid, Rows, Window, luma, percentile, scaled};

/// The longer edge of the image in which the garment is looked for; a photograph that is larger is scaled down.
const WORKING_EDGE: usize = 256;
/// Levels this far from the ground are ground in an image that has the form of the data set already.
const TOLERANCE: f32 = 12.0;
/// The part of the border that is black in an image of the data set: at least 24 % in all 70 000 of them.
const PURE_BORDER: f32 = 0.2;
/// The part of the area within a frame that stands out from the frame.
const FRAMED: f32 = 0.95;
/// The part of the border that is ground if there is no frame.
const EVEN_GROUND: f32 = 0.75;
/// The part of the border that has the colour of any other ground.
const EVEN_BORDER: f32 = 0.6;

/// A photograph, opaque and the right way up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photograph {
    width: usize,
    height: usize,
    /// Red, green and blue of each pixel, in rows from the top.
    pixels: Vec<u8>,
    had_transparency: bool,
}

/// The size of the image to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetSize {
    /// Its height in pixels.
    pub height: usize,
    /// Its width in pixels.
    pub width: usize,
}

/// An image as a classifier sees it, and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedImage {
    /// The levels of grey in rows from the top; the ground is 0, white is 255.
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
pub fn read_prepared(path: &Path, target: TargetSize) -> Result<PreparedImage, PhotographError> {
    let prepared = decode::read(path).and_then(|photograph| prepare(&photograph, target));
    prepared.map_err(|fault| PhotographError { path: path.to_owned(), fault })
}

/// Brings a photograph into the form of the data set.
///
/// # Errors
/// [`PhotographFault::NoGarment`] if nothing stands out from the ground.
pub fn prepare(photograph: &Photograph, target: TargetSize) -> Result<PreparedImage, PhotographFault> {
    if target.width == 0 || target.height == 0 {
        return Err(PhotographFault::NoTarget { width: target.width, height: target.height });
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

/// The part of a photograph without its frame, at working size, and what was found there.
struct View {
    /// Where the part is on the photograph.
    window: Window,
    image: Grid<Colour>,
    segmentation: Segmentation,
    found: Found,
}

impl View {
    fn of(photograph: &Photograph) -> Option<Self> {
        let whole = Window { left: 0.0, top: 0.0, width: photograph.width as f32, height: photograph.height as f32 };
        let image = working_image(photograph, whole);
        let noise = ground::noise(&image);
        let frame = frame::frame(&image, noise);
        let framed = Self::within(image.clone(), whole);
        if frame == Frame::default() {
            return framed;
        }
        if framed.as_ref().is_some_and(|view| !view.is_framed(&frame)) {
            return framed;
        }
        let scale = whole.width / image.width as f32;
        let [left, right, top, bottom] =
            [frame.left, frame.right, frame.top, frame.bottom].map(|lines| scale * lines as f32);
        let inner = Window { left, top, width: whole.width - left - right, height: whole.height - top - bottom };
        // a garment with straight edges from side to side looks like bars, but then nothing is found between them
        match Self::within(working_image(photograph, inner), inner) {
            Some(unframed) if !unframed.found.is_doubtful() => Some(unframed),
            unframed => framed.or(unframed),
        }
    }

    /// Whether there is no even ground around what was found, or it fills this frame.
    fn is_framed(&self, frame: &Frame) -> bool {
        let Segmentation { mask, evidence, .. } = &self.segmentation;
        let Frame { left, right, top, bottom } = *frame;
        let is_inside = |column: usize, row: usize| {
            (left..mask.width - right).contains(&column) && (top..mask.height - bottom).contains(&row)
        };
        let (mut filled, mut beyond) = (0, 0);
        for row in 0..mask.height {
            for column in 0..mask.width {
                let place = usize::from(mask.at(column, row));
                if is_inside(column, row) {
                    filled += place;
                } else {
                    beyond += place;
                }
            }
        }
        let inside = (mask.width - left - right) * (mask.height - top - bottom);
        let outside = mask.width * mask.height - inside;
        // a line on each side may be of either
        let is_filled = filled as f32 >= FRAMED * inside as f32 && 4 * beyond <= outside;
        is_filled || evidence.even_border < EVEN_GROUND
    }

    fn within(image: Grid<Colour>, window: Window) -> Option<Self> {
        let segmentation = segment(&image, ground::noise(&image))?;
        let found = Found::by(&segmentation.evidence);
        Some(Self { window, image, segmentation, found })
    }

    /// A part of the working image as a part of the photograph.
    fn in_photograph(&self, window: Window) -> Window {
        let across = self.window.width / self.image.width as f32;
        let down = self.window.height / self.image.height as f32;
        Window {
            left: self.window.left + across * window.left,
            top: self.window.top + down * window.top,
            width: across * window.width,
            height: down * window.height,
        }
    }
}

fn working_image(photograph: &Photograph, window: Window) -> Grid<Colour> {
    let scale = (WORKING_EDGE as f32 / window.width.max(window.height)).min(1.0);
    let edge = |extent: f32| ((scale * extent).round() as usize).max(1);
    scaled(photograph, window, edge(window.width), edge(window.height))
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

/// What already has the size of the target, in opaque greys on an even ground, keeps its pixels. On black it passes
/// unchanged, on white as its negative; any other ground becomes black.
fn in_form(photograph: &Photograph, target: TargetSize) -> Option<PreparedImage> {
    let is_grey = photograph.pixels.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    let has_size = (photograph.width, photograph.height) == (target.width, target.height);
    if !has_size || !is_grey || photograph.had_transparency {
        return None;
    }
    let levels: Grid<f32> = Grid::from_fn(target.width, target.height, |column, row| photograph.colour(column, row)[0]);
    let (polarity, pixels) = on_black(&levels)?;
    Some(PreparedImage {
        pixels: form::centred(&pixels, target),
        width: photograph.width,
        height: photograph.height,
        shown: Area { left: 0, top: 0, width: photograph.width, height: photograph.height },
        polarity,
        in_form: true,
        found: Found::certain(),
    })
}

/// Levels whose ground is even, with the ground at 0; nothing if it is not, or if there is nothing else.
fn on_black(levels: &Grid<f32>) -> Option<(Polarity, Grid<f32>)> {
    let border: Vec<f32> = levels.perimeter().into_iter().map(|position| levels.values[position]).collect();
    let share = |ground: f32| {
        border.iter().filter(|&&level| (level - ground).abs() <= TOLERANCE).count() as f32 / border.len() as f32
    };
    let (black, white) = (share(0.0), share(255.0));
    let middle = percentile(&mut border.clone(), 0.5);
    let ground = if black.max(white) >= PURE_BORDER {
        if black >= white { 0.0 } else { 255.0 }
    } else if share(middle) >= EVEN_BORDER {
        middle
    } else {
        return None;
    };
    let stands_out = |level: &&f32| (**level - ground).abs() > TOLERANCE;
    let difference: f32 = levels.values.iter().filter(stands_out).map(|level| level - ground).sum();
    if difference < 0.0 {
        Some((Polarity::DarkOnLight, levels.map(|level| (255.0 * (ground - level) / ground.max(1.0)).max(0.0))))
    } else if difference > 0.0 {
        let range = (255.0 - ground).max(1.0);
        Some((Polarity::LightOnDark, levels.map(|level| (255.0 * (level - ground) / range).max(0.0))))
    } else {
        None
    }
}
