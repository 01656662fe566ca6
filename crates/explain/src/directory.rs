//! The directory of explained images: a folder for each of them, and the list of these folders.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::error::{Context, ExplanationError, Result};
use serde::{Deserialize, Serialize};
use tinylsa_system::{read_at_most, remove_leftovers, write_atomically};

use crate::drawing::SHEET;
use crate::files::{ATTRIBUTIONS, DIAGNOSTICS};
use crate::page::IMAGE_PAGE;
use crate::part::PART;
use crate::registry::MethodId;

/// The list of the folders that this program made.
const LIST: &str = "images.json";
/// The largest list that is read: a hundred thousand long names.
const LARGEST_LIST: u64 = 16 << 20;

/// The directory of explained images.
#[derive(Clone, Debug)]
pub struct ImageDirectory {
    path: PathBuf,
}

/// `images.json`.
#[derive(Debug, Serialize, Deserialize)]
struct ImageList {
    /// The names of the folders.
    images: Vec<String>,
}

impl ImageDirectory {
    /// Prepares the directory for images of these names. What an earlier call wrote there is removed first, and nothing
    /// else: the files of the images on its list, and the files `beside` them. The new names are listed before anything
    /// is written, so that a call that is killed leaves nothing unlisted.
    ///
    /// # Errors
    /// If the list is not one that this program wrote; what the file system says.
    pub fn begin(path: &Path, names: &[String], beside: &[&str]) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("failed to create {}", path.display()))?;
        for name in earlier_names(path)? {
            remove_image(&path.join(&name)).with_context(|| format!("failed to remove the earlier image {name}"))?;
        }
        for file in beside {
            remove_file(&path.join(file))?;
        }
        let list = path.join(LIST);
        let mut bytes = serde_json::to_vec_pretty(&ImageList { images: names.to_vec() })?;
        bytes.push(b'\n');
        write_atomically(&list, &bytes).with_context(|| format!("failed to write {}", list.display()))?;
        Ok(Self { path: path.to_owned() })
    }

    /// A directory that somebody began. Nothing in it is changed.
    pub fn begun(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The folder of an image.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The names on the list of an earlier call, each that of a folder here; none if there is no list.
fn earlier_names(path: &Path) -> Result<Vec<String>> {
    let list = path.join(LIST);
    let bytes = match read_at_most(&list, LARGEST_LIST) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("failed to read {}", list.display())),
    };
    let damaged =
        || format!("{} is not the list that explain writes; delete it, and the folders beside it", list.display());
    let ImageList { images } = serde_json::from_slice(&bytes).with_context(damaged)?;
    for name in &images {
        let mut parts = Path::new(name).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(ExplanationError::Missing(format!("{}: found the name {name:?}", damaged())));
        }
    }
    Ok(images)
}

/// Removes the files that an explained image consists of, and its folder if nothing else is in it.
fn remove_image(folder: &Path) -> Result<()> {
    // A link leads to somewhere that is not ours.
    let is_folder = fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.is_dir());
    if !is_folder {
        return Ok(());
    }
    for name in [ATTRIBUTIONS, DIAGNOSTICS, SHEET, IMAGE_PAGE, PART] {
        remove_file(&folder.join(name))?;
    }
    for method in MethodId::all() {
        remove_file(&folder.join(method.file_name()))?;
    }
    remove_leftovers(folder)?;
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => Err(error.into()),
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(path: &Path, names: &[&str]) -> Result<ImageDirectory> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        ImageDirectory::begin(path, &names, &["explanations.html"])
    }

    #[test]
    fn what_an_earlier_call_wrote_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("out");
        let first = begin(&path, &["dress", "test-1"]).unwrap();
        for name in ["dress", "test-1"] {
            fs::create_dir(first.folder(name)).unwrap();
            for file in [ATTRIBUTIONS, DIAGNOSTICS, SHEET, IMAGE_PAGE, PART, "lime.png", ".tinylsa-abc.part"] {
                fs::write(first.folder(name).join(file), b"old").unwrap();
            }
        }
        fs::write(first.folder("dress").join("notes.txt"), b"mine").unwrap();
        fs::create_dir(path.join("mine")).unwrap();
        fs::write(path.join("mine/lime.png"), b"mine").unwrap();
        fs::write(path.join("explanations.html"), b"old").unwrap();

        begin(&path, &["shirt"]).unwrap();
        assert!(!path.join("test-1").exists() && !path.join("explanations.html").exists());
        assert_eq!(fs::read_dir(path.join("dress")).unwrap().count(), 1, "what somebody else put there stays");
        assert!(path.join("mine/lime.png").is_file());
        assert_eq!(earlier_names(&path).unwrap(), ["shirt"]);
    }

    #[test]
    fn a_list_that_leads_elsewhere_is_refused_and_removes_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("out");
        fs::create_dir_all(parent.path().join("victim")).unwrap();
        fs::write(parent.path().join("victim/lime.png"), b"mine").unwrap();
        fs::create_dir(&path).unwrap();
        for list in [r#"{"images": ["../victim"]}"#, r#"{"images": ["/"]}"#, r#"{"images": [""]}"#, "[", "{}"] {
            fs::write(path.join(LIST), list).unwrap();
            let error = begin(&path, &["shirt"]).unwrap_err();
            assert!(error.to_string().contains("images.json is not the list"), "{error}");
        }
        assert!(parent.path().join("victim/lime.png").is_file());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_a_folder_is_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let (path, victim) = (parent.path().join("out"), parent.path().join("victim"));
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("lime.png"), b"mine").unwrap();
        begin(&path, &["shirt"]).unwrap();
        std::os::unix::fs::symlink(&victim, path.join("shirt")).unwrap();
        begin(&path, &[]).unwrap();
        assert!(victim.join("lime.png").is_file());
    }
}
