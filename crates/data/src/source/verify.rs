use std::path::{Path, PathBuf};

use super::fault::FileFault;
use super::inspect::{FileForm, check_directory, read_published};
use super::{Publication, SourceError, SourceFile};

/// What is in a directory that should hold a published collection.
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

/// Compares the four files in `directory` with those of `publication`.
///
/// # Errors
/// [`SourceError`] if it is no directory, or cannot be read.
pub fn verify(publication: &Publication, directory: &Path) -> Result<VerifyReport, SourceError> {
    check_directory(directory)?;
    let verified = |&file: &SourceFile| VerifiedFile { file, found: found(publication, &file, directory) };
    let files = publication.files.iter().map(verified).collect();
    Ok(VerifyReport { directory: directory.to_owned(), files })
}

pub(super) fn found(publication: &Publication, file: &SourceFile, directory: &Path) -> Vec<FoundFile> {
    let inspect = |path: PathBuf| {
        let state = read_published(publication, file, &path).map(|genuine| genuine.form);
        FoundFile { path, state }
    };
    publication.candidates(file, directory).into_iter().map(inspect).collect()
}
