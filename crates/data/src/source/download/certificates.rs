use rustls_native_certs::CertificateResult;
use ureq::tls::{Certificate, RootCerts};

use super::DownloadFault;

/// Which root certificates an encrypted connection is checked against. What is downloaded is accepted for its
/// SHA-256 alone; the certificates only decide whether there is a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificates {
    /// Those of Mozilla, which this program carries with it.
    #[default]
    Mozilla,
    /// Those of the operating system, or of the environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are
    /// set: for networks that put a certificate of their own before every server.
    System,
}

impl Certificates {
    pub(super) fn roots(self) -> Result<RootCerts, DownloadFault> {
        match self {
            Self::Mozilla => Ok(RootCerts::WebPki),
            Self::System => usable(&rustls_native_certs::load_native_certs()),
        }
    }
}

fn usable(loaded: &CertificateResult) -> Result<RootCerts, DownloadFault> {
    let faults: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
    if loaded.certs.is_empty() {
        return Err(DownloadFault::Certificates(faults));
    }
    for fault in &faults {
        tracing::warn!("some root certificates of the system are left out: {fault}");
    }
    Ok(RootCerts::from(loaded.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned())))
}

#[cfg(test)]
mod tests {
    use rustls_native_certs::load_certs_from_paths;

    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("missing.pem");
        let message = usable(&load_certs_from_paths(Some(&file), None)).unwrap_err().to_string();
        assert!(message.contains("no usable root certificates") && message.contains("missing.pem"), "{message}");
        std::fs::write(&file, "no certificate").unwrap();
        assert!(matches!(usable(&load_certs_from_paths(Some(&file), None)), Err(DownloadFault::Certificates(_))));
    }

    #[test]
    fn certificates_of_a_file_are_taken() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("root.pem");
        // Nothing looks into a certificate before a connection is made.
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let roots = usable(&load_certs_from_paths(Some(&file), None)).unwrap();
        assert!(matches!(roots, RootCerts::Specific(certificates) if certificates.len() == 1));
    }
}
