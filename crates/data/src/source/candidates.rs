//! Under which names the files of a publication may lie.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Publication, SourceFile};

/// What is found under a name.
enum Entry {
    Absent,
    Present,
    /// Something may be there, but the system does not let it be seen.
    Unreadable,
}

fn entry(path: &Path) -> Entry {
    match fs::metadata(path) {
        Ok(_) => Entry::Present,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Entry::Absent,
        Err(_) => Entry::Unreadable,
    }
}

impl Publication {
    /// Everything that has a name of `file`, in `directory` or below it where torchvision puts the files: packed or not,
    /// and with the dot before `idx` that other copies have.
    pub(crate) fn candidates(&self, file: &SourceFile, directory: &Path) -> Vec<PathBuf> {
        candidates(file.unpacked_name(), &["", "raw", self.torchvision], directory)
    }
}

/// Everything that has a name of an IDX file: packed or not, with a dash before `idx` or a dot.
pub(super) fn candidates(unpacked: &str, below: &[&str], directory: &Path) -> Vec<PathBuf> {
    let dotted = unpacked.replacen("-idx", ".idx", 1);
    let mut names = vec![format!("{unpacked}.gz"), unpacked.to_owned()];
    if dotted != unpacked {
        names.extend([format!("{dotted}.gz"), dotted]);
    }
    let mut candidates = Vec::new();
    for path in below.iter().flat_map(|part| names.iter().map(move |name| directory.join(part).join(name))) {
        match entry(&path) {
            Entry::Absent => {}
            Entry::Present => candidates.push(path),
            Entry::Unreadable => {
                candidates.push(path);
                // What the system refuses to show under one name, it refuses under the others, too.
                break;
            }
        }
    }
    candidates
}

/// Whether `directory` holds any of the four files, in any form and whatever they contain.
pub fn holds_files_of(publication: &Publication, directory: &Path) -> bool {
    publication.files.iter().any(|file| !publication.candidates(file, directory).is_empty())
}
