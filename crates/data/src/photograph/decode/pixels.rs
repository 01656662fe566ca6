//! Decoded pixels, and how a camera says that they are to be turned.

use super::damage::damaged;
use crate::photograph::{Photograph, PhotographFault};

/// What an orientation without a meaning counts as.
const UPRIGHT: u16 = 1;
/// The tag of the orientation, and the type of its value: a number of two bytes.
const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

/// Pixels in rows from the top, as a file has them.
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) height: usize,
    /// 1 grey, 2 grey and opacity, 3 red, green and blue, 4 these and opacity.
    pub(super) channels: usize,
    /// `height * width * channels` levels.
    pub(super) levels: Vec<u8>,
    /// From 1, as it is, to 8 (TIFF 6.0, section 8, "Orientation").
    pub(super) orientation: u16,
}

impl Pixels {
    /// The photograph the right way up.
    pub(super) fn photograph(self) -> Result<Photograph, PhotographFault> {
        let Self { width, height, channels, .. } = self;
        if self.levels.len() != width * height * channels {
            return Err(damaged(format!("it has {} levels of {width}×{height}×{channels}", self.levels.len())));
        }
        let Turned { width, height, levels } = self.turned();
        match channels {
            1 => Photograph::from_rgb(width, height, levels.into_iter().flat_map(|grey| [grey; 3]).collect()),
            2 => {
                let colour = |&[grey, opacity]: &[u8; 2]| [grey, grey, grey, opacity];
                let levels: Vec<u8> = levels.as_chunks().0.iter().flat_map(colour).collect();
                Photograph::from_rgba(width, height, &levels)
            }
            3 => Photograph::from_rgb(width, height, levels),
            _ => Photograph::from_rgba(width, height, &levels),
        }
    }

    fn turned(self) -> Turned {
        let Self { width, height, channels, levels, orientation } = self;
        if !(2..=8).contains(&orientation) {
            return Turned { width, height, levels };
        }
        let is_lying = orientation >= 5;
        let (new_width, new_height) = if is_lying { (height, width) } else { (width, height) };
        let mut turned = Vec::with_capacity(levels.len());
        for row in 0..new_height {
            for column in 0..new_width {
                let (right, bottom) = (width - 1, height - 1);
                // where the pixel of the upright image lies in the file
                let (from_row, from_column) = match orientation {
                    2 => (row, right - column),
                    3 => (bottom - row, right - column),
                    4 => (bottom - row, column),
                    5 => (column, row),
                    6 => (bottom - column, row),
                    7 => (bottom - column, right - row),
                    _ => (column, right - row),
                };
                let start = (from_row * width + from_column) * channels;
                turned.extend_from_slice(&levels[start..start + channels]);
            }
        }
        Turned { width: new_width, height: new_height, levels: turned }
    }
}

struct Turned {
    width: usize,
    height: usize,
    levels: Vec<u8>,
}

/// The orientation that an EXIF block says, which has the form of a TIFF file; upright if it says none.
pub(super) fn orientation(exif: &[u8]) -> u16 {
    find_orientation(exif).unwrap_or(UPRIGHT)
}

fn find_orientation(exif: &[u8]) -> Option<u16> {
    let is_little = match exif.first_chunk::<4>()? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let bytes = |offset: usize, count: usize| exif.get(offset..offset.checked_add(count)?);
    let short = |offset: usize| {
        let bytes = bytes(offset, 2)?.try_into().ok()?;
        Some(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |offset: usize| {
        let bytes = bytes(offset, 4)?.try_into().ok()?;
        Some(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = long(4)? as usize;
    let entries = usize::from(short(directory)?);
    let entry = |index: usize| directory + 2 + 12 * index;
    let is_orientation = |&index: &usize| short(entry(index)) == Some(ORIENTATION);
    let found = entry((0..entries).find(is_orientation)?);
    let has_form = short(found + 2)? == SHORT && long(found + 4)? == 1;
    short(found + 8).filter(|_| has_form)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 3×2 pixels, turned. They are `0 1 2` above `3 4 5` in the file.
    fn turned(orientation: u16) -> (usize, usize, Vec<u8>) {
        let pixels = Pixels { width: 3, height: 2, channels: 1, levels: (0..6).collect(), orientation };
        let Turned { width, height, levels } = pixels.turned();
        (width, height, levels)
    }

    #[test]
    fn every_orientation_is_turned_upright() {
        for as_it_is in [0, 1, 9, 999] {
            assert_eq!(turned(as_it_is), (3, 2, vec![0, 1, 2, 3, 4, 5]));
        }
        assert_eq!(turned(2), (3, 2, vec![2, 1, 0, 5, 4, 3]), "mirrored");
        assert_eq!(turned(3), (3, 2, vec![5, 4, 3, 2, 1, 0]), "upside down");
        assert_eq!(turned(4), (3, 2, vec![3, 4, 5, 0, 1, 2]), "upside down and mirrored");
        assert_eq!(turned(5), (2, 3, vec![0, 3, 1, 4, 2, 5]), "transposed");
        assert_eq!(turned(6), (2, 3, vec![3, 0, 4, 1, 5, 2]), "a quarter to the right");
        assert_eq!(turned(7), (2, 3, vec![5, 2, 4, 1, 3, 0]), "transposed along the other diagonal");
        assert_eq!(turned(8), (2, 3, vec![2, 5, 1, 4, 0, 3]), "a quarter to the left");
    }

    #[test]
    fn the_orientation_is_found_in_both_byte_orders() {
        let little = b"II*\0\x08\0\0\0\x02\0\0\x01\x04\0\x01\0\0\0\x09\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";
        assert_eq!((orientation(little), orientation(big)), (6, 8));
        assert_eq!(orientation(&little[..little.len() - 5]), UPRIGHT);
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), UPRIGHT);
    }

    proptest! {
        #[test]
        fn no_exif_block_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), is_little: bool) {
            let start: &[u8] = if is_little { b"II*\0" } else { b"MM\0*" };
            orientation(&[start, &bytes].concat());
            orientation(&bytes);
        }
    }
}
