use std::fs;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{GrayImage, ImageEncoder, Luma, LumaA, RgbImage, Rgba, RgbaImage};
use tempfile::TempDir;

use super::*;

/// A PNG with a palette of white and black: 6x8 pixels, all white but columns 2 and 3 of rows 1 to 6.
const PALETTE_PNG: &[u8] = b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x06\x00\x00\x00\x08\x08\x03\x00\x00\x00\xed\x18\x7e\x0a\x00\x00\x00\x06\x50\x4c\x54\x45\xff\xff\xff\x00\x00\x00\x55\xc2\xd3\x7e\x00\x00\x00\x11\x49\x44\x41\x54\x78\xda\x63\x60\x80\x01\x46\x46\x62\x29\x10\x00\x00\x01\x88\x00\x0d\x00\x56\xb0\x73\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";

/// The start of a PNG of 100000x100000 pixels, 68 bytes in all.
const VAST_PNG: &[u8] = b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x01\x86\xa0\x00\x01\x86\xa0\x08\x00\x00\x00\x00\x8d\x39\x54\x14\x00\x00\x00\x0b\x49\x44\x41\x54\x78\x9c\x63\x60\x80\x01\x00\x00\x0a\x00\x01\x7f\x80\x74\x5e\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";

/// The garment of most tests, in a picture of 100x120 pixels: twice as high as wide.
const GARMENT: Rectangle = Rectangle { left: 30, top: 20, width: 35, height: 70 };

fn is_garment(x: u32, y: u32) -> bool {
    let Rectangle { left, top, width, height } = GARMENT;
    (left..left + width).contains(&(x as usize)) && (top..top + height).contains(&(y as usize))
}

/// A picture of an even garment on an even ground.
fn grey(garment: u8, ground: u8) -> GrayImage {
    GrayImage::from_fn(100, 120, |x, y| Luma([if is_garment(x, y) { garment } else { ground }]))
}

/// A square with `level` in the columns and rows of `part` and 0 elsewhere.
fn square(part: Rectangle, level: u8) -> [u8; SIDE * SIDE] {
    std::array::from_fn(|position| {
        let (row, column) = (position / SIDE, position % SIDE);
        let is_inside =
            (part.left..part.left + part.width).contains(&column) && (part.top..part.top + part.height).contains(&row);
        if is_inside { level } else { 0 }
    })
}

/// What [`GARMENT`] comes out as.
fn standing(level: u8) -> [u8; SIDE * SIDE] {
    square(Rectangle { left: 7, top: 0, width: 14, height: 28 }, level)
}

fn load_bytes(bytes: &[u8]) -> Result<Picture, PictureError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("picture");
    fs::write(&path, bytes).unwrap();
    load_picture(&path)
}

fn load_png(image: impl Into<DynamicImage>) -> Result<Picture, PictureError> {
    let mut bytes = Vec::new();
    image.into().write_with_encoder(PngEncoder::new(&mut bytes)).unwrap();
    load_bytes(&bytes)
}

/// The picture comes out as `expected`, made from all of [`GARMENT`].
#[track_caller]
fn check(image: impl Into<DynamicImage>, inverted: bool, expected: &[u8; SIDE * SIDE]) {
    let picture = load_png(image).unwrap();
    assert_eq!(
        picture,
        Picture { pixels: *expected, width: 100, height: 120, shown: GARMENT, inverted, unchanged: false }
    );
}

#[test]
fn a_dark_garment_on_a_light_ground_is_negated_and_a_light_one_on_a_dark_ground_is_not() {
    check(grey(55, 255), true, &standing(200));
    check(grey(200, 0), false, &standing(200));
}

#[test]
fn the_ground_becomes_black_whatever_it_is() {
    check(grey(40, 240), true, &standing(213)); // (240 - 40) / 240
    check(grey(255, 55), false, &standing(255));
    check(grey(0, 128), true, &standing(255));
    check(grey(191, 127), false, &standing(128)); // (191 - 127) / (255 - 127)
}

#[test]
fn a_light_garment_on_a_ground_that_is_only_less_light_is_not_lost() {
    check(grey(255, 200), false, &standing(255));
}

#[test]
fn every_colour_type_and_depth_gives_the_same_picture() {
    let image = DynamicImage::from(grey(55, 255));
    check(image.to_luma8(), true, &standing(200));
    check(image.to_luma16(), true, &standing(200));
    check(image.to_luma_alpha8(), true, &standing(200));
    check(image.to_luma_alpha16(), true, &standing(200));
    check(image.to_rgb8(), true, &standing(200));
    check(image.to_rgb16(), true, &standing(200));
    check(image.to_rgba8(), true, &standing(200));
    check(image.to_rgba16(), true, &standing(200));
}

#[test]
fn colours_count_by_their_luma() {
    let image = RgbImage::from_fn(100, 120, |x, y| image::Rgb(if is_garment(x, y) { [0, 255, 0] } else { [0; 3] }));
    check(image, false, &standing(182)); // 0.7152 of 255
}

#[test]
fn a_palette_is_looked_up() {
    let picture = load_bytes(PALETTE_PNG).unwrap();
    assert_eq!(picture.shown, Rectangle { left: 2, top: 1, width: 2, height: 6 });
    // 2 of 6 are 9 of 28
    assert_eq!(picture.pixels, square(Rectangle { left: 9, top: 0, width: 9, height: 28 }, 255));
}

#[test]
fn a_jpeg_gives_nearly_the_same_picture() {
    let mut bytes = Vec::new();
    grey(55, 255).write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 95)).unwrap();
    let picture = load_bytes(&bytes).unwrap();
    assert!(picture.inverted);
    let Rectangle { left, top, width, height } = picture.shown;
    assert!(
        left.abs_diff(30) + top.abs_diff(20) + width.abs_diff(35) + height.abs_diff(70) <= 4,
        "{:?}",
        picture.shown
    );
    let distance: u32 =
        picture.pixels.iter().zip(standing(200)).map(|(&left, right)| u32::from(left.abs_diff(right))).sum();
    assert!(distance / (SIDE * SIDE) as u32 <= 4, "mean distance {}", distance / (SIDE * SIDE) as u32);
}

#[test]
fn a_photograph_is_turned_as_its_camera_says() {
    // an EXIF block with one entry: orientation (0x0112) 6, turned a quarter to the left
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let lying = image::imageops::rotate270(&grey(55, 255));
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    encoder.set_exif_metadata(exif.to_vec()).unwrap();
    lying.write_with_encoder(encoder).unwrap();
    let picture = load_bytes(&bytes).unwrap();
    assert_eq!((picture.width, picture.height, picture.shown), (100, 120, GARMENT));
    assert_eq!(picture.pixels, standing(200));
}

#[test]
fn what_is_transparent_is_ground() {
    let cut_out = |garment: u8, hidden: u8| {
        RgbaImage::from_fn(100, 120, |x, y| {
            if is_garment(x, y) { Rgba([garment, garment, garment, 255]) } else { Rgba([hidden, hidden, hidden, 0]) }
        })
    };
    for hidden in [0, 128, 255] {
        check(cut_out(55, hidden), true, &standing(200));
        check(cut_out(200, hidden), false, &standing(200));
        check(cut_out(0, hidden), true, &standing(255));
        check(cut_out(255, hidden), false, &standing(255));
    }
}

#[test]
fn what_is_half_transparent_is_half_ground() {
    let veil =
        image::GrayAlphaImage::from_fn(100, 120, |x, y| if is_garment(x, y) { LumaA([0, 128]) } else { LumaA([0, 0]) });
    check(veil, true, &standing(128));
}

#[test]
fn a_wide_garment_lies_in_the_middle_rows() {
    let wide = GrayImage::from_fn(300, 90, |x, y| Luma([if x >= 20 && (10..80).contains(&y) { 55 } else { 255 }]));
    let picture = load_png(wide).unwrap();
    assert_eq!(picture.shown, Rectangle { left: 20, top: 10, width: 280, height: 70 });
    assert_eq!(picture.pixels, square(Rectangle { left: 0, top: 10, width: 28, height: 7 }, 200));
}

#[test]
fn a_line_keeps_a_pixel_of_width() {
    let line = GrayImage::from_fn(9, 200, |x, _| Luma([if x == 4 { 0 } else { 255 }]));
    assert_eq!(load_png(line).unwrap().pixels, square(Rectangle { left: 13, top: 0, width: 1, height: 28 }, 255));
}

#[test]
fn a_small_garment_is_enlarged() {
    let small = GrayImage::from_fn(5, 5, |x, y| Luma([if x == 2 && y == 2 { 55 } else { 255 }]));
    assert_eq!(load_png(small).unwrap().pixels, [200; SIDE * SIDE]);
}

#[test]
fn faint_dirt_is_trimmed() {
    let mut dirty = grey(55, 255);
    dirty.put_pixel(3, 3, Luma([243])); // 12 away from the ground, just within 5 %
    check(dirty.clone(), true, &standing(200));
    dirty.put_pixel(3, 3, Luma([242]));
    assert_ne!(load_png(dirty).unwrap().shown, GARMENT);
}

#[test]
fn sharpening_strengthens_an_edge_and_leaves_even_parts() {
    // two halves of different level, at their final size
    let image = GrayImage::from_fn(30, 30, |x, y| match (x, y) {
        (1..=14, 1..=28) => Luma([100]),
        (15..=28, 1..=28) => Luma([200]),
        _ => Luma([0]),
    });
    let row = &load_png(image).unwrap().pixels[14 * SIDE..15 * SIDE];
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

/// A picture in the form of the dataset, with a level of its own in every pixel but those of the border.
fn in_form(border: u8) -> GrayImage {
    GrayImage::from_fn(28, 28, |x, y| {
        let is_border = x == 0 || y == 0 || x == 27 || y == 27;
        Luma([if is_border { border } else { (x * 31 + y * 17) as u8 }])
    })
}

#[test]
fn a_picture_in_the_form_of_the_dataset_passes_unchanged() {
    for border in [0, 60, 127] {
        let image = DynamicImage::from(in_form(border));
        for image in [image.to_luma8().into(), DynamicImage::from(image.to_luma16()), image.to_rgba8().into()] {
            let picture = load_png(image).unwrap();
            assert_eq!(picture.pixels.as_slice(), in_form(border).as_raw().as_slice());
            assert!(picture.unchanged && !picture.inverted);
        }
    }
}

#[test]
fn a_picture_of_the_right_size_but_another_form_is_brought_into_it() {
    let negative = GrayImage::from_fn(28, 28, |x, _| Luma([if (7..21).contains(&x) { 55 } else { 255 }]));
    let picture = load_png(negative.clone()).unwrap();
    assert_eq!(picture.pixels, standing(200));
    assert!(picture.inverted && !picture.unchanged);

    let mut coloured = DynamicImage::from(in_form(0)).to_rgb8();
    coloured.put_pixel(14, 14, image::Rgb([200, 10, 10]));
    assert!(!load_png(coloured).unwrap().unchanged);
}

#[test]
fn a_picture_without_contrast_is_blank() {
    for image in [grey(255, 255), grey(0, 0), grey(100, 112), GrayImage::new(28, 28), GrayImage::new(1, 1)] {
        assert!(matches!(load_png(image), Err(PictureError::Blank { .. })));
    }
    assert!(matches!(load_png(RgbaImage::new(50, 50)), Err(PictureError::Blank { .. })), "all transparent");
}

#[test]
fn a_file_that_is_no_picture_is_named_so() {
    let folder = TempDir::new().unwrap();
    let absent = folder.path().join("absent.png");
    let error = load_picture(&absent).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read the picture {}", absent.display()));
    assert!(matches!(load_picture(folder.path()), Err(PictureError::Unreadable { .. })), "a folder");
    assert!(matches!(load_bytes(b""), Err(PictureError::Empty { .. })));
    for bytes in [b"[run]\nname = 1".as_slice(), b"GIF89a\x01\0\x01\0", b"\x89", &[0; 100]] {
        assert!(matches!(load_bytes(bytes), Err(PictureError::NotAPicture { .. })), "{bytes:?}");
    }
}

#[test]
fn a_damaged_picture_is_named_so() {
    let mut jpeg = Vec::new();
    grey(55, 255).write_with_encoder(JpegEncoder::new(&mut jpeg)).unwrap();
    assert!(matches!(load_bytes(&jpeg[..40]), Err(PictureError::Damaged { .. })));
    for length in 8..PALETTE_PNG.len() - 16 {
        assert!(matches!(load_bytes(&PALETTE_PNG[..length]), Err(PictureError::Damaged { .. })), "cut at {length}");
    }
    for position in 0..PALETTE_PNG.len() {
        let mut bytes = PALETTE_PNG.to_vec();
        bytes[position] ^= 0x10;
        // whatever becomes of it, it is a picture or an error
        let _ = load_bytes(&bytes);
    }
}

#[test]
fn a_vast_picture_is_refused_before_it_is_decoded() {
    let error = load_bytes(VAST_PNG).unwrap_err();
    assert!(matches!(error, PictureError::TooLarge { width: 100_000, height: 100_000, .. }), "{error}");
}
