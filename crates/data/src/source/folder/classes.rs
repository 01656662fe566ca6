//! The list of classes that a folder may hold: which directory is which class, in the order of the labels.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tinylsa_system::read_at_most;

use super::scan::{CLASSES_FILE, ClassFolder, require_different_names};
use super::{ClassesFault, FolderError};

/// Names of ten thousand classes take less.
const LARGEST_LIST: u64 = 1 << 22;

/// The list of a folder.
pub(super) struct ClassList {
    path: PathBuf,
    entries: Vec<Entry>,
}

struct Entry {
    directory: String,
    name: String,
}

impl ClassList {
    /// The list in a folder; nothing if it has none.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, FolderError> {
        let path = folder.join(CLASSES_FILE);
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let wrong = |fault| FolderError::Classes { path: path.clone(), fault };
        let bytes = read_at_most(&path, LARGEST_LIST).map_err(|error| wrong(ClassesFault::Unreadable(error)))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong(ClassesFault::NoText))?;
        let mut entries: Vec<Entry> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let (directory, name) = line.split_once('\t').unwrap_or((line, line));
            let line = number + 1;
            if directory.trim().is_empty() || name.trim().is_empty() {
                return Err(wrong(ClassesFault::Unnamed { line }));
            }
            if entries.iter().any(|entry| entry.directory == directory) {
                return Err(wrong(ClassesFault::Repeated { directory: directory.to_owned(), line }));
            }
            entries.push(Entry { directory: directory.to_owned(), name: name.to_owned() });
        }
        Ok(Some(Self { path, entries }))
    }

    /// The same classes in the order and with the names of the list.
    pub(super) fn applied(&self, mut classes: Vec<ClassFolder>) -> Result<Vec<ClassFolder>, FolderError> {
        let wrong = |fault| FolderError::Classes { path: self.path.clone(), fault };
        let mut listed = Vec::with_capacity(classes.len());
        for (number, Entry { directory, name }) in self.entries.iter().enumerate() {
            let Some(position) = classes.iter().position(|class| class.name == *directory) else {
                return Err(wrong(ClassesFault::NoDirectory { directory: directory.clone(), line: number + 1 }));
            };
            listed.push(ClassFolder { name: name.clone(), ..classes.swap_remove(position) });
        }
        if let Some(left) = classes.into_iter().next() {
            return Err(wrong(ClassesFault::Left { directory: left.name }));
        }
        require_different_names(self.path.parent().unwrap_or(Path::new("")), &listed)?;
        Ok(listed)
    }
}
