//! The arguments that say which images a command works on.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};
use tinylsa_data::{SOURCES, SourceName};
use tinylsa_experiment::model_images::ImageRequest;

/// Which images, if not those that the model was trained on.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageArguments {
    /// Take the images of this source, as `data.source` of a config names it, instead of those that the model was trained
    /// on.
    #[arg(long, value_name = "NAME", value_parser = source)]
    pub(crate) source: Option<SourceName>,
    /// Where the files of the images are.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The same as --source synthetic-garments.
    #[arg(long, conflicts_with_all = ["data_dir", "source"])]
    pub(crate) synthetic: bool,
}

impl ImageArguments {
    /// What is asked for.
    pub(crate) fn request(&self) -> ImageRequest {
        let source = if self.synthetic { Some(SourceName::SYNTHETIC_GARMENTS) } else { self.source };
        ImageRequest { source, data_dir: self.data_dir.clone() }
    }

    /// The first option that is given.
    pub(crate) fn first_given(&self) -> Option<&'static str> {
        let options = [
            ("--synthetic", self.synthetic),
            ("--source", self.source.is_some()),
            ("--data-dir", self.data_dir.is_some()),
        ];
        options.into_iter().find(|&(_, given)| given).map(|(option, _)| option)
    }
}

/// The source with this name.
pub(crate) fn source(name: &str) -> Result<SourceName, String> {
    let names: Vec<&str> = SOURCES.iter().map(|source| source.name()).collect();
    SourceName::new(name).ok_or_else(|| format!("expected {}", names.join(", ")))
}
