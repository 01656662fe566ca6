use std::path::{Path, PathBuf};

use super::inspect::{FileFault, FileForm, check_directory, read_published};
use super::{FASHION_MNIST_FILES, SourceError, SourceFile};

/// What is in a directory that should hold Fashion-MNIST.
#[derive(Debug)]
pub struct VerifyReport {
    /// The directory.
    pub directory: PathBuf,
    /// The four files.
    pub files: Vec<VerifiedFile>,
}

impl VerifyReport {
    /// Whether the content of every file is there, in whichever form: exactly then it can be read.
    pub fn is_intact(&self) -> bool {
        self.files.iter().all(VerifiedFile::is_intact)
    }
}

/// One of the published files, and what was found under its name.
#[derive(Debug)]
pub struct VerifiedFile {
    /// Which file.
    pub file: SourceFile,
    /// Everything under one of its names; empty if it is missing.
    pub found: Vec<FoundFile>,
}

impl VerifiedFile {
    /// Whether its content is there.
    pub fn is_intact(&self) -> bool {
        self.found.iter().any(|found| found.state.is_ok())
    }
}

/// A file that has the name of a published one.
#[derive(Debug)]
pub struct FoundFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its form if it is the published one, or what it is instead.
    pub state: Result<FileForm, FileFault>,
}

/// Compares the four files in `directory` with those that were published.
///
/// # Errors
/// [`SourceError`] if it is no directory, or cannot be read.
pub fn verify(directory: &Path) -> Result<VerifyReport, SourceError> {
    verify_files(&FASHION_MNIST_FILES, directory)
}

pub(super) fn verify_files(files: &[SourceFile], directory: &Path) -> Result<VerifyReport, SourceError> {
    check_directory(directory)?;
    let files = files.iter().map(|&file| VerifiedFile { file, found: found(&file, directory) }).collect();
    Ok(VerifyReport { directory: directory.to_owned(), files })
}

pub(super) fn found(file: &SourceFile, directory: &Path) -> Vec<FoundFile> {
    let inspect = |path: PathBuf| {
        let state = read_published(file, &path).map(|genuine| genuine.form);
        FoundFile { path, state }
    };
    file.candidates(directory).into_iter().map(inspect).collect()
}
