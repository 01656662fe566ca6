use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How the name of an unfinished file begins.
pub(crate) const PREFIX: &str = ".tinylsa-";
/// How the name of an unfinished file ends.
pub(crate) const SUFFIX: &str = ".part";
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
    match existing(path)? {
        Some(metadata) if metadata.is_dir() => {
            Err(io::Error::new(io::ErrorKind::IsADirectory, format!("{} is a directory", path.display())))
        }
        Some(metadata) if !metadata.is_file() => OpenOptions::new().write(true).open(path)?.write_all(bytes),
        existing @ (Some(_) | None) => {
            let mut file = AtomicFile::replacing(follow_links(path)?, existing.as_ref())?;
            file.write_all(bytes)?;
            file.commit()
        }
    }
}

/// A file that appears under its name whole or not at all, for contents that come piece by piece. Until
/// [`commit`](Self::commit) its bytes lie under a temporary name in the same directory, which goes away when the value is
/// dropped. [`write_atomically`] is the short form for contents that are at hand.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    /// Locked while it lives, so that [`remove_leftovers`] of another process leaves it alone.
    unfinished: NamedTempFile,
    /// Of the file that is replaced.
    permissions: Option<Permissions>,
}

impl AtomicFile {
    /// Starts the file that is to appear as `path`. Permissions and links are treated as by [`write_atomically`].
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] if there is a read-only file, [`io::ErrorKind::InvalidInput`] if there is
    /// something else than a file, and what the file system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = follow_links(path)?;
        let existing = existing(&path)?;
        if existing.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not a file", path.display())));
        }
        Self::replacing(path, existing.as_ref())
    }

    fn replacing(path: PathBuf, existing: Option<&Metadata>) -> io::Result<Self> {
        let unfinished = locked_temporary_in(dir_of(&path))?;
        Ok(Self { path, unfinished, permissions: existing.map(Metadata::permissions) })
    }

    /// Makes the file last and gives it its name.
    ///
    /// # Errors
    /// What the file system says. Nothing is left then but what was there before.
    pub fn commit(self) -> io::Result<()> {
        let Self { path, unfinished, permissions } = self;
        if let Some(permissions) = permissions {
            unfinished.as_file().set_permissions(permissions)?;
        }
        unfinished.as_file().sync_all()?;
        unfinished.persist(&path).map_err(|error| error.error)?;
        sync_dir(dir_of(&path))
    }
}

// Through the file itself: the errors of the wrapper name the temporary file, which means nothing to a user.
impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unfinished.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unfinished.as_file_mut().flush()
    }
}

/// Deletes the unfinished files that a killed process left in `dir`, and returns how many there were. Those that a
/// process is still writing stay.
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
            removed += usize::from(remove_leftover(&entry.path())?);
        }
    }
    Ok(removed)
}

/// Deletes an unfinished file, unless its writer lives.
fn remove_leftover(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Its writer just finished it, or gave up.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            result => result.map(|()| true),
        },
        // Locked, or on a file system without locks, where nothing tells whether the writer lives.
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => Ok(false),
    }
}

/// What is at `path`, if anything.
fn existing(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.permissions().readonly() => {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} is read-only", path.display())))
        }
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The directory that a path lies in.
pub(crate) fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file that this process holds the lock of.
fn locked_temporary_in(dir: &Path) -> io::Result<NamedTempFile> {
    loop {
        let file = temporary_in(dir)?;
        match file.as_file().try_lock() {
            // Another process may have taken it for a leftover before it was locked.
            Ok(()) if !file.path().exists() => {}
            Err(TryLockError::WouldBlock) => {}
            // A file system without locks, on which leftovers are never removed.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// A temporary file with the permissions of an ordinary one.
fn temporary_in(dir: &Path) -> io::Result<NamedTempFile> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    // The own way to open it keeps the temporary name out of the error.
    tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).make_in(dir, |path| options.open(path))
}

/// Makes the renaming last. Elsewhere than on Unix a directory cannot be opened, and the system does it.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
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

    #[test]
    fn a_file_that_is_being_written_is_no_leftover() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"first, ").unwrap();
        assert_eq!(remove_leftovers(dir.path()).unwrap(), 0);
        file.write_all(b"second").unwrap();
        assert!(!path.exists());
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first, second");
        assert_eq!(entries(dir.path()), 1);
    }

    #[test]
    fn a_file_that_is_given_up_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_atomically(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(entries(dir.path()), 1);
        assert_eq!(AtomicFile::create(dir.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn no_error_names_a_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_atomically(&dir.path().join("no/file"), b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!error.to_string().contains(PREFIX), "{error}");
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = write_atomically(&file.join("below"), b"").unwrap_err();
        assert!(!error.to_string().contains(PREFIX), "{error}");
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
