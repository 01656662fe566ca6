//! The commands, a file each.

pub(crate) mod bench;
pub(crate) mod card;
pub(crate) mod classify;
pub(crate) mod cluster;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod evaluate;
pub(crate) mod experiment;
pub(crate) mod explain;
pub(crate) mod explore;
pub(crate) mod export;
pub(crate) mod images;
pub(crate) mod man;
pub(crate) mod reproduce;
pub(crate) mod sweep;

use std::path::Path;

use anyhow::Result;
use tinylsa_experiment::BASE_CONFIG;
use tinylsa_settings::config::ConfigSource;

/// A config file, or `configs/base.toml` as it was when the program was built.
fn config_or_base(path: Option<&Path>) -> Result<ConfigSource> {
    match path {
        Some(path) => Ok(ConfigSource::read(path)?),
        None => Ok(ConfigSource::new("configs/base.toml", BASE_CONFIG)),
    }
}
