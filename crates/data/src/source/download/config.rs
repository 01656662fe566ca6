//! The settings of a download.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::Certificates;
use crate::source::Publication;

/// How files are downloaded.
///
/// The addresses take turns: one that fails gives way to the next at once, and comes back after a pause if its failure
/// may pass. Such failures are a refusal for the moment (status 408, 429, 5xx) and an answer that stalls, drips or
/// breaks off; a missing network or host is none, so a machine without a network learns so within seconds. An address
/// that starts with `https` is never left for an unencrypted one by a redirect.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// The addresses of the directories with the files; none takes the publisher's.
    pub base_urls: Vec<String>,
    /// Attempts at each address for each file, at least 1.
    pub attempts: u32,
    /// Pause before the second attempt at an address; it doubles with every further one. A `Retry-After` of the server
    /// that is longer is waited for instead.
    pub first_pause: Duration,
    /// The longest time to find the host and to connect, each.
    pub connect_timeout: Duration,
    /// The longest time until a connected server begins to answer.
    pub response_timeout: Duration,
    /// An answer is given up if in a window of this length ...
    pub window: Duration,
    /// ... it brings fewer bytes than this.
    pub window_bytes: u64,
    /// The longest time for everything: all files, all addresses, all attempts and pauses.
    pub deadline: Duration,
    /// What encrypted connections are checked against.
    pub certificates: Certificates,
    /// Set by anybody, this ends the download within a second.
    pub stop: Arc<AtomicBool>,
}

impl Default for FetchConfig {
    /// The publisher's addresses, ten minutes for everything, and at least 16 KiB a second: at less, the files could not
    /// be complete in ten minutes.
    fn default() -> Self {
        Self {
            base_urls: Vec::new(),
            attempts: 3,
            first_pause: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(4),
            response_timeout: Duration::from_secs(10),
            window: Duration::from_secs(10),
            window_bytes: 160 << 10,
            deadline: Duration::from_mins(10),
            certificates: Certificates::Mozilla,
            stop: Arc::default(),
        }
    }
}

impl FetchConfig {
    /// The same with the publisher's addresses, if there are none.
    pub(super) fn for_publication(&self, publication: &Publication) -> Self {
        let base_urls = if self.base_urls.is_empty() {
            publication.base_urls.iter().map(|&url| url.to_owned()).collect()
        } else {
            self.base_urls.clone()
        };
        Self { base_urls, ..self.clone() }
    }
}
