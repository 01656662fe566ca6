use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Metadata, SafeTensorError};

use super::check::{description, description_text};
use super::description::{Description, kind_in};
use super::error::ModelFileError;
use crate::classifier::ModelConfig;

/// Bytes of a header, at most. That of the network of `configs/base.toml` has 8 thousand; sixteen stages of sixteen blocks
/// with ten thousand names stay below a million.
const HEADER_LIMIT: u64 = 4 << 20;
/// Bytes of the number in front that says how long the header is.
const PREFIX: u64 = size_of::<u64>() as u64;

/// The bytes of a model file of one kind. The header is read and checked first, then as many bytes as it describes and no
/// more: a device or a mistaken path cannot exhaust the memory.
///
/// # Errors
/// [`ModelFileError::Read`] if it cannot be read; otherwise what is wrong with its header.
pub fn read_model_file<C: ModelConfig>(path: &Path) -> Result<Vec<u8>, ModelFileError> {
    let Opened { mut file, mut bytes, header } = open(path)?;
    let _: Description<C> = description(&header)?;
    let described = header.data_len() as u64;
    // One byte more than there should be shows that there is more.
    read(path, &mut file, &mut bytes, described.saturating_add(1))?;
    Ok(bytes)
}

/// The kind of the network in a model file, by which a program that knows several decides what to read it as.
///
/// # Errors
/// [`ModelFileError`] if it cannot be read or names no kind.
pub fn model_kind(path: &Path) -> Result<String, ModelFileError> {
    let header = open(path)?.header;
    kind_in(description_text(&header)?)?.ok_or(ModelFileError::NoKind { expected: "any" })
}

/// A file whose header was read.
struct Opened {
    file: File,
    /// What was read.
    bytes: Vec<u8>,
    header: Metadata,
}

fn read(path: &Path, file: &mut File, bytes: &mut Vec<u8>, limit: u64) -> Result<u64, ModelFileError> {
    let failed = |source| ModelFileError::Read { path: path.to_owned(), source };
    file.take(limit).read_to_end(bytes).map(|read| read as u64).map_err(failed)
}

fn open(path: &Path) -> Result<Opened, ModelFileError> {
    let failed = |source| ModelFileError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut read = |bytes: &mut Vec<u8>, limit: u64| read(path, &mut file, bytes, limit);
    read(&mut bytes, PREFIX)?;
    let length = bytes.as_slice().try_into().map(u64::from_le_bytes).map_err(|_| SafeTensorError::HeaderTooSmall)?;
    if length > HEADER_LIMIT {
        return Err(ModelFileError::Header { found: length, limit: HEADER_LIMIT });
    }
    if read(&mut bytes, length)? < length {
        return Err(SafeTensorError::InvalidHeaderLength.into());
    }
    let header: Metadata =
        serde_json::from_slice(&bytes[PREFIX as usize..]).map_err(SafeTensorError::InvalidHeaderDeserialization)?;
    Ok(Opened { file, bytes, header })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TinyCnnLsaConfig;

    fn read_model_file(path: &Path) -> Result<Vec<u8>, ModelFileError> {
        super::read_model_file::<TinyCnnLsaConfig>(path)
    }

    fn refused(bytes: &[u8]) -> ModelFileError {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        std::fs::write(&path, bytes).unwrap();
        read_model_file(&path).unwrap_err()
    }

    #[test]
    fn a_header_that_is_cut_off_or_too_long_is_refused_before_it_is_read() {
        assert!(matches!(refused(&[1, 2, 3]), ModelFileError::Format(SafeTensorError::HeaderTooSmall)));
        assert!(matches!(refused(&u64::MAX.to_le_bytes()), ModelFileError::Header { found: u64::MAX, .. }));
        let short = [&100_u64.to_le_bytes()[..], b"{}"].concat();
        assert!(matches!(refused(&short), ModelFileError::Format(SafeTensorError::InvalidHeaderLength)));
        let text = [&4_u64.to_le_bytes()[..], b"text"].concat();
        assert!(matches!(refused(&text), ModelFileError::Format(SafeTensorError::InvalidHeaderDeserialization(_))));
        let nothing = [&2_u64.to_le_bytes()[..], b"{}"].concat();
        assert!(matches!(refused(&nothing), ModelFileError::NoMetadata));
    }

    #[cfg(unix)]
    #[test]
    fn endless_devices_and_directories_are_refused() {
        assert!(matches!(read_model_file(Path::new("/dev/zero")).unwrap_err(), ModelFileError::Format(_)));
        assert!(matches!(read_model_file(Path::new("/")).unwrap_err(), ModelFileError::Read { .. }));
    }
}
