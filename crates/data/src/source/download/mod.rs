//! Downloads of published files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tinylsa_system::remove_leftovers;

pub use certificates::Certificates;
pub use config::FetchConfig;
pub use error::{DownloadFailure, DownloadFault};

use super::fault::WrongFile;
use super::inspect::check_directory;
use super::verify::found;
use super::{Publication, SourceError, SourceFile};
use transfer::{TICK, Transfer, transfer};

mod certificates;
mod config;
mod error;
mod transfer;

/// Downloads into `directory` those of the four files of `publication` whose content is not there in any form.
///
/// A file appears under its name only whole, checked and synced to the disk. What a killed download left is removed
/// first. A file that is there and is another one is never replaced.
///
/// # Errors
/// [`SourceError`] if a file is in the way, or no address gave one.
pub fn fetch(publication: &Publication, directory: &Path, config: &FetchConfig) -> Result<(), SourceError> {
    let mut wanted = Vec::new();
    for file in publication.files {
        let found = found(publication, &file, directory);
        if found.iter().any(|found| found.state.is_ok()) {
            continue;
        }
        let target = directory.join(file.name);
        for found in found {
            if let Err(fault) = found.state
                && found.path == target
            {
                return Err(SourceError::InTheWay(WrongFile { path: target, fault }));
            }
        }
        wanted.push(file);
    }
    fetch_files(&wanted, directory, &config.for_publication(publication))
}

/// Downloads those of the four files of `publication` of which there is nothing in `directory`. Files that are there are
/// left for the reader to judge.
pub(super) fn fetch_absent(
    publication: &Publication,
    directory: &Path,
    config: &FetchConfig,
) -> Result<(), SourceError> {
    let is_absent = |file: &SourceFile| publication.candidates(file, directory).is_empty();
    let absent: Vec<SourceFile> = publication.files.into_iter().filter(is_absent).collect();
    fetch_files(&absent, directory, &config.for_publication(publication))
}

/// Downloads `files`, none of which is there.
pub(super) fn fetch_files(files: &[SourceFile], directory: &Path, config: &FetchConfig) -> Result<(), SourceError> {
    if files.is_empty() {
        return Ok(());
    }
    if !directory.exists() {
        fs::create_dir_all(directory)
            .map_err(|error| SourceError::MakeDirectory { directory: directory.to_owned(), error })?;
    }
    check_directory(directory)?;
    remove_leftovers(directory).map_err(|error| SourceError::Directory { directory: directory.to_owned(), error })?;
    let mut download = Download::new(directory, config);
    files.iter().try_for_each(|file| download.fetch(file))
}

/// Some files on their way from some addresses.
struct Download<'a> {
    directory: &'a Path,
    config: &'a FetchConfig,
    started: Instant,
    /// The one that gave the last file first.
    addresses: Vec<Address<'a>>,
}

/// An address and how it behaved.
struct Address<'a> {
    base_url: &'a str,
    /// Attempts left for the file under way.
    attempts: u32,
    /// When it may be asked again.
    ready: Instant,
    /// The pause after the next failure.
    pause: Duration,
    /// The last failure for the file under way.
    fault: Option<DownloadFault>,
}

impl<'a> Download<'a> {
    fn new(directory: &'a Path, config: &'a FetchConfig) -> Self {
        let now = Instant::now();
        let address = |base_url: &'a String| Address {
            base_url,
            attempts: 0,
            ready: now,
            pause: config.first_pause,
            fault: None,
        };
        let addresses = config.base_urls.iter().map(address).collect();
        Self { directory, config, started: now, addresses }
    }

    fn fetch(&mut self, file: &SourceFile) -> Result<(), SourceError> {
        let now = Instant::now();
        for address in &mut self.addresses {
            address.begin(self.config, now);
        }
        while let Some(position) = self.next() {
            match self.attempt(position, file) {
                Ok(()) => {
                    self.addresses[..=position].rotate_right(1);
                    return Ok(());
                }
                Err(DownloadFault::Stopped) => return Err(SourceError::Stopped { file: file.name.to_owned() }),
                Err(fault) => {
                    let address = &mut self.addresses[position];
                    tracing::warn!(url = address.url(file), "download failed: {fault}");
                    address.failed(fault, self.started, self.config.deadline);
                }
            }
        }
        let failure = |address: &mut Address<'_>| {
            let fault = address.fault.take().unwrap_or(DownloadFault::Deadline { deadline: self.config.deadline });
            DownloadFailure { url: address.url(file), fault }
        };
        Err(SourceError::Download {
            file: file.name.to_owned(),
            failures: self.addresses.iter_mut().map(failure).collect(),
        })
    }

    /// The address that may be asked first, of those that have attempts left.
    fn next(&self) -> Option<usize> {
        let left = self.addresses.iter().enumerate().filter(|(_, address)| address.attempts > 0);
        left.min_by_key(|(_, address)| address.ready).map(|(position, _)| position)
    }

    fn attempt(&self, position: usize, file: &SourceFile) -> Result<(), DownloadFault> {
        let address = &self.addresses[position];
        while let Some(left) = address.ready.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            if self.config.stop.load(Ordering::Relaxed) {
                return Err(DownloadFault::Stopped);
            }
            thread::sleep(left.min(TICK));
        }
        let url = address.url(file);
        tracing::info!(url, "downloading");
        let path: PathBuf = self.directory.join(file.name);
        transfer(&Transfer { url: &url, file, path: &path, config: self.config, started: self.started })
    }
}

impl Address<'_> {
    fn begin(&mut self, config: &FetchConfig, now: Instant) {
        self.attempts = config.attempts.max(1);
        self.ready = self.ready.max(now);
        self.pause = config.first_pause;
        self.fault = None;
    }

    fn url(&self, file: &SourceFile) -> String {
        format!("{}/{}", self.base_url.trim_end_matches('/'), file.name)
    }

    fn failed(&mut self, fault: DownloadFault, started: Instant, deadline: Duration) {
        let now = Instant::now();
        let pause = match &fault {
            DownloadFault::Status { retry_after: Some(asked), .. } => self.pause.max(*asked),
            _ => self.pause,
        };
        let ready = now.checked_add(pause).filter(|ready| ready.duration_since(started) < deadline);
        match ready {
            Some(ready) if fault.may_pass() => {
                self.attempts -= 1;
                self.ready = ready;
                self.pause = self.pause.saturating_mul(2);
            }
            Some(_) | None => self.attempts = 0,
        }
        self.fault = Some(fault);
    }
}
