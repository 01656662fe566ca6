//! Damage to bytes.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Turns one bit over.
pub(crate) fn flip(bytes: &mut [u8], generator: &mut ChaCha8Rng) {
    if !bytes.is_empty() {
        let at = generator.random_range(0..bytes.len());
        bytes[at] ^= 1 << generator.random_range(0..8);
    }
}

/// Cuts, overwrites or empties a file.
pub(crate) fn mangle(bytes: &mut Vec<u8>, generator: &mut ChaCha8Rng) {
    let at = generator.random_range(0..bytes.len().max(1));
    match generator.random_range(0..4) {
        0 => bytes.truncate(at),
        1 => bytes[at..].fill(0),
        2 => bytes.clear(),
        _ => bytes.extend_from_slice(&[0x5a; 100]),
    }
}

/// One to four small changes of any kind, as a property test makes them.
pub(crate) fn mutate(bytes: &mut Vec<u8>, generator: &mut ChaCha8Rng) {
    for _ in 0..generator.random_range(1..=4) {
        // The header of a file decides how the rest is read, so half of the changes fall there.
        let length = bytes.len();
        let reach = if generator.random_bool(0.5) { length.min(64) } else { length };
        let at = generator.random_range(0..reach.max(1));
        match generator.random_range(0..7) {
            0..=2 => flip(&mut bytes[at.min(length)..], generator),
            3 if length > 0 => bytes[at] = generator.random(),
            4 => bytes.truncate(at),
            5 => bytes.insert(at.min(length), generator.random()),
            _ if length > 0 => drop(bytes.remove(at)),
            _ => {}
        }
    }
}
