use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::idx::IdxError;

/// Fashion-MNIST cannot be had. The message says what to do about it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Files are not in the directory.
    #[error("{} lacks {}; {}", directory.display(), files.join(", "), Remedy)]
    Missing {
        /// The directory.
        directory: PathBuf,
        /// The names of the missing files.
        files: Vec<String>,
    },
    /// A file is not the one that was published.
    #[error("{} has SHA-256 {found}, expected {expected}: it is damaged or another version; delete it, then {}", file.display(), Remedy)]
    Checksum {
        /// The file.
        file: PathBuf,
        /// The checksum of the file.
        found: String,
        /// The published checksum.
        expected: &'static str,
    },
    /// A file that was not packed holds another number of pictures than was published.
    #[error("{} holds {found} pictures, expected {expected}; {}", file.display(), Remedy)]
    Count {
        /// The file.
        file: PathBuf,
        /// The number of pictures in the file.
        found: usize,
        /// The published number.
        expected: usize,
    },
    /// A file has the wrong content.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// A file or directory cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// No address gave a file.
    #[error("{file} cannot be downloaded: {}; {}", in_words(failures), Remedy)]
    Download {
        /// The name of the file.
        file: String,
        /// What went wrong at every address, in the order they were tried.
        failures: Vec<DownloadFailure>,
    },
}

/// Why one address did not give a file.
#[derive(Debug, Error)]
#[error("{url}: {fault}")]
pub struct DownloadFailure {
    /// The address.
    pub url: String,
    /// What went wrong at the last attempt.
    pub fault: DownloadFault,
}

/// What can go wrong with a download.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DownloadFault {
    /// There was no usable answer: no such host, no connection, a refusal, a time-out.
    #[error("{0}")]
    Request(Box<ureq::Error>),
    /// The processor lacks instructions that encryption is built on here.
    #[error("this processor lacks the instructions for an encrypted connection, expected AES and AVX2 or NEON")]
    Processor,
    /// The answer broke off or stalled.
    #[error("the answer broke off after {received} bytes: {error}")]
    Interrupted {
        /// Bytes that came.
        received: u64,
        /// What the connection says.
        error: io::Error,
    },
    /// The answer is larger than any of the files.
    #[error("the answer is larger than {limit} bytes, the most that is accepted")]
    TooLarge {
        /// The cap of the configuration.
        limit: u64,
    },
    /// The answer is not the published file.
    #[error("the answer has SHA-256 {found}, expected {expected}")]
    Checksum {
        /// The checksum of the answer.
        found: String,
        /// The published checksum.
        expected: &'static str,
    },
    /// The answer cannot be kept.
    #[error("the file cannot be written: {0}")]
    Write(io::Error),
}

/// What a user can do when the files cannot be had.
struct Remedy;

impl fmt::Display for Remedy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "get the four .gz files from https://github.com/zalandoresearch/fashion-mnist (data/fashion) and put them \
             there, or name the directory that holds them with --data-dir or FASHION_MNIST_DIR",
        )
    }
}

fn in_words(failures: &[DownloadFailure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
