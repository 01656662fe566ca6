mod adjusted;
mod colour;
mod damage;
mod files;
mod form;
mod scenes;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, GrayImage, Luma};

use super::{Area, ImageShape, Photograph, PhotographFault, PreparedImage, prepare};

const SIDE: usize = 28;
const TARGET: ImageShape = ImageShape::grey(SIDE, SIDE);

/// The garment of most tests, on a photograph of 100×120 pixels: twice as high as wide.
const GARMENT: Area = Area { left: 30, top: 20, width: 35, height: 70 };

fn is_garment(x: u32, y: u32) -> bool {
    let Area { left, top, width, height } = GARMENT;
    (left..left + width).contains(&(x as usize)) && (top..top + height).contains(&(y as usize))
}

/// An even garment on an even ground.
fn grey(garment: u8, ground: u8) -> GrayImage {
    GrayImage::from_fn(100, 120, |x, y| Luma([if is_garment(x, y) { garment } else { ground }]))
}

/// A square with `level` in the columns and rows of `part` and 0 elsewhere.
fn square(part: Area, level: u8) -> Vec<u8> {
    let is_inside = |position: usize| {
        (part.left..part.left + part.width).contains(&(position % SIDE))
            && (part.top..part.top + part.height).contains(&(position / SIDE))
    };
    (0..SIDE * SIDE).map(|position| if is_inside(position) { level } else { 0 }).collect()
}

/// What [`GARMENT`] comes out as.
fn standing(level: u8) -> Vec<u8> {
    square(Area { left: 7, top: 0, width: 14, height: 28 }, level)
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.into().write_with_encoder(PngEncoder::new(&mut bytes)).unwrap();
    bytes
}

fn jpeg(image: impl Into<DynamicImage>, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.into().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)).unwrap();
    bytes
}

fn prepared(bytes: &[u8]) -> Result<PreparedImage, PhotographFault> {
    prepare(&Photograph::decode(bytes)?, TARGET)
}

/// The mean difference of two images, in levels.
fn distance(left: &[u8], right: &[u8]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(&left, &right)| f32::from(left.abs_diff(right))).sum::<f32>() / left.len() as f32
}
