//! PNG files with a palette: images of maps in a third of the bytes.

use std::collections::HashMap;

use crate::ReportError;
use crate::image::decode_png;
use crate::raster::RgbImage;

type Colour = [u8; 3];

/// Colours that a byte can name.
const COLOURS: usize = 256;
/// Of them, the most frequent ones that are kept exactly: paper, ink, zero and the ends of scales among them.
const EXACT: usize = 128;

/// A PNG file that shows what `png` shows with at most 256 colours, for pages with many images.
///
/// Images of that many colours or fewer keep them all. Of others the most frequent half of the palette is kept exactly
/// and the rest is divided by median cut (Heckbert 1982); letters and flat areas stay as they are. The same file gives
/// the same bytes.
pub fn compact_png(png: &[u8]) -> Result<Vec<u8>, ReportError> {
    let image = decode_png(png)?;
    let (palette, places) = palette(&image);
    let pixels: Vec<u8> = image.pixels().iter().map(|pixel| places[&pixel.0]).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// The colours, and the place of each colour of the image among them.
fn palette(image: &RgbImage) -> (Vec<Colour>, HashMap<Colour, u8>) {
    let mut counts: HashMap<Colour, u32> = HashMap::new();
    for pixel in image.pixels() {
        *counts.entry(pixel.0).or_default() += 1;
    }
    let mut colours: Vec<(Colour, u32)> = counts.into_iter().collect();
    colours.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let rest = if colours.len() > COLOURS { colours.split_off(EXACT) } else { Vec::new() };
    let exact = colours.into_iter().map(|colour| vec![colour]);
    let boxes: Vec<Vec<(Colour, u32)>> = exact.chain(median_cut(rest, COLOURS - EXACT)).collect();
    let places = boxes.iter().enumerate().flat_map(|(place, colours)| colours.iter().map(move |c| (c.0, place as u8)));
    (boxes.iter().map(|colours| mean(colours)).collect(), places.collect())
}

/// Divides the colours into at most `most` boxes, the widest one first, at the median of its widest channel.
fn median_cut(colours: Vec<(Colour, u32)>, most: usize) -> Vec<Vec<(Colour, u32)>> {
    if colours.is_empty() {
        return Vec::new();
    }
    let mut boxes = vec![colours];
    while boxes.len() < most {
        let widths = boxes.iter().enumerate().map(|(place, colours)| (place, widest(colours)));
        let Some((place, (channel, width))) = widths.max_by_key(|(place, (_, width))| (*width, usize::MAX - place))
        else {
            break;
        };
        if width == 0 {
            break;
        }
        let mut low = boxes.swap_remove(place);
        low.sort_by_key(|(colour, _)| (colour[channel], *colour));
        let high = low.split_off(low.len() / 2);
        boxes.extend([low, high]);
    }
    boxes
}

/// The channel in which the colours differ most, and by how much.
fn widest(colours: &[(Colour, u32)]) -> (usize, u8) {
    let width = |channel: usize| {
        let values = || colours.iter().map(|(colour, _)| colour[channel]);
        values().max().unwrap_or(0) - values().min().unwrap_or(0)
    };
    (0..3).map(|channel| (channel, width(channel))).max_by_key(|(_, width)| *width).unwrap_or((0, 0))
}

/// The mean colour of a box, by pixels.
fn mean(colours: &[(Colour, u32)]) -> Colour {
    let total: u64 = colours.iter().map(|(_, count)| u64::from(*count)).sum();
    [0, 1, 2].map(|channel| {
        let sum: u64 = colours.iter().map(|(colour, count)| u64::from(colour[channel]) * u64::from(*count)).sum();
        ((sum + total / 2) / total.max(1)) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rgb, encode_png};

    fn decoded(png: &[u8]) -> RgbImage {
        decode_png(png).unwrap()
    }

    #[test]
    fn few_colours_are_kept() {
        let image = RgbImage::from_fn(40, 30, |x, y| Rgb([(x % 16) as u8 * 16, (y % 16) as u8 * 16, 7]));
        let png = encode_png(&image).unwrap();
        assert_eq!(decoded(&compact_png(&png).unwrap()), image);
    }

    #[test]
    fn many_colours_stay_close_and_the_frequent_ones_exact() {
        let image = RgbImage::from_fn(100, 100, |x, y| {
            if y < 20 { Rgb([255; 3]) } else { Rgb([2 * x as u8, 2 * y as u8, (x * y % 64) as u8]) }
        });
        let png = encode_png(&image).unwrap();
        let compact = compact_png(&png).unwrap();
        let shown = decoded(&compact);
        let mut off = 0;
        for (expected, found) in image.pixels().iter().zip(shown.pixels()) {
            assert!(expected.0 != [255; 3] || found.0 == [255; 3]);
            off = expected.0.iter().zip(found.0).map(|(&a, b)| a.abs_diff(b)).max().unwrap_or(0).max(off);
        }
        assert!((1..64).contains(&off), "{off}");
        assert!(compact.len() < png.len());
        assert_eq!(compact, compact_png(&png).unwrap());
    }

    #[test]
    fn what_is_no_image_is_refused() {
        assert!(matches!(compact_png(b"no image"), Err(ReportError::Decode(_))));
    }
}
