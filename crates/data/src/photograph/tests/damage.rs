//! Files that are not whole: whatever is wrong with them, they are refused, and nothing panics.

use image::{Rgb, RgbImage};
use proptest::prelude::*;

use super::files::PALETTE_PNG;
use super::*;

/// A PNG whose palette has 4 bytes, which made png 0.18.1 panic.
const BROKEN_PALETTE_PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x03\0\0\0\x28\xcb\x34\xbb\0\0\0\x04PLTE\0\0\0\0\xb4\xa3\xae\x7a\0\0\0\x0aIDAT\x78\x9c\x63\x60\0\0\0\x02\0\x01\x48\xaf\xa4\x71\0\0\0\0IEND\xae\x42\x60\x82";

/// The start of a PNG of 100000×100000 pixels, 68 bytes in all.
const VAST_PNG: &[u8] = b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x01\x86\xa0\x00\x01\x86\xa0\x08\x00\x00\x00\x00\x8d\x39\x54\x14\x00\x00\x00\x0b\x49\x44\x41\x54\x78\x9c\x63\x60\x80\x01\x00\x00\x0a\x00\x01\x7f\x80\x74\x5e\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";

#[track_caller]
fn damaged(bytes: &[u8]) -> String {
    match Photograph::decode(bytes) {
        Err(PhotographFault::Damaged { reason }) => reason,
        Err(fault) => panic!("{fault}"),
        Ok(photograph) => panic!("a photograph of {}×{}", photograph.width(), photograph.height()),
    }
}

/// A small photograph with something on it.
fn coloured() -> RgbImage {
    RgbImage::from_fn(40, 32, |x, y| {
        Rgb([(x * 5) as u8, (y * 7) as u8, if is_garment(3 * x, 3 * y) { 20 } else { 240 }])
    })
}

/// A PNG with a palette of `colours` colours, whose pixels have the given indices of `depth` bits.
fn indexed_png(depth: png::BitDepth, colours: usize, indices: [u8; 4]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 4, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(depth);
    encoder.set_palette((0..3 * colours).map(|level| level as u8).collect::<Vec<u8>>());
    let bits = depth as usize;
    let mut packed = vec![0_u8; (4 * bits).div_ceil(8)];
    for (position, index) in indices.into_iter().enumerate() {
        let bit = position * bits;
        packed[bit / 8] |= index << (8 - bits - bit % 8);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&packed).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn a_colour_outside_the_palette_is_refused_at_every_depth() {
    assert_eq!(damaged(BROKEN_PALETTE_PNG), "its palette has 4 bytes, expected 3 for each of 1 to 256 colours");
    for (depth, colours, beyond) in [
        (png::BitDepth::One, 1, 1),
        (png::BitDepth::Two, 3, 3),
        (png::BitDepth::Four, 5, 9),
        (png::BitDepth::Eight, 2, 200),
    ] {
        let last = colours as u8 - 1;
        assert!(Photograph::decode(&indexed_png(depth, colours, [0, last, 0, last])).is_ok());
        let reason = damaged(&indexed_png(depth, colours, [0, 0, beyond, 0]));
        assert_eq!(reason, format!("its pixel in column 2 of row 0 has colour {beyond} of a palette of {colours}"));
    }
}

#[test]
fn a_png_that_is_cut_off_or_has_any_bit_changed_is_refused() {
    for length in 8..PALETTE_PNG.len() {
        damaged(&PALETTE_PNG[..length]);
    }
    for bit in 0..8 * PALETTE_PNG.len() {
        let mut bytes = PALETTE_PNG.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Photograph::decode(&bytes).is_err(), "bit {bit}");
    }
}

#[test]
fn a_jpeg_that_is_cut_off_anywhere_is_refused() {
    for file in [jpeg(coloured(), 90), jpeg(grey(55, 255), 50)] {
        assert!(Photograph::decode(&file).is_ok());
        for length in 2..file.len() {
            damaged(&file[..length]);
        }
    }
}

#[test]
fn a_jpeg_whose_end_is_zeros_is_refused() {
    let file = jpeg(coloured(), 90);
    let half = file.len() / 2 + file.len() / 4;
    let zeros = [&file[..half], vec![0; file.len() - half].as_slice()].concat();
    assert!(damaged(&zeros).contains("before the end of the image"));
}

#[test]
fn a_vast_image_is_refused_before_it_is_decoded() {
    let error = prepared(VAST_PNG).unwrap_err();
    assert_eq!(error.to_string(), "has 100000×100000 pixels, expected at most 67108864 in all");
    let mut file = jpeg(grey(55, 255), 50);
    let header = file.windows(2).position(|marker| marker == b"\xff\xc0").unwrap();
    file[header + 5..header + 9].fill(0xff);
    assert!(matches!(prepared(&file), Err(PhotographFault::TooManyPixels { width: 65_535, height: 65_535 })));
}

/// Gives every part of a PNG the checksum of what it now holds, as far as there are parts.
fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut offset = 8;
    while let Some(length) = bytes.get(offset..).and_then(|rest| rest.first_chunk::<4>()) {
        let end = (offset + 8).saturating_add(u32::from_be_bytes(*length) as usize);
        let Some(covered) = bytes.get(offset + 4..end) else { break };
        let mut checksum = flate2::Crc::new();
        checksum.update(covered);
        let Some(stored) = bytes.get_mut(end..end + 4) else { break };
        stored.copy_from_slice(&checksum.sum().to_be_bytes());
        offset = end + 4;
    }
    bytes
}

fn originals() -> impl Strategy<Value = Vec<u8>> {
    let image = DynamicImage::from(coloured());
    prop_oneof![
        Just(PALETTE_PNG.to_vec()),
        Just(BROKEN_PALETTE_PNG.to_vec()),
        Just(indexed_png(png::BitDepth::Two, 3, [0, 1, 2, 0])),
        Just(png(image.to_rgb8())),
        Just(png(image.to_luma_alpha16())),
        Just(jpeg(image.to_rgb8(), 80)),
        Just(jpeg(image.to_luma8(), 30)),
    ]
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let splices = prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..8)), 0..2);
    (originals(), changes, splices, any::<prop::sample::Index>(), any::<bool>(), any::<bool>()).prop_map(
        |(mut bytes, changes, splices, end, is_cut, is_consistent)| {
            for (position, value) in changes {
                let position = position.index(bytes.len());
                bytes[position] = value;
            }
            for (position, inserted) in splices {
                let position = position.index(bytes.len());
                bytes.splice(position..position, inserted);
            }
            if is_cut {
                bytes.truncate(end.index(bytes.len()));
            }
            if is_consistent { with_checksums(bytes) } else { bytes }
        },
    )
}

proptest! {
    /// `PROPTEST_CASES` raises the number of files.
    #[test]
    fn a_mutated_file_is_an_image_or_an_error(bytes in mutated()) {
        if let Ok(prepared) = prepared(&bytes) {
            prop_assert_eq!(prepared.pixels.len(), SIDE * SIDE);
            prop_assert!((0.0..=1.0).contains(&prepared.found.confidence));
        }
    }
}
