use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tinylsa_settings::{InvalidSetting, printable_path};

use super::CifarError;
#[cfg(feature = "download")]
use super::DownloadFailure;
#[cfg(feature = "images")]
use super::FolderError;
use super::fault::WrongFile;
use crate::idx::IdxError;

/// Images are not available. The message says what is there instead.
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
    #[error("{} {}", printable_path(directory), missing_in_words(collection, *files, missing, entries))]
    Missing {
        /// What they are files of.
        collection: &'static str,
        /// The number of files that are expected.
        files: usize,
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
    /// A file is none of the binary version of CIFAR-10.
    #[error(transparent)]
    Cifar(#[from] CifarError),
    /// A folder does not hold images in classes.
    #[cfg(feature = "images")]
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A setting of the source is outside its range.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// No address gave a file.
    #[cfg(feature = "download")]
    #[error("failed to download {file}: {}", failures_in_words(failures))]
    Download {
        /// The name of the file.
        file: String,
        /// What went wrong at every address, in the order they were tried.
        failures: Vec<DownloadFailure>,
    },
    /// The download was asked to stop.
    #[cfg(feature = "download")]
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
            | Self::Cifar(_)
            | Self::Setting(_) => false,
            #[cfg(feature = "images")]
            Self::Folder(_) => false,
            #[cfg(feature = "download")]
            Self::Download { .. } | Self::Stopped { .. } => false,
        }
    }

    /// Whether missing files could not be downloaded.
    pub fn is_failed_download(&self) -> bool {
        match self {
            Self::MakeDirectory { .. } => true,
            Self::NoDirectory { .. }
            | Self::Missing { .. }
            | Self::NotADirectory { .. }
            | Self::Directory { .. }
            | Self::Wrong(_)
            | Self::InTheWay(_)
            | Self::Idx(_)
            | Self::Cifar(_)
            | Self::Setting(_) => false,
            #[cfg(feature = "images")]
            Self::Folder(_) => false,
            #[cfg(feature = "download")]
            Self::Download { .. } => true,
            #[cfg(feature = "download")]
            Self::Stopped { .. } => false,
        }
    }
}

fn missing_in_words(collection: &str, files: usize, missing: &[String], entries: &[String]) -> String {
    let all = match files {
        4 => "four".to_owned(),
        other => other.to_string(),
    };
    match (files.saturating_sub(missing.len()), entries) {
        (0, []) => format!("is empty, expected the {all} files of {collection}"),
        (0, entries) => format!("holds no file of {collection}, but {}", entries.join(", ")),
        (found, _) => format!("holds {found} of the {all} files of {collection}, but not {}", missing.join(", ")),
    }
}

#[cfg(feature = "download")]
fn failures_in_words(failures: &[DownloadFailure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
