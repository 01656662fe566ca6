//! The largest photographs that are read.

/// The largest photograph that is read, in pixels. Checked before anything is allocated for them.
pub(super) const MAX_PIXELS: u64 = 1 << 26;
/// The largest file that is read, in bytes.
pub(super) const MAX_FILE: u64 = 1 << 27;
