use image::{LumaA, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;
use crate::photograph::Polarity;

/// The photograph comes out as `expected`, made from all of [`GARMENT`].
#[track_caller]
fn check(image: impl Into<DynamicImage>, polarity: Polarity, expected: &[u8]) {
    let prepared = prepared(&png(image)).unwrap();
    assert_eq!((prepared.width, prepared.height, prepared.shown), (100, 120, GARMENT));
    assert_eq!((prepared.polarity, prepared.in_form), (polarity, false));
    let worst = prepared.pixels.iter().zip(expected).map(|(&left, &right)| left.abs_diff(right)).max();
    assert!(worst <= Some(1), "{:?} instead of {expected:?}", prepared.pixels);
}

#[test]
fn a_dark_garment_on_a_light_ground_is_negated_and_a_light_one_on_a_dark_ground_is_not() {
    check(grey(55, 255), Polarity::DarkOnLight, &standing(200));
    check(grey(200, 0), Polarity::LightOnDark, &standing(200));
}

#[test]
fn the_ground_becomes_black_whatever_it_is() {
    check(grey(40, 240), Polarity::DarkOnLight, &standing(213)); // (240 - 40) / 240
    check(grey(255, 55), Polarity::LightOnDark, &standing(255));
    check(grey(0, 128), Polarity::DarkOnLight, &standing(255));
    check(grey(191, 63), Polarity::LightOnDark, &standing(170)); // (191 - 63) / (255 - 63)
}

#[test]
fn a_light_garment_on_a_less_light_ground_is_its_negative_unless_nothing_would_be_seen_of_it() {
    check(grey(135, 95), Polarity::LightOnDark, &standing(120));
    check(grey(255, 200), Polarity::LightOnDark, &standing(255));
    check(grey(250, 128), Polarity::LightOnDark, &standing(245)); // (250 - 128) / (255 - 128)
}

#[test]
fn a_faint_garment_is_raised_to_the_level_of_the_faintest_of_the_data_set() {
    check(grey(230, 255), Polarity::DarkOnLight, &standing(110));
}

#[test]
fn every_colour_type_and_depth_gives_the_same_image() {
    let image = DynamicImage::from(grey(55, 255));
    let expected = standing(200);
    check(image.to_luma8(), Polarity::DarkOnLight, &expected);
    check(image.to_luma16(), Polarity::DarkOnLight, &expected);
    check(image.to_luma_alpha8(), Polarity::DarkOnLight, &expected);
    check(image.to_luma_alpha16(), Polarity::DarkOnLight, &expected);
    check(image.to_rgb8(), Polarity::DarkOnLight, &expected);
    check(image.to_rgb16(), Polarity::DarkOnLight, &expected);
    check(image.to_rgba8(), Polarity::DarkOnLight, &expected);
    check(image.to_rgba16(), Polarity::DarkOnLight, &expected);
}

#[test]
fn colours_count_by_their_luma() {
    let image = RgbImage::from_fn(100, 120, |x, y| Rgb(if is_garment(x, y) { [0, 255, 0] } else { [0; 3] }));
    check(image, Polarity::LightOnDark, &standing(182)); // 0.7152 of 255
}

#[test]
fn two_colours_of_one_luma_are_told_apart() {
    let image = RgbImage::from_fn(100, 120, |x, y| Rgb(if is_garment(x, y) { [215, 110, 120] } else { [90, 150, 70] }));
    let prepared = prepared(&png(image)).unwrap();
    assert_eq!(prepared.shown, GARMENT);
    assert!(distance(&prepared.pixels, &standing(225)) < 2.0, "{:?}", prepared.pixels);
}

#[test]
fn what_is_transparent_is_ground() {
    let cut_out = |garment: u8, hidden: u8| {
        RgbaImage::from_fn(100, 120, |x, y| {
            if is_garment(x, y) { Rgba([garment, garment, garment, 255]) } else { Rgba([hidden, hidden, hidden, 0]) }
        })
    };
    for hidden in [0, 128, 255] {
        check(cut_out(55, hidden), Polarity::DarkOnLight, &standing(200));
        check(cut_out(200, hidden), Polarity::LightOnDark, &standing(200));
        check(cut_out(0, hidden), Polarity::DarkOnLight, &standing(255));
        check(cut_out(255, hidden), Polarity::LightOnDark, &standing(255));
    }
}

#[test]
fn what_is_half_transparent_is_half_ground() {
    let veil =
        image::GrayAlphaImage::from_fn(100, 120, |x, y| if is_garment(x, y) { LumaA([0, 128]) } else { LumaA([0, 0]) });
    check(veil, Polarity::DarkOnLight, &standing(128));
}

#[test]
fn a_wide_garment_lies_in_the_middle_rows() {
    let wide = GrayImage::from_fn(200, 90, |x, y| Luma([if x >= 20 && (20..65).contains(&y) { 55 } else { 255 }]));
    let prepared = prepared(&png(wide)).unwrap();
    assert_eq!(prepared.shown, Area { left: 20, top: 20, width: 180, height: 45 });
    assert!(distance(&prepared.pixels, &square(Area { left: 0, top: 10, width: 28, height: 7 }, 200)) < 0.5);
}

#[test]
fn a_line_keeps_a_pixel_of_width() {
    let line = GrayImage::from_fn(9, 200, |x, _| Luma([if x == 4 { 0 } else { 255 }]));
    let expected = square(Area { left: 13, top: 0, width: 1, height: 28 }, 255);
    assert_eq!(prepared(&png(line)).unwrap().pixels, expected);
}

#[test]
fn a_tiny_garment_is_enlarged() {
    let tiny =
        GrayImage::from_fn(7, 9, |x, y| Luma([if (2..5).contains(&x) && (3..6).contains(&y) { 55 } else { 255 }]));
    let prepared = prepared(&png(tiny)).unwrap();
    assert_eq!(prepared.shown, Area { left: 2, top: 3, width: 3, height: 3 });
    assert_eq!(prepared.pixels[14 * SIDE + 14], 200);
}

#[test]
fn sharpening_strengthens_an_edge_and_leaves_even_parts() {
    // two parts of different level, at twice their final size
    let image = GrayImage::from_fn(100, 100, |x, y| match (x, y) {
        (20..=47, 22..=77) => Luma([100]),
        (48..=75, 22..=77) => Luma([200]),
        _ => Luma([0]),
    });
    let prepared = prepared(&png(image)).unwrap();
    let row = &prepared.pixels[14 * SIDE..15 * SIDE];
    // the kernel's weights of the column beyond the edge are (exp(-1/2) + 2 exp(-1)) / (2 + 4 exp(-1/2) + 4 exp(-1))
    let step =
        100.0 * ((-0.5_f64).exp() + 2.0 * (-1.0_f64).exp()) / (2.0 + 4.0 * (-0.5_f64).exp() + 4.0 * (-1.0_f64).exp());
    let step = step.round() as u8;
    let expected: [u8; SIDE] = std::array::from_fn(|column| match column {
        0..13 => 100,
        13 => 100 - step,
        14 => 200 + step,
        _ => 200,
    });
    assert_eq!(row, expected);
}

#[test]
fn any_size_is_made() {
    let photograph = Photograph::decode(&png(grey(55, 255))).unwrap();
    for (height, width) in [(32, 32), (64, 20), (1, 1), (224, 224)] {
        let prepared = prepare(&photograph, ImageShape::grey(height, width)).unwrap();
        assert_eq!(prepared.pixels.len(), height * width);
        assert_eq!(prepared.pixels[height / 2 * width + width / 2], 200, "{height}×{width}");
    }
    for (height, width) in [(0, 28), (28, 0)] {
        let error = prepare(&photograph, ImageShape::grey(height, width)).unwrap_err();
        assert!(matches!(error, PhotographFault::NoTarget { .. }), "{error}");
    }
}

/// An image in the form of the data set, with a level of its own in every pixel but those of the border.
fn in_form(border: u8) -> GrayImage {
    GrayImage::from_fn(28, 28, |x, y| {
        let is_border = x == 0 || y == 0 || x == 27 || y == 27;
        Luma([if is_border { border } else { (x * 31 + y * 17) as u8 }])
    })
}

#[test]
fn an_image_in_the_form_of_the_data_set_passes_unchanged_and_its_negative_as_its_negative() {
    let image = in_form(0);
    let mut negative = image.clone();
    image::imageops::invert(&mut negative);
    for (image, polarity) in [(image.clone(), Polarity::LightOnDark), (negative, Polarity::DarkOnLight)] {
        let image = DynamicImage::from(image);
        for image in [image.to_luma8().into(), DynamicImage::from(image.to_luma16()), image.to_rgba8().into()] {
            let prepared = prepared(&png(image)).unwrap();
            assert_eq!(prepared.pixels.as_slice(), in_form(0).as_raw().as_slice());
            assert_eq!((prepared.polarity, prepared.in_form), (polarity, true));
        }
    }
}

#[test]
fn a_garment_that_covers_most_of_the_border_is_still_in_the_form_of_the_data_set() {
    let image =
        GrayImage::from_fn(28, 28, |x, y| Luma([if (7..).contains(&x) || (7..21).contains(&y) { 200 } else { 0 }]));
    let prepared = prepared(&png(image.clone())).unwrap();
    assert_eq!(prepared.pixels.as_slice(), image.as_raw().as_slice());
}

#[test]
fn a_grey_ground_of_the_right_size_becomes_black_and_nothing_else_is_moved() {
    let image = GrayImage::from_fn(28, 28, |x, y| Luma([if (10..16).contains(&x) && y == 20 { 40 } else { 160 }]));
    let prepared = prepared(&png(image)).unwrap();
    assert_eq!(prepared.pixels, square(Area { left: 10, top: 20, width: 6, height: 1 }, 191)); // (160 - 40) / 160
    assert!(prepared.in_form);
}

#[test]
fn a_coloured_image_of_the_right_size_is_not_in_the_form() {
    let mut coloured = DynamicImage::from(in_form(0)).to_rgb8();
    coloured.put_pixel(14, 14, Rgb([200, 10, 10]));
    assert!(!prepared(&png(coloured)).unwrap().in_form);
}

#[test]
fn an_image_without_contrast_is_blank() {
    for image in [grey(255, 255), grey(0, 0), grey(100, 111), GrayImage::new(28, 28), GrayImage::new(1, 1)] {
        assert!(matches!(prepared(&png(image)), Err(PhotographFault::NoGarment)));
    }
    assert!(matches!(prepared(&png(RgbaImage::new(50, 50))), Err(PhotographFault::NoGarment)), "all transparent");
}

#[test]
fn pixels_must_be_those_of_the_size() {
    assert!(matches!(Photograph::from_rgb(2, 2, vec![0; 11]), Err(PhotographFault::PixelCount { found: 11, .. })));
    assert!(matches!(Photograph::from_rgba(2, 2, &[0; 12]), Err(PhotographFault::PixelCount { channels: 4, .. })));
    assert!(matches!(Photograph::from_rgb(0, 2, Vec::new()), Err(PhotographFault::PixelCount { .. })));
    let vast = Photograph::from_rgb(usize::MAX, 2, Vec::new());
    assert!(matches!(vast, Err(PhotographFault::TooManyPixels { .. })), "a product that overflows");
}
