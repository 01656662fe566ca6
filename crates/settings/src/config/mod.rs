//! Reads a config file so that a mistake in it can be found and put right at once.
//!
//! [`load`] takes any struct that serde can read, and a function
//! that checks the ranges of its values. What it adds is the place of a mistake. Every kind of mistake (a key nobody
//! knows, a missing key, a wrong type, an unknown name, a value out of range, a duplicate, broken syntax, a file that is
//! no text) comes back as one [`ConfigError`] that shows the file, the line and the column with the offending line under
//! it, or the `--set` argument that made the mistake, and the nearest valid key:
//!
//! ```text
//! configs/base.toml:12:1: unknown key `train.epoch`, did you mean `train.epochs`?
//!    |
//! 12 | epoch = 30
//!    | ^^^^^
//!    = valid keys: `epochs`, `batch_size`, `learning_rate`
//! ```
//!
//! All mistakes are located the same way. The file and the overrides are merged into one tree of values first, serde
//! reads that tree, and whatever it or the ranges complain about is a path into the tree. The path then leads either to
//! the override that set this part of the tree or to a place in the file. This works for every struct made of plain
//! fields, optional tables, arrays and enums of names; `#[serde(flatten)]`, untagged and internally tagged enums read
//! through a buffer that forgets the path, so under those an error only names the table around them.

use std::path::Path;

use crate::InvalidSetting;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tinylsa_system::read_at_most;

mod diagnosis;
mod document;
mod error;
mod key_path;
mod overrides;
#[cfg(test)]
mod tests;

use document::Document;
use overrides::{Merged, Override};

pub use error::{ConfigError, Excerpt, Place, Problem};

/// The largest config that is read. One with every key and its comments has 16 kB.
const LARGEST_CONFIG: u64 = 4 << 20;

/// The text of a config and the name under which errors speak of it.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    name: String,
    text: String,
}

impl ConfigSource {
    /// A config that is already in memory; errors call it `name`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        // a byte order mark is no part of the first line's columns
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Self { name: name.into(), text }
    }

    /// The name under which errors speak of it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads the config file at `path`.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] if there is no such file or it cannot be read, [`ConfigError::Invalid`] with the place
    /// of the first bad byte if it is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let bytes = read_at_most(path, LARGEST_CONFIG)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let name = path.display().to_string();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text)),
            Err(error) => Err(diagnosis::not_utf8(&name, &error)),
        }
    }
}

/// Reads a config, changes it by the `overrides` (each `key.path=value`, later ones win) and checks its values.
///
/// The value of an override is read as TOML; what is not TOML and starts like no quoted string, array or table is taken
/// as a string, so `run.name=trial` needs no quotes. Entries of arrays are reached by index, as in
/// `model.stages.0.channels=16`. Optional keys and tables that the file leaves out can be set, too.
///
/// # Errors
/// [`ConfigError::Invalid`] for the first mistake found: syntax, overrides, keys and types in the order of the file, then
/// whatever `validate` rejects.
pub fn load<T: DeserializeOwned>(
    source: &ConfigSource,
    overrides: &[String],
    validate: impl Fn(&T) -> Result<(), InvalidSetting>,
) -> Result<T, ConfigError> {
    let merged = merge(source, overrides)?;
    let config: T = serde_path_to_error::deserialize(merged.tree().clone())
        .map_err(|error| diagnosis::unreadable(&merged, &error.path().into(), error.inner().message()))?;
    validate(&config).map_err(|setting| diagnosis::out_of_range(&merged, setting))?;
    Ok(config)
}

/// The error of a setting, shown at its place in the config: for what turns out wrong only beside the images or the
/// machine, after the config was loaded. The setting is named by its full key. Nothing if the config cannot be read.
pub fn locate(setting: &InvalidSetting, source: &ConfigSource, overrides: &[String]) -> Option<ConfigError> {
    merge(source, overrides).ok().map(|merged| diagnosis::out_of_range(&merged, setting.clone()))
}

fn merge<'text>(source: &'text ConfigSource, overrides: &[String]) -> Result<Merged<'text>, ConfigError> {
    let document = Document::new(&source.name, &source.text);
    let tree = toml::from_str(&source.text).map_err(|error| diagnosis::syntax(&document, &error))?;
    let overrides = overrides.iter().map(|argument| Override::parse(argument)).collect::<Result<_, _>>()?;
    Merged::new(document, tree, overrides)
}

/// The resolved config as TOML, every key with its value.
///
/// # Errors
/// If the value has no form in TOML, such as an integer above the range of `i64` or a path that is not UTF-8.
pub fn to_toml<T: Serialize>(config: &T) -> Result<String, toml::ser::Error> {
    toml::to_string_pretty(config)
}
