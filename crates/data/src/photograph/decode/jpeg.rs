//! JPEG: the markers are followed to the end of the image before it is decoded, and the decoder is told to be strict.
//! A JPEG file has no checksum, so a flipped bit in the coded pixels may pass.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::damage::{damaged, require_size};
use super::pixels::{Pixels, orientation};
use crate::photograph::error::PhotographFault;
use crate::photograph::limits::MAX_PIXELS;

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;
/// Scans of the largest progressive image that is decoded; encoders make about ten.
const MAX_SCANS: usize = 100;

pub(super) fn decode(bytes: &[u8]) -> Result<Pixels, PhotographFault> {
    let end = check_markers(bytes)?;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_PIXELS as usize)
        .set_max_height(MAX_PIXELS as usize)
        .jpeg_set_max_scans(MAX_SCANS);
    let reason = |error: zune_jpeg::errors::DecodeErrors| damaged(error.to_string());
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&bytes[..end]), options);
    decoder.decode_headers().map_err(reason)?;
    let is_grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let wanted = if is_grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(wanted));
    let levels = decoder.decode().map_err(reason)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged("it has no size"))?;
    let orientation = decoder.exif().map_or(1, |exif| orientation(exif));
    Ok(Pixels { width, height, channels: if is_grey { 1 } else { 3 }, levels, orientation })
}

/// Follows the markers from the start to the end of the image, and returns where that is. What lies behind it, such as
/// the film of a telephone's moving photograph, is not looked at.
fn check_markers(bytes: &[u8]) -> Result<usize, PhotographFault> {
    let cut_off = || damaged(format!("it ends after {} bytes, before the end of the image", bytes.len()));
    let mut offset = 0;
    let (mut has_size, mut has_scan) = (false, false);
    loop {
        let marker_offset = offset;
        let marker = loop {
            let &byte = bytes.get(offset).ok_or_else(cut_off)?;
            offset += 1;
            match (byte, offset - marker_offset) {
                (0xff, _) => {}
                (_, 1) => return Err(damaged(format!("there is no marker at byte {marker_offset}"))),
                (marker, _) => break marker,
            }
        };
        match marker {
            START_OF_IMAGE | 0x01 => continue,
            END_OF_IMAGE if has_size && has_scan => return Ok(offset),
            END_OF_IMAGE => return Err(damaged("it has no pixels")),
            _ => {}
        }
        let length = bytes.get(offset..offset + 2).ok_or_else(cut_off)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let segment = bytes.get(offset + 2..offset + length.max(2)).ok_or_else(cut_off)?;
        if length < 2 {
            return Err(damaged(format!("the part at byte {marker_offset} has a length of {length}")));
        }
        offset += length;
        if is_frame_header(marker) {
            let &[_, top, bottom, left, right, ..] = segment else {
                return Err(damaged("its header is cut off"));
            };
            let size = |high: u8, low: u8| u64::from(u16::from_be_bytes([high, low]));
            require_size(size(left, right), size(top, bottom))?;
            has_size = true;
        }
        if marker == START_OF_SCAN {
            has_scan = true;
            offset = end_of_scan(bytes, offset).ok_or_else(cut_off)?;
        }
    }
}

/// Where the next marker is that is none of the scan itself.
fn end_of_scan(bytes: &[u8], start: usize) -> Option<usize> {
    let mut offset = start;
    loop {
        offset += bytes.get(offset..)?.iter().position(|&byte| byte == 0xff)?;
        match bytes.get(offset + 1)? {
            // a byte of the pixels, or a restart
            0x00 | 0xd0..=0xd7 => offset += 2,
            // a fill byte
            0xff => offset += 1,
            _ => return Some(offset),
        }
    }
}

/// Start of a frame of any kind; the three numbers between them mean something else.
fn is_frame_header(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}
