//! The outline of what an image shows, for maps that are drawn in its place.

use crate::ByteImage;
use crate::raster::Rgb;

const LEVELS: usize = 256;

/// Which pixels are lighter than the threshold that separates the light from the dark ones best (Otsu 1979, "A threshold
/// selection method from gray-level histograms"), row by row. None of an image of one brightness.
pub(super) fn light_part(image: &ByteImage) -> Vec<bool> {
    let drawn = image.enlarged(1);
    let levels: Vec<usize> = drawn.pixels().iter().map(|&pixel| brightness(pixel).round() as usize).collect();
    match threshold(&levels) {
        Some(threshold) => levels.into_iter().map(|level| level > threshold).collect(),
        None => vec![false; levels.len()],
    }
}

/// The level at which the variance between the pixels up to it and those above it is largest.
fn threshold(levels: &[usize]) -> Option<usize> {
    let mut counts = [0_usize; LEVELS];
    for &level in levels {
        counts[level] += 1;
    }
    let total: usize = levels.iter().sum();
    let (mut below, mut sum, mut best) = (0, 0, None);
    for (level, count) in counts.into_iter().enumerate() {
        below += count;
        sum += level * count;
        let above = levels.len() - below;
        if below == 0 || above == 0 {
            continue;
        }
        let difference = sum as f64 / below as f64 - (total - sum) as f64 / above as f64;
        let variance = below as f64 * above as f64 * difference * difference;
        if best.is_none_or(|(_, largest)| variance > largest) {
            best = Some((level, variance));
        }
    }
    best.map(|(level, _)| level)
}

/// How bright a colour is, from 0 to 255 (the luma of ITU-R BT.601); exactly the value of a grey.
fn brightness(pixel: Rgb) -> f64 {
    let [red, green, blue] = pixel.0.map(u32::from);
    f64::from(299 * red + 587 * green + 114 * blue) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_light_part_is_what_stands_out_from_the_ground() {
        let values = [10, 12, 200, 180, 9, 220, 11, 10, 190];
        let image = ByteImage::from_bytes([1, 3, 3], &values).unwrap();
        assert_eq!(light_part(&image), values.map(|value| value > 100));
        let inverted = ByteImage::from_bytes([1, 3, 3], &values.map(|value| 255 - value)).unwrap();
        assert_eq!(light_part(&inverted), values.map(|value| value < 100));
    }

    #[test]
    fn an_image_of_one_brightness_has_no_light_part() {
        for value in [0, 7, 255] {
            let image = ByteImage::from_bytes([1, 2, 2], &[value; 4]).unwrap();
            assert_eq!(light_part(&image), [false; 4]);
        }
    }

    #[test]
    fn colours_count_by_their_brightness() {
        assert!((brightness(Rgb([255, 0, 0])) - 76.245).abs() < 1e-12);
        for grey in 0..=255 {
            assert!((brightness(Rgb([grey; 3])) - f64::from(grey)).abs() < 1e-12);
        }
        // blue is the dark part of an image of blue and green
        let image = ByteImage::from_bytes([3, 1, 2], &[0, 0, 0, 255, 255, 0]).unwrap();
        assert_eq!(light_part(&image), [false, true]);
    }
}
