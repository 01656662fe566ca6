//! Turns any photograph of a garment into what the classifier was trained on.
//!
//! The pictures of Fashion-MNIST were made from catalogue photographs by a published procedure (Xiao, Rasul and Vollgraf
//! 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", figure 1): trim the edges
//! that differ from the ground by at most 5 % of the full intensity, scale the longest edge to 28 by subsampling (rows
//! and columns are left out, nothing is averaged), sharpen with a Gaussian of radius and standard deviation 1, extend the
//! shortest edge to 28 with the garment in the middle, negate. [`load_picture`] does the same, so that a user's picture
//! lies where the training pictures lie, and goes beyond it in three respects, because not every picture is a catalogue
//! photograph on pure white:
//!
//! - **Which way round.** The ground is the median grey of the border. The picture is negated only if the garment is, in
//!   sum, darker than the ground, so a light garment on a dark ground is left as it is.
//! - **Black ground.** The ground becomes exactly 0 and white stays 255, as an off-white or grey ground would otherwise
//!   shine through all of the picture.
//! - **Transparency.** A transparent ground counts as white under a dark garment and as black under a light one.
//!
//! A picture that already has the form of the dataset passes unchanged, byte for byte: 28x28, opaque, all of its pixels
//! grey, and a border whose median is no lighter than the middle of the scale. That holds for all but two of the 70 000
//! pictures of the dataset itself.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Seek};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Width and height of the pictures that the classifier sees.
pub(crate) const SIDE: usize = 28;

/// The largest picture that is read, in pixels. Checked before anything is allocated for them.
const MAX_PIXELS: u64 = 1 << 26;
/// The most memory that decoding may take, in bytes: eight for every pixel.
const MAX_BYTES: u64 = MAX_PIXELS * 8;
/// How far a level may be from the ground and still belong to it: 5 % of the full intensity.
const TOLERANCE: u8 = 12;
/// Levels above this are light.
const MIDDLE: u8 = 127;

/// A picture as the classifier sees it, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// The levels of grey in rows from the top; the ground is 0, white is 255.
    pub(crate) pixels: [u8; SIDE * SIDE],
    /// Width of the original in pixels, the right way up.
    pub(crate) width: usize,
    /// Height of the original in pixels, the right way up.
    pub(crate) height: usize,
    /// The part of the original that is shown.
    pub(crate) shown: Rectangle,
    /// Whether the original was negated, because its garment is darker than its ground.
    pub(crate) inverted: bool,
    /// Whether the original already had the form of the dataset and passed unchanged.
    pub(crate) unchanged: bool,
}

/// A part of a picture, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rectangle {
    /// Columns to the left of it.
    pub(crate) left: usize,
    /// Rows above it.
    pub(crate) top: usize,
    /// Its width, at least 1.
    pub(crate) width: usize,
    /// Its height, at least 1.
    pub(crate) height: usize,
}

/// Why a file is no picture to classify.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum PictureError {
    /// There is no such file, or it cannot be read.
    #[error("cannot read the picture {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file holds nothing.
    #[error("{} is empty, expected a PNG or JPEG picture", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is no picture, expected PNG or JPEG", path.display())]
    NotAPicture {
        /// The file.
        path: PathBuf,
    },
    /// The file starts like a picture but cannot be decoded.
    #[error("the picture {} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        source: ImageError,
    },
    /// The picture has more pixels than any photograph needs.
    #[error("the picture {} has {width} x {height} pixels, expected at most {MAX_PIXELS} in all", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// Nothing stands out from the ground.
    #[error("the picture {} is blank, expected a garment that stands out from its ground", path.display())]
    Blank {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a PNG or JPEG picture of any size, depth and colour, and brings it into the form of the dataset.
///
/// # Errors
/// See [`PictureError`].
pub(crate) fn load_picture(path: &Path) -> Result<Picture, PictureError> {
    let file = File::open(path).map_err(|source| PictureError::Unreadable { path: path.to_owned(), source })?;
    picture(path, BufReader::new(file))
}

/// Brings the bytes of a PNG or JPEG picture into the form of the dataset.
///
/// # Errors
/// See [`PictureError`].
pub(crate) fn prepare(bytes: &[u8]) -> Result<[u8; SIDE * SIDE], PictureError> {
    Ok(picture(Path::new("the picture"), Cursor::new(bytes))?.pixels)
}

fn picture(path: &Path, bytes: impl BufRead + Seek) -> Result<Picture, PictureError> {
    let image = decode(path, bytes)?;
    let original = Grey::from(&image);
    let ground = original.ground();
    let blank = || PictureError::Blank { path: path.to_owned() };
    let garment = original.bounds_beyond(ground).ok_or_else(blank)?;
    if let Some(pixels) = in_form(&image, &original, ground) {
        let shown = Rectangle { left: 0, top: 0, width: SIDE, height: SIDE };
        return Ok(Picture { pixels, width: SIDE, height: SIDE, shown, inverted: false, unchanged: true });
    }
    let inverted = original.is_darker_than(ground);
    let pixels = original.crop(garment).on_black(ground, inverted).subsample().sharpen().centred();
    Ok(Picture { pixels, width: original.width, height: original.height, shown: garment, inverted, unchanged: false })
}

/// Decodes a file, with its format known and its size checked before anything large is allocated.
fn decode(path: &Path, mut file: impl BufRead + Seek) -> Result<DynamicImage, PictureError> {
    let unreadable = |source| PictureError::Unreadable { path: path.to_owned(), source };
    let damaged = |source| PictureError::Damaged { path: path.to_owned(), source };
    if file.fill_buf().map_err(unreadable)?.is_empty() {
        return Err(PictureError::Empty { path: path.to_owned() });
    }
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(unreadable)?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err(PictureError::NotAPicture { path: path.to_owned() });
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::TooLarge { path: path.to_owned(), width, height });
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// The pixels of a picture that already has the form of the dataset.
fn in_form(image: &DynamicImage, grey: &Grey, ground: u8) -> Option<[u8; SIDE * SIDE]> {
    if (grey.width, grey.height) != (SIDE, SIDE) || ground > MIDDLE {
        return None;
    }
    let is_opaque_grey = |pixel: &image::Rgba<u8>| {
        let [red, green, blue, alpha] = pixel.0;
        red == green && green == blue && alpha == u8::MAX
    };
    if !image.to_rgba8().pixels().all(is_opaque_grey) {
        return None;
    }
    grey.levels.as_slice().try_into().ok()
}

/// A picture in levels of grey.
#[derive(Clone, Debug)]
struct Grey {
    width: usize,
    height: usize,
    /// The levels in rows from the top.
    levels: Vec<u8>,
}

impl From<&DynamicImage> for Grey {
    /// The luma of a picture. What is transparent is laid over white, or over black if the rest is light.
    fn from(image: &DynamicImage) -> Self {
        let pixels = image.to_luma_alpha8();
        let (mut light, mut opacity) = (0, 0);
        for pixel in pixels.pixels() {
            let [level, alpha] = pixel.0.map(u64::from);
            light += level * alpha;
            opacity += alpha;
        }
        let backdrop = if light > opacity * u64::from(MIDDLE) { 0 } else { u32::from(u8::MAX) };
        let over_backdrop = |pixel: &image::LumaA<u8>| {
            let [level, alpha] = pixel.0.map(u32::from);
            let full = u32::from(u8::MAX);
            ((level * alpha + backdrop * (full - alpha) + full / 2) / full) as u8
        };
        let levels = pixels.pixels().map(over_backdrop).collect();
        Self { width: image.width() as usize, height: image.height() as usize, levels }
    }
}

impl Grey {
    fn row(&self, row: usize) -> &[u8] {
        &self.levels[row * self.width..(row + 1) * self.width]
    }

    /// The median level of the border.
    fn ground(&self) -> u8 {
        let (last_row, last_column) = (self.height - 1, self.width - 1);
        let sides = (1..last_row).flat_map(|row| [self.row(row)[0], self.row(row)[last_column]]);
        let mut border: Vec<u8> = self.row(0).iter().chain(self.row(last_row)).copied().chain(sides).collect();
        let middle = border.len() / 2;
        *border.select_nth_unstable(middle).1
    }

    /// Whether what stands out from `ground` is, in sum, darker than it.
    fn is_darker_than(&self, ground: u8) -> bool {
        let difference: i64 = self
            .levels
            .iter()
            .filter(|level| level.abs_diff(ground) > TOLERANCE)
            .map(|&level| i64::from(level) - i64::from(ground))
            .sum();
        difference < 0
    }

    /// The smallest rectangle around everything that stands out from `ground`.
    fn bounds_beyond(&self, ground: u8) -> Option<Rectangle> {
        let stands_out = |level: &u8| level.abs_diff(ground) > TOLERANCE;
        let is_in_row = |row: &usize| self.row(*row).iter().any(stands_out);
        let top = (0..self.height).find(is_in_row)?;
        let bottom = (0..self.height).rfind(is_in_row)?;
        let rows = || (top..=bottom).map(|row| self.row(row));
        let left = rows().filter_map(|row| row.iter().position(stands_out)).min()?;
        let right = rows().filter_map(|row| row.iter().rposition(stands_out)).max()?;
        Some(Rectangle { left, top, width: right - left + 1, height: bottom - top + 1 })
    }

    fn crop(&self, part: Rectangle) -> Self {
        let rows = (part.top..part.top + part.height).map(|row| &self.row(row)[part.left..part.left + part.width]);
        Self { width: part.width, height: part.height, levels: rows.flatten().copied().collect() }
    }

    /// The picture, negated if `inverted`, with what is no lighter than `ground` at 0 and white still at 255.
    fn on_black(mut self, ground: u8, inverted: bool) -> Self {
        let negate = |level: u8| if inverted { u8::MAX - level } else { level };
        let black = u16::from(negate(ground));
        // a ground of pure white has nothing above it to show
        let range = (u16::from(u8::MAX) - black).max(1);
        for level in &mut self.levels {
            let above = u16::from(negate(*level)).saturating_sub(black);
            *level = ((above * u16::from(u8::MAX) + range / 2) / range) as u8;
        }
        self
    }

    /// Scales the longer edge to [`SIDE`] and the other in proportion: every pixel is the one of the original that lies
    /// under its centre.
    fn subsample(&self) -> Self {
        let longer = self.width.max(self.height);
        let scaled = |edge: usize| ((edge * SIDE + longer / 2) / longer).max(1);
        let (width, height) = (scaled(self.width), scaled(self.height));
        let source = |position: usize, edge: usize, scaled: usize| (2 * position + 1) * edge / (2 * scaled);
        let mut levels = Vec::with_capacity(width * height);
        for row in 0..height {
            let original = self.row(source(row, self.height, height));
            levels.extend((0..width).map(|column| original[source(column, self.width, width)]));
        }
        Self { width, height, levels }
    }

    /// Sharpens with a Gaussian of radius and standard deviation 1: its 3x3 kernel is negated, its centre replaced by
    /// twice the sum of the Gaussian, and all of it scaled to sum 1. Beyond the edge lies the nearest pixel.
    fn sharpen(&self) -> Self {
        const BESIDE: f32 = 0.606_530_66; // exp(-1/2)
        const DIAGONAL: f32 = 0.367_879_44; // exp(-1)
        const SUM: f32 = 1.0 + 4.0 * (BESIDE + DIAGONAL);
        let level = |row: usize, column: usize| {
            // positions are one too large, so that -1 can be written
            let row = row.clamp(1, self.height) - 1;
            let column = column.clamp(1, self.width) - 1;
            f32::from(self.row(row)[column])
        };
        let mut levels = Vec::with_capacity(self.levels.len());
        for row in 1..=self.height {
            for column in 1..=self.width {
                let beside =
                    level(row - 1, column) + level(row, column - 1) + level(row, column + 1) + level(row + 1, column);
                let diagonal = level(row - 1, column - 1)
                    + level(row - 1, column + 1)
                    + level(row + 1, column - 1)
                    + level(row + 1, column + 1);
                let sharp = (2.0 * SUM * level(row, column) - BESIDE * beside - DIAGONAL * diagonal) / (SUM + 1.0);
                // a cast of a float saturates, which is what a level beyond the scale should do
                levels.push(sharp.round() as u8);
            }
        }
        Self { levels, ..*self }
    }

    /// The picture, neither edge of which is above [`SIDE`], in the middle of a black square.
    fn centred(&self) -> [u8; SIDE * SIDE] {
        let mut pixels = [0; SIDE * SIDE];
        let (left, top) = ((SIDE - self.width) / 2, (SIDE - self.height) / 2);
        for row in 0..self.height {
            let start = (top + row) * SIDE + left;
            pixels[start..start + self.width].copy_from_slice(self.row(row));
        }
        pixels
    }
}
