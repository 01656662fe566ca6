use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tinylsa_settings::printable_path;

use super::inspect::WrongFile;
use crate::idx::IdxError;

/// Fashion-MNIST is not available. The message says what is there instead.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no such directory.
    #[error("there is no directory {}", printable_path(directory))]
    NoDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// Something else than a directory is there.
    #[error("{} is {found}, expected a directory", printable_path(path))]
    NotADirectory {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// There is no directory, and it cannot be made.
    #[error("failed to make the directory {}: {error}", printable_path(directory))]
    MakeDirectory {
        /// The directory.
        directory: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The directory cannot be read or written.
    #[error("the directory {} is not accessible: {error}", printable_path(directory))]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// Files are not in the directory.
    #[error("{} {}", printable_path(directory), missing_in_words(missing, entries))]
    Missing {
        /// The directory.
        directory: PathBuf,
        /// The names of the missing files.
        missing: Vec<String>,
        /// What the directory holds, shortened.
        entries: Vec<String>,
    },
    /// A file is not the one that was published.
    #[error(transparent)]
    Wrong(#[from] WrongFile),
    /// A file that is to be downloaded would replace another one.
    #[error("{0}; move it away or delete it to download the published file")]
    InTheWay(WrongFile),
    /// A file has the wrong structure.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// No address gave a file.
    #[error("failed to download {file}: {}", failures_in_words(failures))]
    Download {
        /// The name of the file.
        file: String,
        /// What went wrong at every address, in the order they were tried.
        failures: Vec<DownloadFailure>,
    },
    /// The download was asked to stop.
    #[error("the download of {file} was interrupted; the files that were complete are kept")]
    Stopped {
        /// The name of the file that was on its way.
        file: String,
    },
}

impl SourceError {
    /// Whether files are missing, rather than wrong.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::NoDirectory { .. } | Self::Missing { .. } => true,
            Self::NotADirectory { .. }
            | Self::MakeDirectory { .. }
            | Self::Directory { .. }
            | Self::Wrong(_)
            | Self::InTheWay(_)
            | Self::Idx(_)
            | Self::Download { .. }
            | Self::Stopped { .. } => false,
        }
    }

    /// Whether missing files could not be downloaded.
    pub fn is_failed_download(&self) -> bool {
        match self {
            Self::MakeDirectory { .. } | Self::Download { .. } => true,
            Self::NoDirectory { .. }
            | Self::NotADirectory { .. }
            | Self::Directory { .. }
            | Self::Missing { .. }
            | Self::Wrong(_)
            | Self::InTheWay(_)
            | Self::Idx(_)
            | Self::Stopped { .. } => false,
        }
    }
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
    /// There was no usable answer: no such host, no connection, a time-out, a certificate that is not trusted.
    #[error("{}{}", .0, certificate_in_words(.0))]
    Request(Box<ureq::Error>),
    /// The server refused.
    #[error("the server answered with status {status}{}", retry_in_words(*retry_after))]
    Status {
        /// The HTTP status.
        status: u16,
        /// When it may be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The server did not answer.
    #[error("no answer within {} s", limit.as_secs_f64())]
    NoAnswer {
        /// How long it was waited for.
        limit: Duration,
    },
    /// The processor lacks instructions that encryption is built on here.
    #[error("this processor lacks the instructions for an encrypted connection, expected AES and AVX2 or NEON")]
    Processor,
    /// The root certificates of the system were asked for, and there are none.
    #[error("the system has no usable root certificates{}", reasons_in_words(.0))]
    Certificates(Vec<String>),
    /// The answer broke off.
    #[error("the answer broke off after {received} bytes: {error}")]
    Interrupted {
        /// Bytes that came.
        received: u64,
        /// What the connection says.
        error: io::Error,
    },
    /// The answer stalled, or came too slowly to wait for.
    #[error("{bytes} bytes came in {} s, expected at least {expected}", window.as_secs_f64())]
    TooSlow {
        /// Bytes that came in the last window.
        bytes: u64,
        /// The length of the window.
        window: Duration,
        /// The fewest bytes of a window that are accepted.
        expected: u64,
    },
    /// The time for the whole download was over.
    #[error("the download took longer than {} s", deadline.as_secs_f64())]
    Deadline {
        /// The longest time for all files together.
        deadline: Duration,
    },
    /// The answer is larger than the file.
    #[error("the answer is larger than {limit} bytes, the size of the file")]
    TooLarge {
        /// The size of the published file.
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
    /// The download was asked to stop.
    #[error("the download was interrupted")]
    Stopped,
}

fn missing_in_words(missing: &[String], entries: &[String]) -> String {
    match (4_usize.saturating_sub(missing.len()), entries) {
        (0, []) => "is empty, expected the four files of Fashion-MNIST".to_owned(),
        (0, entries) => format!("holds no file of Fashion-MNIST, but {}", entries.join(", ")),
        (found, _) => format!("holds {found} of the four files of Fashion-MNIST, but not {}", missing.join(", ")),
    }
}

fn failures_in_words(failures: &[DownloadFailure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn certificate_in_words(error: &ureq::Error) -> &'static str {
    let rustls = match error {
        ureq::Error::Io(error) => error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()),
        _ => None,
    };
    match rustls {
        Some(rustls::Error::InvalidCertificate(_)) => {
            " (if your network puts its own certificate before every server, name that in SSL_CERT_FILE)"
        }
        Some(_) | None => "",
    }
}

fn retry_in_words(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |pause| format!(" and asks to come back in {} s", pause.as_secs()))
}

fn reasons_in_words(reasons: &[String]) -> String {
    if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[test]
    fn a_certificate_that_is_not_trusted_comes_with_the_remedy() {
        let message = |error: rustls::Error| {
            DownloadFault::Request(Box::new(ureq::Error::Io(io::Error::other(error)))).to_string()
        };
        let untrusted = message(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert!(untrusted.contains("UnknownIssuer") && untrusted.contains("SSL_CERT_FILE"), "{untrusted}");
        assert!(!message(rustls::Error::HandshakeNotComplete).contains("SSL_CERT_FILE"));
    }
}
