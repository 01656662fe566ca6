//! PNG and JPEG files, read strictly: what is not whole is not guessed.

mod damage;
mod format;
mod jpeg;
mod pixels;
mod png;

use std::io;
use std::path::Path;

use tinylsa_system::read_at_most;

use super::error::{PhotographError, PhotographFault};
use super::limits::MAX_FILE;
use super::original::Photograph;
use format::Format;

impl Photograph {
    /// Decodes the bytes of a PNG or JPEG file of any depth and colour, and turns the photograph as its camera says.
    ///
    /// # Errors
    /// [`PhotographFault`] if the bytes are something else, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, PhotographFault> {
        decode(bytes)
    }

    /// Reads a PNG or JPEG file.
    ///
    /// # Errors
    /// [`PhotographError`] names the file and says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, PhotographError> {
        read(path).map_err(|fault| PhotographError { path: path.to_owned(), fault })
    }
}

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
fn decode(bytes: &[u8]) -> Result<Photograph, PhotographFault> {
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
