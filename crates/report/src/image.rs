//! The images that figures show, and PNG files.

use std::io::Cursor;

use tinylsa_shape::ImageShape;

use crate::ReportError;
use crate::raster::{Rgb, RgbImage};

/// An image in grey or colour, one byte a value; 0 is black.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteImage {
    pixels: RgbImage,
}

impl ByteImage {
    /// An image of bytes as tensors hold them: channel after channel, each row by row. One channel is grey, three are
    /// red, green and blue. A shape is also made from `[channels, height, width]`.
    ///
    /// # Errors
    /// If there is another number of channels, or the bytes do not fit the shape.
    pub fn from_bytes(shape: impl Into<ImageShape>, values: &[u8]) -> Result<Self, ReportError> {
        let shape = shape.into();
        check_image(shape, values.len())?;
        let pixels = shape.pixels();
        let colour = |place: usize| match shape.channels {
            1 => [values[place]; 3],
            _ => [0, 1, 2].map(|channel| values[channel * pixels + place]),
        };
        let pixels = RgbImage::from_fn(shape.width as u32, shape.height as u32, |x, y| {
            Rgb(colour(y as usize * shape.width + x as usize))
        });
        Ok(Self { pixels })
    }

    /// An image of values from 0 (black) to 1 (white), ordered as in [`ByteImage::from_bytes`].
    ///
    /// Values outside that range by less than 10⁻³ are taken as rounding errors.
    ///
    /// # Errors
    /// As [`ByteImage::from_bytes`], and if a value is outside the range.
    pub fn from_unit(shape: impl Into<ImageShape>, values: &[f32]) -> Result<Self, ReportError> {
        let shape = shape.into();
        check_image(shape, values.len())?;
        let mut bytes = Vec::with_capacity(values.len());
        for (index, &value) in values.iter().enumerate() {
            if !(-1e-3..=1.001).contains(&value) {
                let place = pixel_position(index % shape.pixels(), shape.width);
                let channel = index / shape.pixels();
                return Err(ReportError::OutOfRange {
                    figure: "image",
                    position: if shape.channels == 1 { place } else { format!("channel {channel}, {place}") },
                    value: f64::from(value),
                    low: 0.0,
                    high: 1.0,
                });
            }
            bytes.push((value.clamp(0.0, 1.0) * 255.0).round() as u8);
        }
        Self::from_bytes(shape, &bytes)
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.pixels.height() as usize
    }

    /// Pixels of a row.
    pub fn width(&self) -> usize {
        self.pixels.width() as usize
    }

    /// The image `zoom` times as large, every pixel a square of one colour (nearest neighbour). A zoom of 0 counts as 1,
    /// and one that would make a side longer than 65 535 pixels as the largest that does not.
    pub fn enlarged(&self, zoom: u32) -> RgbImage {
        let longest = self.pixels.width().max(self.pixels.height());
        let zoom = zoom.clamp(1, (u32::from(u16::MAX) / longest).max(1));
        let at = |x: u32, y: u32| self.pixels.pixels()[((y / zoom) * self.pixels.width() + x / zoom) as usize];
        RgbImage::from_fn(self.pixels.width() * zoom, self.pixels.height() * zoom, at)
    }
}

fn check_image(shape: ImageShape, found: usize) -> Result<(), ReportError> {
    let figure = "image";
    if shape.channels != 1 && shape.channels != 3 {
        return Err(ReportError::Channels { found: shape.channels });
    }
    check_size(figure, "values", found / shape.channels, shape.height, shape.width)?;
    if found != shape.values() {
        return Err(ReportError::Size { figure, item: "values", found, expected: shape.values() });
    }
    Ok(())
}

/// The bytes of a PNG file that holds a figure. The same figure gives the same bytes.
///
/// # Errors
/// If the figure has no pixels.
pub fn encode_png(figure: &RgbImage) -> Result<Vec<u8>, ReportError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, figure.width(), figure.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::Adaptive);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&figure.to_bytes())?;
    writer.finish()?;
    Ok(bytes)
}

/// The figure in a PNG file, transparency left out.
///
/// # Errors
/// If the file is none, or its sides are longer than anything that is drawn here.
pub fn decode_png(png: &[u8]) -> Result<RgbImage, ReportError> {
    let mut decoder = png::Decoder::new(Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let (width, height) = (reader.info().width, reader.info().height);
    let largest = usize::from(u16::MAX);
    if width as usize > largest || height as usize > largest {
        let (height, width) = (height as usize, width as usize);
        return Err(ReportError::TooLarge { figure: "PNG file", height, width, largest });
    }
    let size = reader.output_buffer_size().ok_or(ReportError::TooLarge {
        figure: "PNG file",
        height: height as usize,
        width: width as usize,
        largest,
    })?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes)?;
    let samples = frame.color_type.samples();
    let colour = |place: usize| {
        let pixel = &bytes[place * samples..(place + 1) * samples];
        Rgb(if samples < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] })
    };
    Ok(RgbImage::from_fn(width, height, |x, y| colour(y as usize * width as usize + x as usize)))
}

/// The longest side of an image or map, in pixels: more than a screen shows, and little enough that no size that is made
/// of it overflows.
const LARGEST_SIDE: usize = 1 << 14;

/// Fails unless `found` values fill `height` × `width`, both at least 1 and at most [`LARGEST_SIDE`].
pub(crate) fn check_size(
    figure: &'static str,
    item: &'static str,
    found: usize,
    height: usize,
    width: usize,
) -> Result<(), ReportError> {
    if found == 0 || height == 0 || width == 0 {
        return Err(ReportError::Empty { figure, item: "pixel" });
    }
    if height > LARGEST_SIDE || width > LARGEST_SIDE {
        return Err(ReportError::TooLarge { figure, height, width, largest: LARGEST_SIDE });
    }
    if found != height * width {
        return Err(ReportError::Size { figure, item, found, expected: height * width });
    }
    Ok(())
}

/// The words by which an error names a pixel.
pub(crate) fn pixel_position(index: usize, width: usize) -> String {
    format!("row {}, column {}", index / width, index % width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_gives_back_the_pixels() {
        let figure = ByteImage::from_unit([1, 1, 2], &[0.0, 1.0]).unwrap().enlarged(3);
        let bytes = encode_png(&figure).unwrap();
        assert_eq!(decode_png(&bytes).unwrap(), figure);
        assert_eq!((figure.width(), figure.height()), (6, 3));
        assert_eq!(figure.pixel(2, 2), Some(Rgb([0; 3])));
        assert_eq!(figure.pixel(3, 0), Some(Rgb([255; 3])));
        assert_eq!(figure.pixel(6, 0), None);
    }

    #[test]
    fn colour_images_are_read_channel_after_channel() {
        // a red pixel above a blue one
        let image = ByteImage::from_unit([3, 2, 1], &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
        assert_eq!((image.height(), image.width()), (2, 1));
        let drawn = image.enlarged(2);
        assert_eq!((drawn.pixel(0, 0), drawn.pixel(1, 3)), (Some(Rgb([255, 0, 0])), Some(Rgb([0, 0, 255]))));
        let message = ByteImage::from_unit([3, 1, 2], &[0.0, 0.0, 0.0, 0.0, 0.0, 2.0]).unwrap_err().to_string();
        assert_eq!(message, "image: found 2 at channel 2, row 0, column 1, expected a number from 0 to 1");
        let message = ByteImage::from_bytes([4, 1, 1], &[0; 4]).unwrap_err().to_string();
        assert_eq!(message, "image: found 4 channels, expected 1 (grey) or 3 (red, green and blue)");
        assert!(matches!(
            ByteImage::from_bytes([3, 1, 1], &[0; 4]),
            Err(ReportError::Size { found: 4, expected: 3, .. })
        ));
    }

    #[test]
    fn wrong_sizes_and_values_are_named() {
        let message = ByteImage::from_bytes([1, 2, 2], &[0; 3]).unwrap_err().to_string();
        assert_eq!(message, "image: found 3 values, expected 4");
        let message = ByteImage::from_unit([1, 2, 2], &[0.0, 0.0, f32::NAN, 0.0]).unwrap_err().to_string();
        assert_eq!(message, "image: found NaN at row 1, column 0, expected a number from 0 to 1");
        assert!(matches!(ByteImage::from_bytes([1, 2, 0], &[]), Err(ReportError::Empty { .. })));
        // a size whose product overflows, or that no screen shows
        for (height, width) in [(2, 1 << 63), (usize::MAX, usize::MAX), (20_000, 1)] {
            let found = ByteImage::from_bytes([1, height, width], &[0]);
            assert!(matches!(found, Err(ReportError::TooLarge { .. })), "{found:?}");
        }
        let pixel = ByteImage::from_bytes([1, 1, 1], &[7]).unwrap();
        assert_eq!((pixel.enlarged(0).width(), pixel.enlarged(3).height()), (1, 3));
    }
}
