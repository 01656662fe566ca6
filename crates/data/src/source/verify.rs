use std::path::{Path, PathBuf};
use std::{fs, io};

use tinylsa_system::sha256_hex;

use super::{FASHION_MNIST_FILES, SourceFile};

/// What is in a directory that should hold Fashion-MNIST.
#[derive(Debug)]
pub struct VerifyReport {
    /// The directory.
    pub directory: PathBuf,
    /// The four files.
    pub files: Vec<VerifiedFile>,
}

impl VerifyReport {
    /// Whether every gzip file is there and has its published checksum.
    pub fn is_intact(&self) -> bool {
        self.files.iter().all(|file| matches!(file.state, FileState::Intact))
    }
}

/// The state of one file.
#[derive(Debug)]
pub struct VerifiedFile {
    /// Which file.
    pub file: SourceFile,
    /// How it is.
    pub state: FileState,
}

/// How a file compares with its publication.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileState {
    /// Neither the gzip file nor the unpacked one is there.
    Missing,
    /// The gzip file has its published checksum.
    Intact,
    /// The gzip file has another checksum than the published one, `file.sha256`.
    Altered {
        /// Its SHA-256 in hexadecimal.
        found: String,
    },
    /// Only the unpacked file is there, for which no checksum is published.
    Unpacked {
        /// Its SHA-256 in hexadecimal.
        found: String,
    },
    /// The file cannot be read.
    Unreadable(io::Error),
}

/// Compares the four files in `directory` with their published checksums.
pub fn verify(directory: &Path) -> VerifyReport {
    let files = FASHION_MNIST_FILES.map(|file| VerifiedFile { file, state: state(file, directory) });
    VerifyReport { directory: directory.to_owned(), files: files.into() }
}

pub(super) fn state(file: SourceFile, directory: &Path) -> FileState {
    let Some(path) = file.locate(directory) else { return FileState::Missing };
    match fs::read(&path).map(|bytes| sha256_hex(&bytes)) {
        Err(error) => FileState::Unreadable(error),
        Ok(found) if !file.is_packed(&path) => FileState::Unpacked { found },
        Ok(found) if found == file.sha256 => FileState::Intact,
        Ok(found) => FileState::Altered { found },
    }
}
