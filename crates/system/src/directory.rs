use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::write::{PREFIX, SUFFIX, dir_of, sync_dir};

/// Makes a directory that holds these files, by their names, and nothing else: they are written into a temporary directory
/// beside it, synced, and the directory gets its name last. Directories above it are made if they are missing.
///
/// # Errors
/// As [`require_new_directory`], and what the file system says. Nothing is left under the name of the directory then.
pub fn write_directory(path: &Path, files: &[(&str, &[u8])]) -> io::Result<()> {
    require_new_directory(path)?;
    let parent = dir_of(path);
    fs::create_dir_all(parent)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let unfinished = builder.prefix(PREFIX).suffix(SUFFIX).tempdir_in(parent)?;
    for (name, bytes) in files {
        let mut file = File::create_new(unfinished.path().join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    sync_dir(unfinished.path())?;
    if path.is_dir() {
        // an empty one, whose place another system than Unix would not give away
        fs::remove_dir(path)?;
    }
    fs::rename(unfinished.path(), path)?;
    // It has another name now, so that there is nothing to delete.
    drop(unfinished.keep());
    sync_dir(parent)
}

/// Refuses a path that [`write_directory`] would refuse, before the files are made.
///
/// # Errors
/// [`io::ErrorKind::DirectoryNotEmpty`] if it is a directory that holds something, [`io::ErrorKind::AlreadyExists`] if it
/// is anything else.
pub fn require_new_directory(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if !metadata.is_dir() => {
            let text = format!("{} is not a directory", path.display());
            Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
        }
        Ok(_) => match fs::read_dir(path)?.next() {
            None => Ok(()),
            Some(entry) => {
                let example = entry?.file_name();
                let text = format!(
                    "{} holds files, such as {}; choose an empty or a new directory",
                    path.display(),
                    example.to_string_lossy()
                );
                Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, text))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_directory_appears_with_all_its_files() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/model");
        write_directory(&path, &[("a", b"first"), ("b", b"second")]).unwrap();
        assert_eq!(names(&path), ["a", "b"]);
        assert_eq!(fs::read(path.join("b")).unwrap(), b"second");
        assert_eq!(names(path.parent().unwrap()), ["model"]);

        let empty = parent.path().join("empty");
        fs::create_dir(&empty).unwrap();
        write_directory(&empty, &[("a", b"")]).unwrap();
        assert_eq!(names(&empty), ["a"]);
    }

    #[test]
    fn what_is_there_stays() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("model");
        write_directory(&path, &[("a", b"first")]).unwrap();
        let error = write_directory(&path, &[("a", b"second")]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::DirectoryNotEmpty);
        assert!(error.to_string().contains("such as a;"), "{error}");
        assert_eq!(fs::read(path.join("a")).unwrap(), b"first");
        let file = path.join("a");
        assert_eq!(write_directory(&file, &[]).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(parent.path()), ["model"]);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_no_directory() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("model");
        write_directory(&path, &[("a", b""), ("no/such/b", b"")]).unwrap_err();
        assert_eq!(names(parent.path()), Vec::<String>::new());
    }

    #[cfg(unix)]
    #[test]
    fn the_directory_has_the_mode_of_any_new_one() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let (ordinary, ours) = (parent.path().join("ordinary"), parent.path().join("ours"));
        fs::create_dir(&ordinary).unwrap();
        write_directory(&ours, &[]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
    }
}
