use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tinylsa_system::hexadecimal;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use super::verify::{FileState, state};
use super::{DownloadFailure, DownloadFault, FASHION_MNIST_FILES, SourceError, SourceFile};

/// The publisher's addresses: its repository on GitHub and its bucket on S3.
pub const PUBLISHER_URLS: [&str; 2] = [
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
];

/// How files are downloaded.
///
/// An address that starts with `https` is never left for an unencrypted one by a redirect. What is worth a second
/// attempt is a refusal for the moment (status 408, 429, 5xx) and an answer that stalls or breaks off; a missing
/// network or host is not, so a machine without a network learns so within seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchConfig {
    /// Where the files lie; every address is tried in turn until one gives the file.
    pub base_urls: Vec<String>,
    /// Attempts at each address, at least 1.
    pub attempts: u32,
    /// Pause before the second attempt; it doubles with every further one.
    pub first_pause: Duration,
    /// The longest time to find the host and to connect, each.
    pub connect_timeout: Duration,
    /// The longest silence of a server.
    pub silence_timeout: Duration,
    /// The longest time for one file.
    pub total_timeout: Duration,
    /// The largest answer in bytes.
    pub size_cap: u64,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            base_urls: PUBLISHER_URLS.map(str::to_owned).into(),
            attempts: 3,
            first_pause: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(4),
            silence_timeout: Duration::from_secs(15),
            total_timeout: Duration::from_mins(10),
            size_cap: 32 << 20,
        }
    }
}

/// Downloads into `directory` those of the four files that are missing or altered, and leaves intact ones alone.
///
/// A file appears under its name only whole, checked and synced to the disk; a download that fails leaves nothing.
pub fn fetch(directory: &Path, config: &FetchConfig) -> Result<(), SourceError> {
    let wanted: Vec<SourceFile> =
        FASHION_MNIST_FILES.into_iter().filter(|&file| !matches!(state(file, directory), FileState::Intact)).collect();
    fetch_files(&wanted, directory, config)
}

pub(super) fn fetch_files(files: &[SourceFile], directory: &Path, config: &FetchConfig) -> Result<(), SourceError> {
    if files.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(directory).map_err(|error| SourceError::Io { path: directory.to_owned(), error })?;
    files.iter().try_for_each(|&file| fetch_file(file, directory, config))
}

fn fetch_file(file: SourceFile, directory: &Path, config: &FetchConfig) -> Result<(), SourceError> {
    let mut failures = Vec::new();
    for base_url in &config.base_urls {
        let url = format!("{}/{}", base_url.trim_end_matches('/'), file.name);
        match fetch_patiently(&url, file, directory, config) {
            Ok(()) => return Ok(()),
            Err(fault) => failures.push(DownloadFailure { url, fault }),
        }
    }
    Err(SourceError::Download { file: file.name.to_owned(), failures })
}

fn fetch_patiently(url: &str, file: SourceFile, directory: &Path, config: &FetchConfig) -> Result<(), DownloadFault> {
    if is_encrypted(url) && !has_instructions_for_encryption() {
        return Err(DownloadFault::Processor);
    }
    let agent = agent(url, config);
    let mut pause = config.first_pause;
    let mut attempt = 1;
    loop {
        tracing::info!(url, attempt, "downloading");
        match fetch_once(&agent, url, file, directory, config) {
            Err(fault) if attempt < config.attempts && is_worth_another_attempt(&fault) => {
                tracing::warn!(url, attempt, %fault, "download failed, trying again");
                thread::sleep(pause);
                pause *= 2;
                attempt += 1;
            }
            result => return result,
        }
    }
}

fn is_encrypted(url: &str) -> bool {
    url.starts_with("https://")
}

/// Whether this processor has what `graviola` asserts at its first use, so that its panic is an error here.
fn has_instructions_for_encryption() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("adx")
            && is_x86_feature_detected!("avx2")
    }
    #[cfg(target_arch = "aarch64")]
    {
        use std::arch::is_aarch64_feature_detected;
        is_aarch64_feature_detected!("neon")
            && is_aarch64_feature_detected!("aes")
            && is_aarch64_feature_detected!("pmull")
            && is_aarch64_feature_detected!("sha2")
    }
}

fn agent(url: &str, config: &FetchConfig) -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::WebPki)
        .unversioned_rustls_crypto_provider(Arc::new(rustls_graviola::default_provider()))
        .build();
    let mut builder = Agent::config_builder()
        .tls_config(tls)
        .https_only(is_encrypted(url))
        .timeout_resolve(Some(config.connect_timeout))
        .timeout_connect(Some(config.connect_timeout))
        .timeout_recv_response(Some(config.silence_timeout))
        .timeout_per_read(Some(config.silence_timeout))
        .timeout_global(Some(config.total_timeout));
    if !is_encrypted(url) {
        // plain HTTP is for a mirror on this machine or beside it, which no proxy stands before
        builder = builder.proxy(None);
    }
    builder.build().new_agent()
}

fn fetch_once(
    agent: &Agent,
    url: &str,
    file: SourceFile,
    directory: &Path,
    config: &FetchConfig,
) -> Result<(), DownloadFault> {
    let response = agent.get(url).call().map_err(|error| DownloadFault::Request(Box::new(error)))?;
    let too_large = DownloadFault::TooLarge { limit: config.size_cap };
    if response.body().content_length().is_some_and(|length| length > config.size_cap) {
        return Err(too_large);
    }
    // dropped before `publish`, the temporary file is deleted
    let mut part = temporary_file(file, directory).map_err(DownloadFault::Write)?;
    let mut hash = Sha256::new();
    let mut received = 0;
    let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let length = match body.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(DownloadFault::Interrupted { received, error }),
        };
        received += length as u64;
        if received > config.size_cap {
            return Err(too_large);
        }
        hash.update(&chunk[..length]);
        part.write_all(&chunk[..length]).map_err(DownloadFault::Write)?;
    }
    let found = hexadecimal(&hash.finalize());
    if found != file.sha256 {
        return Err(DownloadFault::Checksum { found, expected: file.sha256 });
    }
    publish(part, &directory.join(file.name)).map_err(DownloadFault::Write)
}

fn temporary_file(file: SourceFile, directory: &Path) -> io::Result<NamedTempFile> {
    let prefix = format!(".{}.", file.name);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // readable for all that the user's mask allows, as any other file, not for the user alone
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}

/// Puts the finished file under its name at once, and makes that last.
fn publish(part: NamedTempFile, path: &Path) -> io::Result<()> {
    part.as_file().sync_all()?;
    part.persist(path).map_err(|error| error.error)?;
    if let Some(directory) = path.parent().filter(|_| cfg!(unix)) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn is_worth_another_attempt(fault: &DownloadFault) -> bool {
    match fault {
        DownloadFault::Request(error) => match **error {
            ureq::Error::StatusCode(status) => matches!(status, 408 | 429 | 500..=599),
            ureq::Error::Timeout(timeout) => {
                !matches!(timeout, ureq::Timeout::Resolve | ureq::Timeout::Connect | ureq::Timeout::Global)
            }
            ureq::Error::Io(ref error) => {
                matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof)
            }
            _ => false,
        },
        DownloadFault::Interrupted { .. } => true,
        DownloadFault::Processor
        | DownloadFault::TooLarge { .. }
        | DownloadFault::Checksum { .. }
        | DownloadFault::Write(_) => false,
    }
}
