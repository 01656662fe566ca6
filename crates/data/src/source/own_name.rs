//! The names of images of one's own.

use std::path::Path;

use tinylsa_settings::{InvalidSetting, require};

use crate::dataset::DatasetName;

/// A name of one's own becomes the last part of a [`DatasetName`].
pub(super) fn require_plain_name(key: &str, name: Option<&str>) -> Result<(), InvalidSetting> {
    let is_plain = name.is_none_or(|name| !name.trim().is_empty() && !name.contains('/'));
    require(key, is_plain, || format!("{:?}", name.unwrap_or_default()), "a name that is not empty and holds no /")
}

/// The name of images: the one that was given, or that of their directory.
pub(super) fn own_name(source: &str, given: Option<&str>, directory: &Path) -> DatasetName {
    let of_directory = || {
        let absolute = std::fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
        absolute.file_name().map_or_else(|| "images".to_owned(), |name| name.to_string_lossy().into_owned())
    };
    let name = given.map_or_else(of_directory, str::to_owned);
    DatasetName::new(format!("{source}/{name}"))
}
