use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How the name of an unfinished file begins.
const PREFIX: &str = ".tinylsa-";
/// How the name of an unfinished file ends.
const SUFFIX: &str = ".part";
/// Links that are followed before a circle is suspected, as Linux does.
const LINKS: usize = 40;

/// Replaces the contents of a file so that its name only ever stands for whole contents: the bytes are written to a
/// temporary name in the same directory, synced, renamed, and the directory is synced.
///
/// A new file gets the permissions that the user's mask allows, an existing one keeps its own. A symbolic link is
/// followed, and its target is replaced. A pipe or a device is written to instead of being replaced.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] if the file is read-only, [`io::ErrorKind::IsADirectory`] if it is a directory,
/// and what the file system says. On an error the old contents stay.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // The system follows links to what has no name of its own, such as the pipe behind /dev/stdout.
    let existing = match fs::metadata(path) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    match &existing {
        Some(metadata) if metadata.is_dir() => {
            Err(io::Error::new(io::ErrorKind::IsADirectory, format!("{} is a directory", path.display())))
        }
        Some(metadata) if metadata.permissions().readonly() => {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} is read-only", path.display())))
        }
        Some(metadata) if !metadata.is_file() => OpenOptions::new().write(true).open(path)?.write_all(bytes),
        Some(_) | None => replace(&follow_links(path)?, bytes, existing.as_ref()),
    }
}

/// Deletes the unfinished files that a killed process left in `dir`, and returns how many there were. To be called only
/// while no other process writes there.
///
/// # Errors
/// What the file system says.
pub fn remove_leftovers(dir: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn replace(path: &Path, bytes: &[u8], existing: Option<&Metadata>) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = temporary_in(dir)?;
    file.write_all(bytes)?;
    if let Some(metadata) = existing {
        file.as_file().set_permissions(metadata.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_dir(dir)
}

/// A temporary file with the permissions of an ordinary one.
fn temporary_in(dir: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir)
}

/// Makes the renaming last. Elsewhere than on Unix a directory cannot be opened, and the system does it.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// The file that a path leads to, which need not exist.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            // Not a link, or nothing there yet.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other(format!("{} is a circle of symbolic links", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_atomically(&path, b"first").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(entries(dir.path()), 1);
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        assert!(write_atomically(Path::new("no/such/directory/file"), b"").is_err());
    }

    #[test]
    fn a_directory_and_a_read_only_file_are_refused_and_stay() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(write_atomically(dir.path(), b"").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let path = dir.path().join("file");
        fs::write(&path, b"kept").unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        assert_eq!(write_atomically(&path, b"new").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::read(&path).unwrap(), b"kept");
    }

    #[test]
    fn only_leftovers_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (_, leftover) = temporary_in(dir.path()).unwrap().keep().unwrap();
        fs::write(dir.path().join("own.part"), b"").unwrap();
        assert_eq!(remove_leftovers(dir.path()).unwrap(), 1);
        assert!(!leftover.exists());
        assert_eq!(entries(dir.path()), 1);
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{PermissionsExt, symlink};

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o777
        }

        #[test]
        fn a_new_file_has_the_mode_of_any_new_file_and_an_old_one_keeps_its_own() {
            let dir = tempfile::tempdir().unwrap();
            let (ordinary, ours) = (dir.path().join("ordinary"), dir.path().join("ours"));
            File::create(&ordinary).unwrap();
            write_atomically(&ours, b"new").unwrap();
            assert_eq!(mode(&ours), mode(&ordinary));
            fs::set_permissions(&ours, Permissions::from_mode(0o640)).unwrap();
            write_atomically(&ours, b"again").unwrap();
            assert_eq!(mode(&ours), 0o640);
        }

        #[test]
        fn a_link_stays_a_link_and_its_target_is_replaced() {
            let dir = tempfile::tempdir().unwrap();
            let (target, link) = (dir.path().join("target"), dir.path().join("link"));
            symlink("target", &link).unwrap();
            for contents in [b"made", b"anew"] {
                write_atomically(&link, contents).unwrap();
                assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
                assert_eq!(fs::read(&target).unwrap(), contents);
            }
            let circle = dir.path().join("circle");
            symlink("circle", &circle).unwrap();
            assert!(write_atomically(&circle, b"").is_err());
        }

        #[test]
        fn a_device_is_written_to_and_not_replaced() {
            write_atomically(Path::new("/dev/null"), b"gone").unwrap();
            assert!(!fs::metadata("/dev/null").unwrap().is_file());
        }

        #[test]
        fn a_pipe_is_written_to_also_through_a_link() {
            let dir = tempfile::tempdir().unwrap();
            let (pipe, link) = (dir.path().join("pipe"), dir.path().join("link"));
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            symlink("pipe", &link).unwrap();
            let reader = std::thread::spawn({
                let pipe = pipe.clone();
                move || fs::read(pipe).unwrap()
            });
            write_atomically(&link, b"through").unwrap();
            assert_eq!(reader.join().unwrap(), b"through");
            assert_eq!(entries(dir.path()), 2);
        }
    }
}
