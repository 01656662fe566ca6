//! One attempt at one file from one address.
//!
//! The connection has a thread of its own that hands over what arrives. So the waiting side is never deaf: whatever the
//! system does with a socket or a host name, a stop, the deadline and a dripping server are noticed within a tick.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};
use tinylsa_system::{AtomicFile, hexadecimal};
use ureq::Agent;
use ureq::http::HeaderMap;
use ureq::tls::TlsConfig;

use super::super::SourceFile;
use super::{DownloadFault, FetchConfig};

/// How often a stop and the deadline are looked for.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// Pieces that may wait for the disk.
const QUEUE: usize = 4;
const PIECE: usize = 64 << 10;

/// What is to come from where to where.
pub(super) struct Transfer<'a> {
    pub(super) url: &'a str,
    pub(super) file: &'a SourceFile,
    pub(super) path: &'a Path,
    pub(super) config: &'a FetchConfig,
    /// When the download of all files began.
    pub(super) started: Instant,
}

/// What the connection has to say.
enum Event {
    /// The server agreed; this is the length that it announced.
    Begun(Option<u64>),
    Piece(Vec<u8>),
    End,
    Failed(DownloadFault),
}

/// A client for an address.
fn agent(url: &str, config: &FetchConfig) -> Result<Agent, DownloadFault> {
    let mut builder = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(is_encrypted(url))
        .timeout_resolve(Some(config.connect_timeout))
        .timeout_connect(Some(config.connect_timeout))
        .timeout_recv_response(Some(config.response_timeout))
        .timeout_per_read(Some(config.window))
        .timeout_global(Some(config.deadline));
    if is_encrypted(url) {
        if !has_instructions_for_encryption() {
            return Err(DownloadFault::Processor);
        }
        let tls = TlsConfig::builder()
            .root_certs(config.certificates.roots()?)
            .unversioned_rustls_crypto_provider(Arc::new(rustls_graviola::default_provider()))
            .build();
        builder = builder.tls_config(tls);
    } else {
        // Plain HTTP is for a mirror on this machine or beside it, which no proxy stands before.
        builder = builder.proxy(None);
    }
    Ok(builder.build().new_agent())
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

/// Downloads the file. On an error nothing is left of it.
pub(super) fn transfer(transfer: &Transfer<'_>) -> Result<(), DownloadFault> {
    let (sender, events) = sync_channel(QUEUE);
    let (agent, url) = (agent(transfer.url, transfer.config)?, transfer.url.to_owned());
    // It ends by itself: at its next piece, for nobody listens any more, or at one of its own timeouts.
    let connection = thread::Builder::new().name("download".to_owned()).spawn(move || {
        let last = match converse(&agent, &url, &sender) {
            Ok(()) => Event::End,
            Err(fault) => Event::Failed(fault),
        };
        let _ = sender.send(last);
    });
    connection.map_err(|error| DownloadFault::Request(Box::new(ureq::Error::Io(error))))?;
    let mut watch = Watch::new(transfer, events);
    let announced = watch.wait_for_answer()?;
    let limit = transfer.file.bytes;
    if announced.is_some_and(|length| length > limit) {
        return Err(DownloadFault::TooLarge { limit });
    }
    // Dropped before it is committed, it is gone.
    let mut file = AtomicFile::create(transfer.path).map_err(DownloadFault::Write)?;
    let mut hash = Sha256::new();
    while let Some(piece) = watch.next_piece()? {
        if watch.received > limit {
            return Err(DownloadFault::TooLarge { limit });
        }
        hash.update(&piece);
        file.write_all(&piece).map_err(DownloadFault::Write)?;
    }
    let found = hexadecimal(&hash.finalize());
    if found != transfer.file.sha256 {
        return Err(DownloadFault::Checksum { found, expected: transfer.file.sha256 });
    }
    file.commit().map_err(DownloadFault::Write)
}

/// Asks the server and hands over its answer.
fn converse(agent: &Agent, url: &str, sender: &SyncSender<Event>) -> Result<(), DownloadFault> {
    let response = agent.get(url).call().map_err(|error| DownloadFault::Request(Box::new(error)))?;
    if !response.status().is_success() {
        let retry_after = retry_after(response.headers(), SystemTime::now());
        return Err(DownloadFault::Status { status: response.status().as_u16(), retry_after });
    }
    if sender.send(Event::Begun(response.body().content_length())).is_err() {
        return Ok(());
    }
    let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
    let mut received = 0;
    loop {
        let mut piece = vec![0; PIECE];
        match body.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                received += length as u64;
                piece.truncate(length);
                if sender.send(Event::Piece(piece)).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DownloadFault::Interrupted { received, error }),
        }
    }
}

/// How long a server asks to wait: in seconds, or until a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // A date that is over asks for nothing.
    Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default())
}

/// The waiting side of a connection.
struct Watch<'a> {
    config: &'a FetchConfig,
    started: Instant,
    events: Receiver<Event>,
    /// Bytes of the answer so far.
    received: u64,
    window_start: Instant,
    window_bytes: u64,
}

impl<'a> Watch<'a> {
    fn new(transfer: &Transfer<'a>, events: Receiver<Event>) -> Self {
        Self {
            config: transfer.config,
            started: transfer.started,
            events,
            received: 0,
            window_start: Instant::now(),
            window_bytes: 0,
        }
    }

    /// The announced length of the answer, once the server agreed.
    fn wait_for_answer(&mut self) -> Result<Option<u64>, DownloadFault> {
        // The client's own time limits are tighter, but a name server may be out of their reach.
        let limit = self.config.connect_timeout.saturating_mul(2).saturating_add(self.config.response_timeout);
        let start = Instant::now();
        loop {
            match self.next_event()? {
                Some(Event::Begun(length)) => {
                    self.window_start = Instant::now();
                    return Ok(length);
                }
                Some(Event::Failed(fault)) => return Err(fault),
                Some(Event::Piece(_) | Event::End) => return Err(self.broken_off()),
                None if start.elapsed() >= limit => return Err(DownloadFault::NoAnswer { limit }),
                None => {}
            }
        }
    }

    /// The next piece of the answer; nothing at its end.
    fn next_piece(&mut self) -> Result<Option<Vec<u8>>, DownloadFault> {
        loop {
            let event = self.next_event()?;
            if let Some(Event::Piece(piece)) = &event {
                self.received += piece.len() as u64;
                self.window_bytes += piece.len() as u64;
            }
            match event {
                Some(Event::End) => return Ok(None),
                Some(Event::Failed(fault)) => return Err(fault),
                Some(Event::Begun(_)) => return Err(self.broken_off()),
                Some(Event::Piece(piece)) => {
                    self.check_window()?;
                    return Ok(Some(piece));
                }
                None => self.check_window()?,
            }
        }
    }

    /// What happens within a tick.
    fn next_event(&self) -> Result<Option<Event>, DownloadFault> {
        if self.config.stop.load(Ordering::Relaxed) {
            return Err(DownloadFault::Stopped);
        }
        if self.started.elapsed() >= self.config.deadline {
            return Err(DownloadFault::Deadline { deadline: self.config.deadline });
        }
        match self.events.recv_timeout(TICK) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.broken_off()),
        }
    }

    /// At the end of each window: whether enough came in it.
    fn check_window(&mut self) -> Result<(), DownloadFault> {
        let FetchConfig { window, window_bytes: expected, .. } = *self.config;
        if self.window_start.elapsed() < window {
            return Ok(());
        }
        if self.window_bytes < expected {
            return Err(DownloadFault::TooSlow { bytes: self.window_bytes, window, expected });
        }
        self.window_start = Instant::now();
        self.window_bytes = 0;
        Ok(())
    }

    fn broken_off(&self) -> DownloadFault {
        let error = io::Error::from(io::ErrorKind::UnexpectedEof);
        DownloadFault::Interrupted { received: self.received, error }
    }
}

impl DownloadFault {
    /// Whether another attempt at the same address may go better.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Request(error) => match **error {
                ureq::Error::Timeout(timeout) => {
                    !matches!(timeout, ureq::Timeout::Resolve | ureq::Timeout::Connect | ureq::Timeout::Global)
                }
                ureq::Error::Io(ref error) => {
                    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof)
                }
                _ => false,
            },
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::Interrupted { .. } | Self::TooSlow { .. } => true,
            Self::NoAnswer { .. }
            | Self::Processor
            | Self::Certificates(_)
            | Self::Deadline { .. }
            | Self::TooLarge { .. }
            | Self::Checksum { .. }
            | Self::Write(_)
            | Self::Stopped => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_in_seconds_or_until_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(asked("120"), Some(Duration::from_mins(2)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_mins(1)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("18446744073709551615"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
