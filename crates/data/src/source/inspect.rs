//! What a file on this disk is: one of the published ones, in whichever form, or something else.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tinylsa_settings::{printable, printable_path};
use tinylsa_system::{read_at_most, sha256_hex};

use super::fault::{FileFault, WrongFile};
use super::publications::PUBLICATIONS;
use super::{Publication, SourceError, SourceFile};
use crate::file_kind::kind;
use crate::idx::{GZIP_MAGIC, largest_packed};

/// How many entries of a directory an error names.
const SHOWN_ENTRIES: usize = 3;

/// The form in which a published file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileForm {
    /// As it was published, to the byte.
    Published,
    /// Packed with gzip again; the content is the published one.
    Repacked,
    /// Unpacked; the content is the published one.
    Unpacked,
}

/// The content of a published file.
pub(super) struct Genuine {
    pub(super) path: PathBuf,
    pub(super) form: FileForm,
    /// Unpacked.
    pub(super) content: Vec<u8>,
    /// Other files of this name that are something else.
    pub(super) warnings: Vec<String>,
}

/// Requires a directory that can be listed.
pub(super) fn check_directory(directory: &Path) -> Result<(), SourceError> {
    let directory_error = |error| SourceError::Directory { directory: directory.to_owned(), error };
    match fs::metadata(directory) {
        Ok(metadata) if !metadata.is_dir() => {
            Err(SourceError::NotADirectory { path: directory.to_owned(), found: kind(&metadata) })
        }
        Ok(_) => fs::read_dir(directory).map(drop).map_err(directory_error),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(SourceError::NoDirectory { directory: directory.to_owned() })
        }
        Err(error) => Err(directory_error(error)),
    }
}

/// The names of the first things in a directory, the number of those that are left out behind them.
pub(super) fn entries(directory: &Path) -> Result<Vec<String>, SourceError> {
    let listed = || -> io::Result<Vec<String>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let mut names = listed().map_err(|error| SourceError::Directory { directory: directory.to_owned(), error })?;
    names.sort();
    let more = names.len().saturating_sub(SHOWN_ENTRIES);
    names.truncate(SHOWN_ENTRIES);
    let mut shown: Vec<String> = names.iter().map(|name| printable(name).into_owned()).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    Ok(shown)
}

/// The published content of `file`, from whichever of its forms in `directory` has it.
pub(super) fn read_genuine(
    publication: &Publication,
    file: &SourceFile,
    directory: &Path,
) -> Result<Genuine, SourceError> {
    let mut genuine: Option<Genuine> = None;
    let mut wrong = Vec::new();
    for path in publication.candidates(file, directory) {
        match read_published(publication, file, &path) {
            Ok(found) => genuine = genuine.or(Some(found)),
            Err(fault) => wrong.push(WrongFile { path, fault }),
        }
    }
    match genuine {
        Some(mut genuine) => {
            let read = printable_path(&genuine.path);
            let warning = |wrong| format!("{wrong}; {read} has the published content and is read instead");
            genuine.warnings = wrong.iter().map(warning).collect();
            Ok(genuine)
        }
        None => Err(wrong.into_iter().next().map_or_else(
            // It was there a moment ago.
            || SourceError::Missing {
                collection: publication.title,
                directory: directory.to_owned(),
                missing: vec![file.name.to_owned()],
                files: publication.files.len(),
                entries: Vec::new(),
            },
            SourceError::Wrong,
        )),
    }
}

/// The content of the file at `path`, if it is that of `file`.
pub(super) fn read_published(publication: &Publication, file: &SourceFile, path: &Path) -> Result<Genuine, FileFault> {
    let metadata = fs::metadata(path).map_err(FileFault::Unreadable)?;
    if !metadata.is_file() {
        // Opening a pipe waits for a writer, and a device never ends.
        return Err(FileFault::NotAFile { found: kind(&metadata) });
    }
    let limit = largest_packed(file.content_bytes);
    let bytes = read_at_most(path, limit).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => FileFault::TooLarge { limit },
        _ => FileFault::Unreadable(error),
    })?;
    recognise(publication, file, path, bytes)
}

/// The same for the bytes of the file.
pub(super) fn recognise(
    publication: &Publication,
    file: &SourceFile,
    path: &Path,
    bytes: Vec<u8>,
) -> Result<Genuine, FileFault> {
    let (path, warnings) = (path.to_owned(), Vec::new());
    if !bytes.starts_with(&GZIP_MAGIC) {
        check_content(file, &bytes)?;
        return Ok(Genuine { path, form: FileForm::Unpacked, content: bytes, warnings });
    }
    let packed_sha256 = sha256_hex(&bytes);
    if let Some(other) = other_publication(publication, &packed_sha256) {
        return Err(FileFault::OtherCollection { collection: other.title, expected: publication.title });
    }
    let content = unpack(&bytes, file.content_bytes)?;
    let form = if packed_sha256 == file.sha256 { FileForm::Published } else { FileForm::Repacked };
    if form == FileForm::Repacked {
        check_content(file, &content)?;
    }
    Ok(Genuine { path, form, content, warnings })
}

/// The other collection that a file of this checksum is from: they all call their files alike.
fn other_publication(publication: &Publication, packed_sha256: &str) -> Option<&'static Publication> {
    let mut others = PUBLICATIONS.iter().copied().filter(|other| other.id != publication.id);
    others.find(|other| other.files.iter().any(|file| file.sha256 == packed_sha256))
}

fn check_content(file: &SourceFile, content: &[u8]) -> Result<(), FileFault> {
    let Some(expected) = file.content_sha256 else {
        return Err(FileFault::Unverifiable { expected: file.sha256 });
    };
    let sha256 = sha256_hex(content);
    if sha256 == expected {
        return Ok(());
    }
    Err(FileFault::OtherContent { bytes: content.len() as u64, sha256, expected_bytes: file.content_bytes, expected })
}

/// What a gzip file unpacks to, and never more than `expected` bytes.
fn unpack(bytes: &[u8], expected: u64) -> Result<Vec<u8>, FileFault> {
    let mut content = Vec::new();
    let unpacked = MultiGzDecoder::new(bytes).take(expected.saturating_add(1)).read_to_end(&mut content);
    unpacked.map_err(FileFault::Damaged)?;
    if content.len() as u64 > expected { Err(FileFault::Overlong { expected }) } else { Ok(content) }
}
