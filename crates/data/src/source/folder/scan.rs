//! What lies in a folder of images.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tinylsa_settings::{counted, printable_path};

use super::FolderError;

/// The name of the list in a folder of images: a line for each class, the directory, and behind a tabulator the name of the
/// class where it is another one.
pub const CLASSES_FILE: &str = "classes.txt";

/// Files that are meant to be images, also those of formats that are refused with their name.
const EXTENSIONS: [&str; 14] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "gif", "bmp", "webp", "tif", "tiff", "heic", "avif", "jxl", "jp2"];

/// A directory of a class.
#[derive(Clone, Debug)]
pub(super) struct ClassFolder {
    pub(super) name: String,
    /// The image files, by name.
    pub(super) files: Vec<PathBuf>,
}

/// The classes in a directory, by name.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) classes: Vec<ClassFolder>,
    pub(super) warnings: Vec<String>,
}

/// An entry of a directory, links followed.
struct Entry {
    path: PathBuf,
    is_directory: bool,
}

/// The names of the directories in a directory, hidden ones apart.
pub(super) fn subdirectories(directory: &Path) -> Result<Vec<String>, FolderError> {
    let directories = entries(directory)?.into_iter().filter(|entry| entry.is_directory);
    directories.map(|entry| name_of(&entry.path)).collect()
}

/// The classes in a directory, each with its files.
pub(super) fn classes_of(directory: &Path) -> Result<Listing, FolderError> {
    let (mut classes, mut strays) = (Vec::new(), 0);
    for entry in entries(directory)? {
        if !entry.is_directory {
            strays += usize::from(entry.path.file_name().is_none_or(|name| name != CLASSES_FILE));
            continue;
        }
        let name = name_of(&entry.path)?;
        let (files, others): (Vec<Entry>, Vec<Entry>) = entries(&entry.path)?.into_iter().partition(Entry::is_image);
        if files.is_empty() {
            return Err(FolderError::EmptyClass { directory: entry.path });
        }
        strays += others.len();
        classes.push(ClassFolder { name, files: files.into_iter().map(|file| file.path).collect() });
    }
    if classes.is_empty() {
        return Err(FolderError::NoClasses { directory: directory.to_owned() });
    }
    classes.sort_by(|left, right| left.name.cmp(&right.name));
    require_different_names(directory, &classes)?;
    let mut warnings = Vec::new();
    if strays > 0 {
        let what = if strays == 1 { "entry that is no image file is" } else { "entries that are no image files are" };
        warnings.push(format!("{strays} {what} left out in {}", printable_path(directory)));
    }
    Ok(Listing { classes, warnings })
}

/// Refuses names that only the case of letters tells apart.
pub(super) fn require_different_names(directory: &Path, classes: &[ClassFolder]) -> Result<(), FolderError> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for class in classes {
        if let Some(first) = seen.insert(class.name.to_lowercase(), &class.name) {
            let (first, second) = (first.to_owned(), class.name.clone());
            return Err(FolderError::ClashingNames { directory: directory.to_owned(), first, second });
        }
    }
    Ok(())
}

/// What a directory holds, by name, without what is hidden, such as the notes of a file manager.
fn entries(directory: &Path) -> Result<Vec<Entry>, FolderError> {
    let unreadable = |error| FolderError::Unreadable { directory: directory.to_owned(), error };
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        // A link that leads nowhere is no directory, and as a file it is counted among the unreadable ones.
        let is_directory = fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        entries.push(Entry { path, is_directory });
    }
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(entries)
}

impl Entry {
    fn is_image(&self) -> bool {
        let extension = self.path.extension().unwrap_or_default().to_ascii_lowercase();
        !self.is_directory && EXTENSIONS.iter().any(|known| extension == *known)
    }
}

fn name_of(directory: &Path) -> Result<String, FolderError> {
    let name = directory.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.ok_or_else(|| FolderError::ClassName { directory: directory.to_owned() })
}

/// The first files that could not be read, and how many there are.
pub(super) fn unreadable_in_words(paths: &[PathBuf]) -> String {
    const NAMED: usize = 3;
    let named: Vec<String> = paths.iter().take(NAMED).map(|path| printable_path(path)).collect();
    let rest = paths.len().saturating_sub(NAMED);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{} could not be read and left out: {}{more}", counted(paths.len(), "file"), named.join(", "))
}
