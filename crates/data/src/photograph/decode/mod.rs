//! PNG and JPEG files, read strictly: what is not whole is not guessed.

mod format;
mod jpeg;
mod pixels;
mod png;

use std::io;
use std::path::Path;

use tinylsa_system::read_at_most;

use super::Photograph;
use super::error::PhotographFault;
use format::Format;

/// The largest photograph that is read, in pixels. Checked before anything is allocated for them.
pub(super) const MAX_PIXELS: u64 = 1 << 26;
/// The largest file that is read, in bytes.
pub(super) const MAX_FILE: u64 = 1 << 27;

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Photograph, PhotographFault> {
    let bytes = read_at_most(path, MAX_FILE).map_err(|error| {
        if path.is_dir() {
            PhotographFault::Directory
        } else if error.kind() == io::ErrorKind::FileTooLarge {
            PhotographFault::FileTooLarge
        } else {
            PhotographFault::Unreadable(error)
        }
    })?;
    decode(&bytes)
}

/// Decodes the bytes of a file.
pub(super) fn decode(bytes: &[u8]) -> Result<Photograph, PhotographFault> {
    if bytes.is_empty() {
        return Err(PhotographFault::Empty);
    }
    match Format::of(bytes) {
        Format::Png => png::decode(bytes)?.photograph(),
        Format::Jpeg => jpeg::decode(bytes)?.photograph(),
        Format::Other(format) => Err(PhotographFault::Unsupported { format }),
        Format::Unknown => Err(PhotographFault::NotAnImage),
    }
}

fn damaged(reason: impl Into<String>) -> PhotographFault {
    PhotographFault::Damaged { reason: reason.into() }
}

/// Refuses more pixels than [`MAX_PIXELS`].
fn require_size(width: u64, height: u64) -> Result<(), PhotographFault> {
    if width == 0 || height == 0 {
        return Err(damaged(format!("it has {width}×{height} pixels")));
    }
    if width.checked_mul(height).is_none_or(|pixels| pixels > MAX_PIXELS) {
        return Err(PhotographFault::TooManyPixels { width, height });
    }
    Ok(())
}
