//! Settings: the error that names a key outside its range, and config files whose mistakes are easy to find.
//!
//! Every config struct of the project is a plain struct with public fields and a `validate` method. The method returns
//! an [`InvalidSetting`] that names the key by its path inside that struct; whoever embeds the struct puts the name of
//! the embedding field in front with [`InvalidSetting::within`], so that the error which reaches a user carries the
//! full key of a config file, such as `train.epochs`, and a runner can point at its line.
//!
//! ```
//! use tinylsa_settings::{InvalidSetting, require, require_within};
//!
//! struct Crop { padding: usize, probability: f64 }
//!
//! impl Crop {
//!     fn validate(&self) -> Result<(), InvalidSetting> {
//!         require_within("padding", self.padding, 0..=14)?;
//!         require_within("probability", self.probability, 0.0..=1.0)?;
//!         require("padding", self.padding != 13, || self.padding.to_string(), "any number but 13")
//!     }
//! }
//!
//! let error = Crop { padding: 2, probability: 1.5 }.validate().map_err(|error| error.within("crop")).unwrap_err();
//! assert_eq!(error.key, "crop.probability");
//! assert_eq!(error.to_string(), "crop.probability is 1.5, expected 0 to 1");
//! ```
//!
//! # Configs
//!
//! With the feature `config`, [`config::load`] reads a TOML file into any struct that serde can read, changes it by
//! overrides such as `train.epochs=3`, checks its ranges, and reports every kind of mistake at its place:
//!
#![cfg_attr(feature = "config", doc = "```")]
#![cfg_attr(not(feature = "config"), doc = "```ignore")]
//! use serde::Deserialize;
//! use tinylsa_settings::config::{ConfigSource, load};
//! use tinylsa_settings::{InvalidSetting, require_within};
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Run { epochs: usize }
//!
//! fn validate(run: &Run) -> Result<(), InvalidSetting> {
//!     require_within("epochs", run.epochs, 1..=1000)
//! }
//!
//! let source = ConfigSource::new("run.toml", "epochs = 3");
//! assert_eq!(load(&source, &[], validate)?.epochs, 3);
//!
//! let wrong = ConfigSource::new("run.toml", "epoch = 3");
//! let error = load(&wrong, &[], validate).err().unwrap().to_string();
//! assert!(error.starts_with("run.toml:1:1: unknown key `epoch`, did you mean `epochs`?"), "{error}");
//!
//! let error = load(&source, &["epochs=0".to_owned()], validate).err().unwrap().to_string();
//! assert!(error.starts_with("--set epochs=0: `epochs` is 0, expected 1 to 1000"), "{error}");
//! # Ok::<(), tinylsa_settings::config::ConfigError>(())
//! ```
//!
//! Beside these are the few words that errors share: [`printable`] for what comes from files and users, and [`counted`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::fmt::Display;
use std::ops::RangeBounds;

use thiserror::Error;

pub use words::{counted, printable, printable_lines, printable_path};

#[cfg(feature = "config")]
pub mod config;
mod range;
mod words;

/// A setting whose value is outside its range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} is {}, expected {expected}", printable(key), printable(found))]
pub struct InvalidSetting {
    /// The key by its path, such as `train.optimizer.momentum`.
    pub key: String,
    /// The value that was found.
    pub found: String,
    /// What was expected instead.
    pub expected: String,
}

impl InvalidSetting {
    /// The same error, seen from the struct that embeds the setting under the name `section`.
    #[must_use]
    pub fn within(mut self, section: &str) -> Self {
        self.key = format!("{section}.{}", self.key);
        self
    }
}

/// The caller asks for something that is not possible, such as a class that does not exist. A command line ends with
/// the exit code of a wrong command line, not with that of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Requires that `holds` is true of the value at `key`.
///
/// # Errors
/// [`InvalidSetting`] with the text of `found` and of `expected` if it is not.
pub fn require(key: &str, holds: bool, found: impl FnOnce() -> String, expected: &str) -> Result<(), InvalidSetting> {
    if holds {
        return Ok(());
    }
    Err(InvalidSetting { key: key.to_owned(), found: found(), expected: expected.to_owned() })
}

/// Requires that `value` lies within `range`. A value that compares with nothing (NaN) lies in no range.
///
/// # Errors
/// [`InvalidSetting`] with the range in words if it does not.
#[expect(clippy::needless_pass_by_value, reason = "numbers and literal ranges read better than references to them")]
pub fn require_within<T, R>(key: &str, value: T, range: R) -> Result<(), InvalidSetting>
where
    T: PartialOrd + Display,
    R: RangeBounds<T>,
{
    require(key, range.contains(&value), || value.to_string(), &range::in_words(&range))
}

/// The example of the README is tested.
#[cfg(all(doctest, feature = "config"))]
#[doc = include_str!("../README.md")]
struct Readme;
