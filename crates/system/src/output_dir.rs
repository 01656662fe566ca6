use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use thiserror::Error;

use crate::write::remove_leftovers;

/// The file that marks a directory as an output of this program. It holds the kind of output, and its lock is held
/// while a process writes there.
pub const MARKER: &str = ".tinylsa";

const LOCK_ATTEMPTS: usize = 4;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// A directory that this process alone writes to. The claim ends when the value is dropped or the process ends, however
/// it ends.
#[derive(Debug)]
pub struct OutputDir {
    path: PathBuf,
    /// Holds the lock.
    _marker: File,
}

/// A directory that cannot be claimed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The directory holds files that this program did not write.
    #[error(
        "{} holds other files, such as {example}; choose an empty or a new directory", path.display()
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// The name of one of its files.
        example: String,
    },
    /// The directory holds another kind of output.
    #[error("{} holds the output of another command ({found}, expected {expected})", path.display())]
    OtherKind {
        /// The directory.
        path: PathBuf,
        /// What its marker says.
        found: String,
        /// What was to be written there.
        expected: String,
    },
    /// Another process writes to the directory.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The path is not a directory, or the file system refuses.
    #[error("failed to prepare the directory {}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OutputDir {
    /// Claims `path` for output of this `kind`, such as "run". The directory is made if it is missing, and taken if it
    /// is empty or holds the same kind of output. Unfinished files of a killed process are deleted from it.
    ///
    /// # Errors
    /// [`ClaimError`] says what the directory holds, or who uses it. Nothing in it is changed then.
    pub fn claim(path: &Path, kind: &str) -> Result<Self, ClaimError> {
        let io = |source| ClaimError::Io { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(io)?;
        let marker_path = path.join(MARKER);
        if !marker_path.is_file()
            && let Some(example) = first_entry(path).map_err(io)?
        {
            return Err(ClaimError::NotOurs { path: path.to_owned(), example });
        }
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut marker = options.open(&marker_path).map_err(io)?;
        match lock(&marker) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ClaimError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut found = String::new();
        marker.read_to_string(&mut found).map_err(io)?;
        let found = found.trim();
        if found.is_empty() {
            // New, or its writer was killed before this line.
            writeln!(marker, "{kind}").and_then(|()| marker.sync_all()).map_err(io)?;
        } else if found != kind {
            let (found, expected) = (found.to_owned(), kind.to_owned());
            return Err(ClaimError::OtherKind { path: path.to_owned(), found, expected });
        }
        remove_leftovers(path).map_err(io)?;
        Ok(Self { path: path.to_owned(), _marker: marker })
    }

    /// The kind of output that a directory holds, if this program wrote it. What is no text in a damaged marker is
    /// replaced.
    pub fn kind_of(path: &Path) -> Option<String> {
        let text = crate::read_at_most(&path.join(MARKER), 1024).ok()?;
        Some(String::from_utf8_lossy(&text).trim_end_matches('\n').to_owned())
    }

    /// Whether a process holds the claim on a directory. A directory that was never claimed is not in use.
    pub fn is_in_use(path: &Path) -> bool {
        let Ok(marker) = File::open(path.join(MARKER)) else { return false };
        matches!(marker.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Locks a marker. [`OutputDir::is_in_use`] of another process may hold it for a moment, so one refusal proves nothing.
fn lock(marker: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_ATTEMPTS {
        match marker.try_lock() {
            Err(TryLockError::WouldBlock) => sleep(LOCK_PAUSE),
            result => return result,
        }
    }
    marker.try_lock()
}

/// The name of the first thing in a directory, in the order of names.
fn first_entry(dir: &Path) -> io::Result<Option<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names.into_iter().filter(|name| name != MARKER).min())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_is_refused_until_the_first_ends() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/run");
        let first = OutputDir::claim(&path, "run").unwrap();
        assert!(matches!(OutputDir::claim(&path, "run"), Err(ClaimError::InUse { .. })));
        assert!(OutputDir::is_in_use(&path));
        drop(first);
        assert!(!OutputDir::is_in_use(&path));
        let again = OutputDir::claim(&path, "run").unwrap();
        assert_eq!(again.path(), path);
        assert_eq!(OutputDir::kind_of(&path).as_deref(), Some("run"));
    }

    #[test]
    fn a_directory_with_files_of_others_is_refused_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), b"years of work").unwrap();
        let error = OutputDir::claim(dir.path(), "run").unwrap_err();
        assert!(error.to_string().contains("thesis.tex"), "{error}");
        assert!(!OutputDir::is_in_use(dir.path()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn another_kind_of_output_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(OutputDir::claim(dir.path(), "sweep").unwrap());
        let error = OutputDir::claim(dir.path(), "run").unwrap_err();
        assert!(error.to_string().contains("sweep, expected run"), "{error}");
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"").unwrap();
        assert!(matches!(OutputDir::claim(&path, "run"), Err(ClaimError::Io { .. })));
    }

    #[test]
    fn what_a_killed_process_left_is_cleaned() {
        let dir = tempfile::tempdir().unwrap();
        drop(OutputDir::claim(dir.path(), "run").unwrap());
        fs::write(dir.path().join(".tinylsa-abc123.part"), b"half").unwrap();
        drop(OutputDir::claim(dir.path(), "run").unwrap());
        assert!(!dir.path().join(".tinylsa-abc123.part").exists());
    }
}
