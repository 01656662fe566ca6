//! Which directory the images are read from, and whether what is missing there is downloaded.
//!
//! A directory that a user names holds the images or is an error: nothing is downloaded into it but by an explicit request,
//! and nothing takes its place. Only where nobody names one is the default directory of the source filled by a download.

use std::path::{Path, PathBuf};

use thiserror::Error;
use tinylsa_settings::{InvalidSetting, printable_path};

#[cfg(feature = "download")]
use super::FetchConfig;
use super::{ImageCollection, Place, SourceError, SourceName, holds_files_of};
use crate::config::DataConfig;

/// A directory that should hold the files of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirectory {
    /// The directory.
    pub path: PathBuf,
    /// Who named it.
    pub named_by: NamedBy,
}

/// Who named a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The command line, by `--data-dir`, or whoever called the library.
    Argument,
    /// This environment variable.
    Variable(&'static str),
    /// The config, by another `data.dir` than the default.
    Config,
    /// Nobody: it is the default.
    Nobody,
}

/// Whether missing files may be downloaded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DownloadPolicy {
    /// Only the disk is read.
    Never,
    /// Files that are missing in a directory that nobody named are downloaded into it.
    #[cfg(feature = "download")]
    IfMissing(FetchConfig),
}

/// Why the images are not available. The message says who named the directory, and what to do.
#[derive(Debug, Error)]
#[error("{}{error}{}", self.prefix(), self.remedy())]
pub struct Unavailable {
    /// The source.
    pub source_name: SourceName,
    /// The directory that was read; nothing if there is none.
    pub directory: Option<DataDirectory>,
    /// What is there instead.
    pub error: Box<SourceError>,
}

impl DataDirectory {
    /// The directory of a source: the argument's, the environment's, the config's, or else the default. The first that
    /// is named counts, whatever it holds. Nothing if the source has no files, or needs a directory that nobody names.
    pub fn find(source: SourceName, argument: Option<&Path>, configured: Option<&Path>) -> Option<Self> {
        let variable = source.source().directory_variable();
        let value = variable.and_then(std::env::var_os).filter(|value| !value.is_empty()).map(PathBuf::from);
        first_named(source.source().place(), argument, variable.zip(value), configured)
    }
}

fn first_named(
    place: Place,
    argument: Option<&Path>,
    variable: Option<(&'static str, PathBuf)>,
    configured: Option<&Path>,
) -> Option<DataDirectory> {
    let default = match place {
        Place::Nowhere => return None,
        Place::Default(path) => Some(Path::new(path)),
        Place::Named => None,
    };
    let (path, named_by) = match (argument, variable, configured.filter(|&path| Some(path) != default)) {
        (Some(path), _, _) => (path.to_owned(), NamedBy::Argument),
        (None, Some((name, path)), _) => (path, NamedBy::Variable(name)),
        (None, None, Some(path)) => (path.to_owned(), NamedBy::Config),
        (None, None, None) => (default?.to_owned(), NamedBy::Nobody),
    };
    Some(DataDirectory { path, named_by })
}

/// The images that a config asks for. `argument` names the directory of the files before everything else.
///
/// # Errors
/// [`Unavailable`] if a directory was named and does not hold them; if files are damaged or incomplete; if there are none,
/// and `policy` forbids a download or it fails.
pub fn obtain(
    config: &DataConfig,
    argument: Option<&Path>,
    policy: &DownloadPolicy,
) -> Result<ImageCollection, Unavailable> {
    let source = config.source.source();
    let directory = DataDirectory::find(config.source, argument, config.dir.as_deref());
    let unavailable = |directory: Option<DataDirectory>, error: SourceError| Unavailable {
        source_name: config.source,
        directory,
        error: error.into(),
    };
    let Some(directory) = directory else {
        if source.place() == Place::Nowhere {
            return source.load(Path::new(""), config.tables()).map_err(|error| unavailable(None, error));
        }
        let missing = InvalidSetting {
            key: "dir".to_owned(),
            found: "absent".to_owned(),
            expected: format!("the directory of the {}", source.title()),
        };
        return Err(unavailable(None, missing.into()));
    };
    let loaded = download_missing(config.source, &directory, policy)
        .and_then(|()| source.load(&directory.path, config.tables()));
    loaded.map_err(|error| unavailable(Some(directory), error))
}

#[cfg(feature = "download")]
fn download_missing(source: SourceName, directory: &DataDirectory, policy: &DownloadPolicy) -> Result<(), SourceError> {
    match (policy, source.source().publication(), directory.named_by) {
        (DownloadPolicy::IfMissing(fetch), Some(publication), NamedBy::Nobody) => {
            super::download::fetch_absent(publication, &directory.path, fetch)
        }
        (DownloadPolicy::Never | DownloadPolicy::IfMissing(_), _, _) => Ok(()),
    }
}

#[cfg(not(feature = "download"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it downloads")]
fn download_missing(_: SourceName, _: &DataDirectory, policy: &DownloadPolicy) -> Result<(), SourceError> {
    match policy {
        DownloadPolicy::Never => Ok(()),
    }
}

impl Unavailable {
    /// Whether other images may take the place of these: only where nobody named a directory, the default holds nothing
    /// that could be meant, and the download failed.
    pub fn may_be_substituted(&self) -> bool {
        let holds_files = |directory: &DataDirectory| {
            let publication = self.source_name.source().publication();
            publication.is_some_and(|publication| holds_files_of(publication, &directory.path))
        };
        self.error.is_failed_download()
            && self.directory.as_ref().is_some_and(|found| found.named_by == NamedBy::Nobody && !holds_files(found))
    }

    /// What the message begins with.
    fn prefix(&self) -> String {
        match self.directory.as_ref().map(|directory| directory.named_by) {
            Some(NamedBy::Argument) => "--data-dir: ".to_owned(),
            Some(NamedBy::Variable(name)) => format!("the environment variable {name}: "),
            Some(NamedBy::Config) => "data.dir: ".to_owned(),
            Some(NamedBy::Nobody) => format!("{} is not available: ", self.source_name.source().title()),
            // The key of a setting follows.
            None => "data.".to_owned(),
        }
    }

    /// What the message ends with.
    fn remedy(&self) -> String {
        let Some(DataDirectory { path, named_by }) = &self.directory else { return String::new() };
        let (source, path) = (self.source_name.source(), printable_path(path));
        let by_variable = source.directory_variable().map_or_else(String::new, |name| format!(" or {name}"));
        match (source.publication(), named_by) {
            (Some(publication), _) if self.error.is_failed_download() => format!(
                "; get the four .gz files from {} and put them into {path}, or name the directory that holds them with \
                 --data-dir{by_variable}",
                publication.page
            ),
            (Some(_), NamedBy::Argument | NamedBy::Variable(_) | NamedBy::Config) if self.error.is_missing() => {
                let of_source = match self.source_name {
                    SourceName::FASHION_MNIST => String::new(),
                    other => format!(" --source {other}"),
                };
                format!("; the command `data fetch{of_source} --data-dir {path}` downloads the files into it")
            }
            (None, NamedBy::Nobody) if self.error.is_missing() => {
                format!("; name the directory that holds them with --data-dir{by_variable} or data.dir")
            }
            (Some(_) | None, _) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_named_counts_and_the_default_is_named_by_nobody() {
        const DEFAULT: &str = "datasets/fashion-mnist";
        let [argument, variable, config] = ["argument", "variable", "config"].map(Path::new);
        let named = |argument: Option<&Path>, variable: Option<&Path>, configured: Option<&Path>| {
            let variable = variable.map(|path| ("IMAGES", path.to_owned()));
            let found = first_named(Place::Default(DEFAULT), argument, variable, configured).unwrap();
            (found.path.display().to_string(), found.named_by)
        };
        let expected = |path: &str, named_by| (path.to_owned(), named_by);
        assert_eq!(named(Some(argument), Some(variable), Some(config)), expected("argument", NamedBy::Argument));
        assert_eq!(named(None, Some(variable), Some(config)), expected("variable", NamedBy::Variable("IMAGES")));
        assert_eq!(named(None, None, Some(config)), expected("config", NamedBy::Config));
        for default in [None, Some(Path::new(DEFAULT)), Some(Path::new("datasets/fashion-mnist/"))] {
            assert_eq!(named(None, None, default).1, NamedBy::Nobody, "{default:?}");
        }
        assert_eq!(first_named(Place::Named, None, None, None), None);
        assert_eq!(first_named(Place::Nowhere, Some(argument), None, None), None);
    }

    #[test]
    fn a_source_that_needs_a_directory_says_so() {
        let config = DataConfig { source: SourceName::new("idx").unwrap(), ..DataConfig::default() };
        let error = obtain(&config, None, &DownloadPolicy::Never).unwrap_err();
        assert_eq!(error.to_string(), "data.dir is absent, expected the directory of the IDX files");
        assert!(!error.may_be_substituted());
    }

    #[test]
    fn drawn_images_need_no_directory() {
        let synthetic = crate::SyntheticConfig { train: 20, test: 10, seed: 0 };
        let config = DataConfig { source: SourceName::SYNTHETIC_GARMENTS, synthetic, ..DataConfig::default() };
        assert_eq!(obtain(&config, None, &DownloadPolicy::Never).unwrap().train.len(), 20);
    }
}
