//! Grey pictures and their PNG encoding.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{GrayImage, Luma, RgbImage};

use crate::ReportError;

/// A grey picture, row by row, one byte a pixel; 0 is black.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GreyPicture {
    image: GrayImage,
}

impl GreyPicture {
    /// A picture of `width` × `height` bytes, row by row.
    pub fn from_bytes(width: usize, height: usize, pixels: &[u8]) -> Result<Self, ReportError> {
        check_size("grey picture", "pixels", pixels.len(), width, height)?;
        let image =
            GrayImage::from_fn(width as u32, height as u32, |x, y| Luma([pixels[y as usize * width + x as usize]]));
        Ok(Self { image })
    }

    /// A picture of `width` × `height` values from 0 (black) to 1 (white), row by row.
    ///
    /// Values outside that range by less than 10⁻³ are taken as rounding errors.
    pub fn from_unit(width: usize, height: usize, values: &[f32]) -> Result<Self, ReportError> {
        check_size("grey picture", "pixels", values.len(), width, height)?;
        let mut bytes = Vec::with_capacity(values.len());
        for (index, &value) in values.iter().enumerate() {
            if !(-1e-3..=1.001).contains(&value) {
                return Err(ReportError::OutOfRange {
                    figure: "grey picture",
                    position: pixel_position(index, width),
                    value: f64::from(value),
                    low: 0.0,
                    high: 1.0,
                });
            }
            bytes.push((value.clamp(0.0, 1.0) * 255.0).round() as u8);
        }
        Self::from_bytes(width, height, &bytes)
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.image.width() as usize
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.image.height() as usize
    }

    /// The picture `zoom` times as large, every pixel a square of one colour (nearest neighbour). A zoom of 0 counts as 1,
    /// and one that would make a side longer than 65 535 pixels as the largest that does not.
    pub fn enlarged(&self, zoom: u32) -> RgbImage {
        let longest = self.image.width().max(self.image.height());
        let zoom = zoom.clamp(1, (u32::from(u16::MAX) / longest).max(1));
        RgbImage::from_fn(self.image.width() * zoom, self.image.height() * zoom, |x, y| {
            let grey = self.image.get_pixel(x / zoom, y / zoom).0[0];
            image::Rgb([grey; 3])
        })
    }
}

/// The bytes of a PNG file that holds `picture`. The same picture gives the same bytes.
pub fn encode_png(picture: &RgbImage) -> Result<Vec<u8>, ReportError> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(PngEncoder::new_with_quality(
        &mut bytes,
        CompressionType::Best,
        FilterType::Adaptive,
    ))?;
    Ok(bytes)
}

/// The longest side of a picture or map, in pixels: more than a screen shows, and little enough that no size that is made
/// of it overflows.
const LARGEST_SIDE: usize = 1 << 14;

/// Fails unless `found` values make up a picture of `width` × `height`, both at least 1 and at most [`LARGEST_SIDE`].
pub(crate) fn check_size(
    figure: &'static str,
    item: &'static str,
    found: usize,
    width: usize,
    height: usize,
) -> Result<(), ReportError> {
    if found == 0 || width == 0 || height == 0 {
        return Err(ReportError::Empty { figure, item: "pixel" });
    }
    if width > LARGEST_SIDE || height > LARGEST_SIDE {
        return Err(ReportError::TooLarge { figure, width, height, largest: LARGEST_SIDE });
    }
    if found != width * height {
        return Err(ReportError::Size { figure, item, found, expected: width * height });
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
        let picture = GreyPicture::from_unit(2, 1, &[0.0, 1.0]).unwrap().enlarged(3);
        let bytes = encode_png(&picture).unwrap();
        assert_eq!(image::load_from_memory(&bytes).unwrap().to_rgb8(), picture);
        assert_eq!(picture.dimensions(), (6, 3));
        assert_eq!(picture.get_pixel(2, 2).0, [0; 3]);
        assert_eq!(picture.get_pixel(3, 0).0, [255; 3]);
    }

    #[test]
    fn wrong_sizes_and_values_are_named() {
        let message = GreyPicture::from_bytes(2, 2, &[0; 3]).unwrap_err().to_string();
        assert_eq!(message, "grey picture: found 3 pixels, expected 4");
        let message = GreyPicture::from_unit(2, 2, &[0.0, 0.0, f32::NAN, 0.0]).unwrap_err().to_string();
        assert_eq!(message, "grey picture: found NaN at row 1, column 0, expected a number from 0 to 1");
        assert!(matches!(GreyPicture::from_bytes(0, 2, &[]), Err(ReportError::Empty { .. })));
        // a size whose product overflows, or that no screen shows
        for (width, height) in [(1 << 63, 2), (usize::MAX, usize::MAX), (1, 20_000)] {
            let found = GreyPicture::from_bytes(width, height, &[0]);
            assert!(matches!(found, Err(ReportError::TooLarge { .. })), "{found:?}");
        }
        let pixel = GreyPicture::from_bytes(1, 1, &[7]).unwrap();
        assert_eq!((pixel.enlarged(0).dimensions(), pixel.enlarged(3).dimensions()), ((1, 1), (3, 3)));
    }
}
