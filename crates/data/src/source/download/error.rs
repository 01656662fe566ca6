use std::io;
use std::time::Duration;

use thiserror::Error;

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
