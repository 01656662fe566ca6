use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::hexadecimal;

/// Stands in a file for its checksum while the checksum is computed.
pub const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A file that carries its own checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The file.
    pub bytes: Vec<u8>,
    /// The checksum that it carries: the SHA-256 of the file with [`UNSEALED`] in its place, in hexadecimal.
    pub sha256: String,
}

/// A file that is not the one that was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// What stands in the place of the checksum is none, or stands nowhere in the file.
    #[error("{found:?} is no SHA-256 of this file")]
    NoChecksum {
        /// What stands there.
        found: String,
    },
    /// The contents differ from those that were sealed.
    #[error("the contents have SHA-256 {found}, the file records {recorded}")]
    Contents {
        /// Of the contents.
        found: String,
        /// In the file.
        recorded: String,
    },
}

/// Puts the checksum of a file into the place where it holds [`UNSEALED`]; `None` if there is no such place.
///
/// ```
/// use tinylsa_system::{UNSEALED, check_seal, seal};
///
/// let sealed = seal(format!("sha256 = {UNSEALED}, accuracy = 0.95").into_bytes()).unwrap();
/// check_seal(&sealed.bytes, &sealed.sha256)?;
///
/// let mut changed = sealed.bytes;
/// *changed.last_mut().unwrap() = b'9';
/// assert!(check_seal(&changed, &sealed.sha256).is_err());
/// # Ok::<(), tinylsa_system::SealError>(())
/// ```
pub fn seal(mut bytes: Vec<u8>) -> Option<Sealed> {
    let place = position(&bytes, UNSEALED)?;
    let sha256 = unsealed_checksum(&bytes, place);
    bytes[place..place + UNSEALED.len()].copy_from_slice(sha256.as_bytes());
    Some(Sealed { bytes, sha256 })
}

/// Compares the contents of a file with the checksum that it carries. `recorded` is what stands in the place of the
/// checksum.
///
/// # Errors
/// [`SealError`] says how they differ.
pub fn check_seal(bytes: &[u8], recorded: &str) -> Result<(), SealError> {
    let is_checksum = recorded.len() == UNSEALED.len()
        && recorded.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
    let place = if is_checksum { position(bytes, recorded) } else { None };
    let Some(place) = place else {
        return Err(SealError::NoChecksum { found: recorded.to_owned() });
    };
    let found = unsealed_checksum(bytes, place);
    if found == recorded { Ok(()) } else { Err(SealError::Contents { found, recorded: recorded.to_owned() }) }
}

/// The checksum of a file with [`UNSEALED`] at `place`.
fn unsealed_checksum(bytes: &[u8], place: usize) -> String {
    let mut hash = Sha256::new();
    hash.update(&bytes[..place]);
    hash.update(UNSEALED);
    hash.update(&bytes[place + UNSEALED.len()..]);
    hexadecimal(&hash.finalize())
}

/// Where a checksum stands for the first time.
fn position(bytes: &[u8], checksum: &str) -> Option<usize> {
    bytes.windows(checksum.len()).position(|window| window == checksum.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Sealed {
        seal(format!("a{UNSEALED}b").into_bytes()).unwrap()
    }

    #[test]
    fn the_checksum_is_that_of_the_file_with_zeros_in_its_place() {
        assert_eq!(sealed().sha256, crate::sha256_hex(format!("a{UNSEALED}b").as_bytes()));
        assert_eq!(sealed().bytes, format!("a{}b", sealed().sha256).into_bytes());
        check_seal(&sealed().bytes, &sealed().sha256).unwrap();
    }

    #[test]
    fn any_changed_bit_is_found() {
        let Sealed { bytes, sha256 } = sealed();
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(check_seal(&changed, &sha256).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_file_without_a_place_cannot_be_sealed_and_words_are_no_checksum() {
        assert_eq!(seal(b"nothing".to_vec()), None);
        for word in ["", "nothing", &sealed().sha256.to_uppercase()] {
            let error = check_seal(&sealed().bytes, word).unwrap_err();
            assert_eq!(error, SealError::NoChecksum { found: word.to_owned() });
        }
    }
}
