//! PNG: the chunks are checked before they are decoded, by the third edition of the specification.

use std::io::Cursor;

use flate2::Crc;
use png::{BitDepth, ColorType, Decoder, Transformations};

use super::damage::{damaged, require_size};
use super::pixels::{Pixels, orientation};
use crate::photograph::error::PhotographFault;

/// The bytes before the first chunk.
const SIGNATURE: usize = 8;
/// Length, kind and checksum of a chunk.
const AROUND: usize = 12;
const INDEXED: u8 = 3;

/// What the header says.
#[derive(Clone, Copy, Debug)]
struct Header {
    width: u64,
    height: u64,
    depth: u8,
    colour: u8,
}

pub(super) fn decode(bytes: &[u8]) -> Result<Pixels, PhotographFault> {
    let header = check_chunks(bytes)?;
    if header.colour == INDEXED {
        check_indices(bytes)?;
    }
    let reason = |error: png::DecodingError| damaged(error.to_string());
    let mut decoder = Decoder::new(Cursor::new(bytes));
    // Palettes become colours, levels of few bits become whole bytes, and a transparent colour becomes an opacity.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(reason)?;
    let size = reader.output_buffer_size().ok_or_else(|| damaged("its size is beyond what can be addressed"))?;
    let mut levels = vec![0; size];
    let frame = reader.next_frame(&mut levels).map_err(reason)?;
    levels.truncate(frame.buffer_size());
    if frame.bit_depth == BitDepth::Sixteen {
        levels = levels.as_chunks().0.iter().map(|&bytes| nearest_level(u16::from_be_bytes(bytes))).collect();
    }
    let orientation = reader.info().exif_metadata.as_ref().map_or(1, |exif| orientation(exif));
    Ok(Pixels {
        width: frame.width as usize,
        height: frame.height as usize,
        channels: frame.color_type.samples(),
        levels,
        orientation,
    })
}

/// A level of 16 bits as the nearest one of 8.
fn nearest_level(level: u16) -> u8 {
    ((u32::from(level) + 128) / 257) as u8
}

/// Every chunk is whole and has its checksum, the first is the header and the last one the end.
fn check_chunks(bytes: &[u8]) -> Result<Header, PhotographFault> {
    let mut offset = SIGNATURE;
    let mut header: Option<Header> = None;
    let (mut colours, mut has_data) = (None, false);
    loop {
        let chunk = chunk(bytes, offset)?;
        match (chunk.kind, header) {
            (b"IHDR", None) => {
                let read = read_header(chunk.data).ok_or_else(|| damaged("its header is not one of PNG"))?;
                require_size(read.width, read.height)?;
                header = Some(read);
            }
            (_, None) => return Err(damaged("it does not begin with its header")),
            (b"IHDR", Some(_)) => return Err(damaged(format!("a second header is at byte {offset}"))),
            (b"PLTE", Some(header)) => colours = Some(palette(chunk.data, header)?),
            (b"tRNS", Some(header)) if header.colour == INDEXED => {
                let colours = colours.ok_or_else(|| damaged("its transparency comes before its palette"))?;
                if chunk.data.len() > colours {
                    return Err(damaged(format!(
                        "its palette has {colours} colours, but {} of them are transparent",
                        chunk.data.len()
                    )));
                }
            }
            (b"IDAT", Some(header)) => {
                if header.colour == INDEXED && colours.is_none() {
                    return Err(damaged("its palette is missing"));
                }
                has_data = true;
            }
            (b"IEND", Some(header)) => {
                return if has_data { Ok(header) } else { Err(damaged("it has no pixels")) };
            }
            (_, Some(_)) => {}
        }
        offset += AROUND + chunk.data.len();
    }
}

struct Chunk<'a> {
    kind: &'a [u8; 4],
    data: &'a [u8],
}

fn chunk(bytes: &[u8], offset: usize) -> Result<Chunk<'_>, PhotographFault> {
    let cut_off = || damaged(format!("it ends after {} bytes, before the end of the image", bytes.len()));
    let rest = bytes.get(offset..).ok_or_else(cut_off)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut_off)?;
    let length = u32::from_be_bytes(*length) as usize;
    let (kind, data) = rest.split_first_chunk::<4>().ok_or_else(cut_off)?;
    let (data, after) = data.split_at_checked(length).ok_or_else(cut_off)?;
    let checksum = after.first_chunk::<4>().ok_or_else(cut_off)?;
    let mut computed = Crc::new();
    computed.update(kind);
    computed.update(data);
    if computed.sum() != u32::from_be_bytes(*checksum) {
        return Err(damaged(format!("the checksum of its part at byte {offset} is wrong")));
    }
    Ok(Chunk { kind, data })
}

fn read_header(data: &[u8]) -> Option<Header> {
    let (width, rest) = data.split_first_chunk::<4>()?;
    let (height, rest) = rest.split_first_chunk::<4>()?;
    let &[depth, colour, _compression, _filter, _interlace] = rest else { return None };
    let [width, height] = [width, height].map(|bytes| u64::from(u32::from_be_bytes(*bytes)));
    Some(Header { width, height, depth, colour })
}

/// The number of colours of a palette.
fn palette(data: &[u8], header: Header) -> Result<usize, PhotographFault> {
    let (length, colours) = (data.len(), data.len() / 3);
    let most = if header.colour == INDEXED { 1 << header.depth.min(8) } else { 256 };
    if !length.is_multiple_of(3) || colours == 0 || colours > most {
        return Err(damaged(format!("its palette has {length} bytes, expected 3 for each of 1 to {most} colours")));
    }
    Ok(colours)
}

/// Every pixel has one of the palette's colours.
fn check_indices(bytes: &[u8]) -> Result<(), PhotographFault> {
    let reason = |error: png::DecodingError| damaged(error.to_string());
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(reason)?;
    let colours = reader.info().palette.as_ref().map_or(0, |palette| palette.len() / 3);
    let depth = reader.info().bit_depth as usize;
    let width = reader.info().width as usize;
    let size = reader.output_buffer_size().ok_or_else(|| damaged("its size is beyond what can be addressed"))?;
    let mut packed = vec![0; size];
    let frame = reader.next_frame(&mut packed).map_err(reason)?;
    if frame.color_type != ColorType::Indexed {
        return Ok(());
    }
    let in_a_byte = 8 / depth;
    let mask = ((1_u16 << depth) - 1) as u8;
    for (row, line) in packed.chunks_exact(frame.line_size).enumerate() {
        for column in 0..width {
            let shift = depth * (in_a_byte - 1 - column % in_a_byte);
            let index = (line[column / in_a_byte] >> shift) & mask;
            if usize::from(index) >= colours {
                return Err(damaged(format!(
                    "its pixel in column {column} of row {row} has colour {index} of a palette of {colours}"
                )));
            }
        }
    }
    Ok(())
}
