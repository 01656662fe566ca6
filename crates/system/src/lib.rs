//! What the other crates ask of the operating system.
//!
//! A training run takes hours and its results are believed for years, so the files that hold them must be whole, must
//! belong to one run, and must survive a crash. The standard library leaves each of these to its caller. This crate
//! decides them once:
//!
//! - [`write_atomically`] replaces a file as a whole. A reader sees the old contents or the new ones, also after a power
//!   failure. Permissions, links and special files are treated as `cp` would treat them. [`AtomicFile`] does the same for
//!   contents that come piece by piece.
//! - [`write_directory`] makes a directory with all its files, or none.
//! - [`OutputDir`] claims a directory for one kind of output and one process. A directory that holds anything else is
//!   refused, and so is a second process.
//! - [`read_at_most`] reads a file up to a limit, so that a device or a mistaken path cannot exhaust the memory.
//! - [`seal`] puts the checksum of a file into the file, and [`check_seal`] finds any change of it.
//! - [`sha256_hex`] is the form in which checksums are written everywhere.
//! - [`peak_memory`] and [`available_memory`] say what the process used and what it may still use, [`processor_name`] what it
//!   runs on.
//!
//! ```
//! use tinylsa_system::{OutputDir, read_at_most, sha256_hex, write_atomically};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let parent = tempfile::tempdir()?;
//! let output = OutputDir::claim(&parent.path().join("run"), "run")?;
//! let path = output.path().join("result.txt");
//! write_atomically(&path, b"94.31 %")?;
//! assert_eq!(read_at_most(&path, 1024)?, b"94.31 %");
//! assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub use checksum::{hexadecimal, sha256_hex};
pub use directory::{require_new_directory, write_directory};
pub use memory::{available_memory, peak_memory, processor_name};
pub use output_dir::{ClaimError, MARKER, OutputDir};
pub use read::read_at_most;
pub use seal::{SealError, Sealed, UNSEALED, check_seal, seal};
pub use write::{AtomicFile, remove_leftovers, write_atomically};

mod checksum;
mod directory;
mod memory;
mod output_dir;
mod read;
mod seal;
mod write;

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
