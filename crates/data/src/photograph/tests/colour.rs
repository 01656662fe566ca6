use image::{Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

const COLOUR: ImageShape = ImageShape { channels: 3, height: 32, width: 24 };
const CLOTH: [u8; 3] = [200, 30, 60];
const GROUND: [u8; 3] = [20, 90, 220];

fn photograph() -> Photograph {
    let image = RgbImage::from_fn(100, 120, |x, y| Rgb(if is_garment(x, y) { CLOTH } else { GROUND }));
    Photograph::decode(&png(image)).unwrap()
}

/// The colour of one pixel of an image of [`COLOUR`].
fn colour(pixels: &[u8], row: usize, column: usize) -> [u8; 3] {
    [0, 1, 2].map(|channel| pixels[channel * COLOUR.pixels() + row * COLOUR.width + column])
}

#[test]
fn colours_and_ground_stay_and_the_proportions_too() {
    let prepared = prepare(&photograph(), COLOUR).unwrap();
    assert_eq!(prepared.pixels.len(), COLOUR.values());
    // 70 rows of the garment fill 32 of the image, so 35 columns fill 16 of 24, 4 from each side
    assert_eq!((prepared.shown.top, prepared.shown.height), (20, 70));
    assert_eq!(colour(&prepared.pixels, 16, 12), CLOTH);
    assert_eq!(colour(&prepared.pixels, 0, 5), CLOTH);
    assert_eq!(colour(&prepared.pixels, 16, 2), GROUND);
    assert_eq!(colour(&prepared.pixels, 31, 22), GROUND);
}

#[test]
fn a_photograph_of_the_right_size_passes_unchanged() {
    let image = RgbImage::from_fn(24, 32, |x, y| Rgb([(x * 9) as u8, (y * 7) as u8, (x * y) as u8]));
    let prepared = prepare(&Photograph::decode(&png(image.clone())).unwrap(), COLOUR).unwrap();
    assert!(prepared.in_form);
    for (x, y, pixel) in image.enumerate_pixels() {
        assert_eq!(colour(&prepared.pixels, y as usize, x as usize), pixel.0);
    }
}

#[test]
fn where_nothing_is_found_for_sure_the_middle_is_shown() {
    // every colour everywhere, so there is no ground
    let noise = |x: u32, y: u32| ((x * 7919) ^ (y * 104_729)).wrapping_mul(2_654_435_761) >> 9;
    let image = RgbImage::from_fn(120, 80, |x, y| {
        let bits = noise(x / 9, y / 9);
        Rgb([bits as u8, (bits >> 7) as u8, (bits >> 13) as u8])
    });
    let prepared = prepare(&Photograph::decode(&png(image)).unwrap(), COLOUR).unwrap();
    assert!(prepared.found.is_doubtful(), "{:?}", prepared.found);
    assert_eq!(prepared.shown, Area { left: 30, top: 0, width: 60, height: 80 });
}

#[test]
fn what_is_transparent_is_ground_and_an_even_photograph_is_blank() {
    let cut_out =
        RgbaImage::from_fn(100, 120, |x, y| if is_garment(x, y) { Rgba([200, 30, 60, 255]) } else { Rgba([0; 4]) });
    let prepared = prepare(&Photograph::decode(&png(cut_out)).unwrap(), COLOUR).unwrap();
    assert_eq!((colour(&prepared.pixels, 16, 12), colour(&prepared.pixels, 16, 2)), (CLOTH, [255; 3]));
    let even = Photograph::decode(&png(RgbImage::new(50, 50))).unwrap();
    assert!(matches!(prepare(&even, COLOUR), Err(PhotographFault::NoGarment)));
}

#[test]
fn resizing_scales_all_of_it() {
    let photograph = photograph();
    assert!(!photograph.is_grey());
    let own = ImageShape { channels: 3, height: 120, width: 100 };
    let pixels = photograph.resized(own).unwrap();
    let at = |channel: usize, row: usize, column: usize| pixels[channel * own.pixels() + row * own.width + column];
    assert_eq!([0, 1, 2].map(|channel| at(channel, 60, 40)), CLOTH);
    assert_eq!([0, 1, 2].map(|channel| at(channel, 5, 5)), GROUND);
    // 35 × 70 of 100 × 120 pixels are garment
    let mean = photograph.resized(ImageShape { channels: 3, height: 1, width: 1 }).unwrap();
    let share = 35.0 * 70.0 / (100.0 * 120.0);
    for (channel, &found) in mean.iter().enumerate() {
        let expected = share * f64::from(CLOTH[channel]) + (1.0 - share) * f64::from(GROUND[channel]);
        assert!((f64::from(found) - expected).abs() <= 0.51, "{found} instead of {expected}");
    }
    let luma = 0.2126 * 200.0 + 0.7152 * 30.0 + 0.0722 * 60.0_f64;
    assert_eq!(photograph.resized(ImageShape::grey(120, 100)).unwrap()[60 * 100 + 40], luma.round() as u8);
    for dims in [[2, 8, 8], [4, 8, 8], [0, 8, 8], [3, 0, 8], [1, 8, 0], [3, usize::MAX, 2]] {
        let target = ImageShape::from(dims);
        assert!(matches!(photograph.resized(target), Err(PhotographFault::NoTarget { .. })), "{target}");
        assert!(matches!(prepare(&photograph, target), Err(PhotographFault::NoTarget { .. })), "{target}");
    }
}

#[test]
fn every_level_of_grey_keeps_its_level() {
    let levels: Vec<u8> = (0..=255).collect();
    let photograph = Photograph::from_rgb(16, 16, levels.iter().flat_map(|&level| [level; 3]).collect()).unwrap();
    assert!(photograph.is_grey());
    assert_eq!(photograph.resized(ImageShape::grey(16, 16)).unwrap(), levels);
}
