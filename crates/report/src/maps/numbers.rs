//! Numbers of segments, drawn where the segments lie.

use crate::raster::{Rgb, RgbImage};
use crate::text::{TextStyle, draw_text};

const SHADOW: Rgb = Rgb([0; 3]);

/// Writes the number of each segment into its middle, where there is room for it; `labels` holds the segment of each pixel
/// of an image that is `width` wide before it is enlarged.
pub(super) fn draw_numbers(drawn: &mut RgbImage, labels: &[usize], width: usize, zoom: u32, colour: Rgb) {
    let segments = labels.iter().max().map_or(0, |last| last + 1);
    for segment in 0..segments {
        let pixels: Vec<[usize; 2]> = (0..labels.len())
            .filter(|&pixel| labels[pixel] == segment)
            .map(|pixel| [pixel % width, pixel / width])
            .collect();
        let Some(bounds) = Bounds::of(&pixels) else { continue };
        let text = segment.to_string();
        let size = [TextStyle::Label.width(&text), TextStyle::Label.line_height()];
        if (0..2).any(|side| (bounds.last[side] + 1 - bounds.first[side]) as u32 * zoom < size[side] + 2) {
            continue;
        }
        let [x, y] = [0, 1].map(|side| {
            let middle = (bounds.first[side] + bounds.last[side] + 1) as u32 * zoom / 2;
            middle.saturating_sub(size[side] / 2)
        });
        draw_text(drawn, x + 1, y + 1, &text, TextStyle::Label, SHADOW);
        draw_text(drawn, x, y, &text, TextStyle::Label, colour);
    }
}

/// The first and the last column and row of some pixels.
struct Bounds {
    first: [usize; 2],
    last: [usize; 2],
}

impl Bounds {
    fn of(pixels: &[[usize; 2]]) -> Option<Self> {
        let &start = pixels.first()?;
        let none = Self { first: start, last: start };
        Some(pixels.iter().fold(none, |Self { first, last }, pixel| Self {
            first: [0, 1].map(|side| first[side].min(pixel[side])),
            last: [0, 1].map(|side| last[side].max(pixel[side])),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_in_the_middle_of_its_segment_if_there_is_room() {
        // two segments side by side, eight pixels wide and six high each
        let labels: Vec<usize> = (0..96).map(|pixel| pixel % 16 / 8).collect();
        let drawn = |zoom: u32| {
            let mut image = RgbImage::from_pixel(16 * zoom, 6 * zoom, Rgb([255; 3]));
            draw_numbers(&mut image, &labels, 16, zoom, Rgb([200, 0, 0]));
            image
        };
        let image = drawn(4);
        let touched: Vec<[u32; 2]> =
            image.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 != [255; 3]).map(|(x, y, _)| [x, y]).collect();
        assert!(!touched.is_empty());
        for [x, y] in touched {
            assert!((8..26).contains(&x) || (40..58).contains(&x), "{x}");
            assert!((2..24).contains(&y), "{y}");
        }
        assert!(drawn(2).enumerate_pixels().all(|(_, _, pixel)| pixel.0 == [255; 3]), "too small for numbers");
    }
}
