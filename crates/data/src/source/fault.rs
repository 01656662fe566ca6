use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tinylsa_settings::printable_path;

/// Why a file is not the published one. The message goes on after the path of the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileFault {
    /// It is a directory, a pipe or a device.
    #[error("is {found}, expected a file")]
    NotAFile {
        /// What it is.
        found: &'static str,
    },
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is larger than the published file can be in any form.
    #[error("is larger than {limit} bytes, the most that the published content can take")]
    TooLarge {
        /// The bound.
        limit: u64,
    },
    /// It is a gzip file that is cut off, altered, or followed by something else.
    #[error("is a damaged gzip file: {0}")]
    Damaged(io::Error),
    /// It is a gzip file that unpacks to more than the published content.
    #[error("unpacks to more than {expected} bytes, the size of the published content")]
    Overlong {
        /// The size of the published content.
        expected: u64,
    },
    /// It is the file of the same name of another collection.
    #[error("is the file of this name from {collection}, expected the one from {expected}")]
    OtherCollection {
        /// The other collection.
        collection: &'static str,
        /// The collection that was asked for.
        expected: &'static str,
    },
    /// It is not the published gzip file, and no checksum says whether its content is the published one.
    #[error(
        "is not the gzip file that was published with SHA-256 {expected}, and no checksum of its content is published to \
         verify it by"
    )]
    Unverifiable {
        /// The SHA-256 of the published gzip file.
        expected: &'static str,
    },
    /// It has other content than was published.
    #[error(
        "has other content than was published: {bytes} bytes with SHA-256 {sha256}, expected {expected_bytes} bytes with \
         {expected}"
    )]
    OtherContent {
        /// The size of its content.
        bytes: u64,
        /// The SHA-256 of its content.
        sha256: String,
        /// The size of the published content.
        expected_bytes: u64,
        /// The SHA-256 of the published content.
        expected: &'static str,
    },
}

/// A file that has the name of a published one and is something else.
#[derive(Debug, Error)]
#[error("{} {fault}", printable_path(path))]
pub struct WrongFile {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub fault: FileFault,
}
