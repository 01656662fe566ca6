//! The IDX format of the MNIST database (`LeCun`, Cortes and Burges 1998): two zero bytes, the element type, the number of dimensions, the dimensions as
//! big-endian 32-bit numbers, then the elements with the last dimension running fastest.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tinylsa_system::read_at_most;

pub use error::{IdxError, IdxFault};
pub use images::{IdxFile, IdxForm, decode_images};

use crate::file_kind::kind;

mod error;
mod images;
#[cfg(test)]
pub(crate) mod tests;

const UNSIGNED_BYTE: u8 = 0x08;
pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// DEFLATE (RFC 1951) unpacks one byte to at most 1032: 258 bytes from a two-bit symbol pair.
const MOST_UNPACKED_PER_BYTE: u64 = 1032;
/// What a gzip file may have beside its blocks: names, comments, check values.
const GZIP_OVERHEAD: u64 = 64 << 10;

/// What is expected of an IDX file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdxLimits {
    /// The number of dimensions.
    pub rank: usize,
    /// The most elements. A file that announces more is refused, and neither its header nor what it unpacks to can make
    /// the reader ask for more memory.
    pub elements: u64,
}

impl IdxLimits {
    fn header(self) -> u64 {
        4 + 4 * self.rank as u64
    }
}

/// The size of a gzip file whose content of this size does not compress at all: DEFLATE stores it in blocks of up to
/// 65 535 bytes with five more each.
pub(crate) fn largest_packed(content: u64) -> u64 {
    content.saturating_add(content / 1000).saturating_add(GZIP_OVERHEAD)
}

/// The content of an IDX file of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxArray {
    /// The length of every dimension, the slowest first.
    pub dimensions: Vec<usize>,
    /// As many bytes as the product of `dimensions`.
    pub elements: Vec<u8>,
}

/// Reads an IDX file of unsigned bytes, packed with gzip or not.
///
/// # Errors
/// [`IdxError`] if it is not such a file, or larger than `limits` allow.
pub fn read_idx(file: &Path, limits: IdxLimits) -> Result<IdxArray, IdxError> {
    let unreadable = |error| IdxError::new(file, 0, IdxFault::Unreadable(error));
    let metadata = std::fs::metadata(file).map_err(unreadable)?;
    if !metadata.is_file() {
        // Opening a pipe waits for a writer, and a device never ends.
        return Err(IdxError::new(file, 0, IdxFault::NotAFile { found: kind(&metadata) }));
    }
    let most = largest_packed(limits.elements.saturating_add(limits.header()));
    let bytes = read_at_most(file, most).map_err(unreadable)?;
    decode_idx(file, &bytes, limits)
}

/// The content of an IDX file of unsigned bytes, given the bytes of the file, packed with gzip or not. `file` only names
/// the file in errors.
///
/// Nothing is allocated for the elements before the header has proved possible (within `limits`; a file that is not
/// packed must have the announced length, and a packed one cannot unpack to more than 1032 times its own), and never
/// more than arrives.
///
/// # Errors
/// [`IdxError`] if the bytes are no such file.
pub fn decode_idx(file: &Path, bytes: &[u8], limits: IdxLimits) -> Result<IdxArray, IdxError> {
    if bytes.starts_with(&GZIP_MAGIC) {
        let capacity = (bytes.len() as u64).saturating_mul(MOST_UNPACKED_PER_BYTE);
        let source = MultiGzDecoder::new(bytes);
        Decoder { file, source, limits, read: 0, capacity, packed: true }.array()
    } else {
        Decoder { file, source: bytes, limits, read: 0, capacity: bytes.len() as u64, packed: false }.array()
    }
}

/// A file that has not been verified yet.
struct Decoder<'a, R> {
    file: &'a Path,
    source: R,
    limits: IdxLimits,
    /// Unpacked bytes read so far.
    read: u64,
    /// The most unpacked bytes that the file can hold.
    capacity: u64,
    packed: bool,
}

impl<R: Read> Decoder<'_, R> {
    fn array(mut self) -> Result<IdxArray, IdxError> {
        let dimensions = self.header()?;
        let elements = self.elements(&dimensions)?;
        self.end()?;
        Ok(IdxArray { dimensions: dimensions.iter().map(|&dimension| dimension as usize).collect(), elements })
    }

    fn header(&mut self) -> Result<Vec<u32>, IdxError> {
        let rank = self.limits.rank;
        let length = self.limits.header();
        let [zero, also_zero, element_type, found_rank] = self.word(length)?;
        if (zero, also_zero) != (0, 0) {
            return Err(self.fault_at(0, IdxFault::Magic { found: [zero, also_zero] }));
        }
        if element_type != UNSIGNED_BYTE {
            return Err(self.fault_at(2, IdxFault::ElementType { found: element_type }));
        }
        if usize::from(found_rank) != rank {
            return Err(self.fault_at(3, IdxFault::Rank { found: found_rank.into(), expected: rank }));
        }
        (0..rank).map(|_| self.word(length).map(u32::from_be_bytes)).collect()
    }

    fn word(&mut self, expected: u64) -> Result<[u8; 4], IdxError> {
        let bytes = self.up_to(4)?;
        <[u8; 4]>::try_from(bytes).map_err(|_| self.fault(IdxFault::Truncated { found: self.read, expected }))
    }

    fn elements(&mut self, dimensions: &[u32]) -> Result<Vec<u8>, IdxError> {
        let held = self.capacity.saturating_sub(self.read);
        let limit = if self.packed { self.limits.elements.min(held) } else { self.limits.elements };
        let count = dimensions.iter().try_fold(1_u64, |product, &dimension| product.checked_mul(dimension.into()));
        let Some(count) = count.filter(|count| (1..=limit).contains(count)) else {
            return Err(self.fault_at(4, IdxFault::Dimensions { found: dimensions.to_vec(), limit }));
        };
        let expected = self.read + count;
        if count > held {
            return Err(self.fault_at(self.capacity, IdxFault::Truncated { found: self.capacity, expected }));
        }
        let elements = self.up_to(count)?;
        if (elements.len() as u64) < count {
            return Err(self.fault(IdxFault::Truncated { found: self.read, expected }));
        }
        Ok(elements)
    }

    fn end(&mut self) -> Result<(), IdxError> {
        let declared = self.read;
        if self.up_to(1)?.is_empty() {
            return Ok(());
        }
        Err(self.fault_at(
            declared,
            if self.packed {
                IdxFault::Overlong { declared }
            } else {
                IdxFault::Trailing { found: self.capacity - declared }
            },
        ))
    }

    /// The next bytes, fewer than `count` only at the end of the content. The vector grows with what really arrives.
    fn up_to(&mut self, count: u64) -> Result<Vec<u8>, IdxError> {
        let mut bytes = Vec::new();
        let result = self.source.by_ref().take(count).read_to_end(&mut bytes);
        self.read += bytes.len() as u64;
        result.map_err(|error| self.fault(IdxFault::Gzip(error)))?;
        Ok(bytes)
    }

    fn fault(&self, fault: IdxFault) -> IdxError {
        self.fault_at(self.read, fault)
    }

    fn fault_at(&self, offset: u64, fault: IdxFault) -> IdxError {
        IdxError::new(self.file, offset, fault)
    }
}
