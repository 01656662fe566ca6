//! Which images a command works on.
//!
//! A directory that a user names holds Fashion-MNIST or is an error: nothing is downloaded into it but by `data fetch`,
//! and nothing takes its place. Only where nobody names one is the default directory filled by a download, and only if
//! that fails do synthetic garments stand in, if the config allows it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow};
use thiserror::Error;
use tinylsa_data::{
    Certificates, Dataset, DatasetName, DownloadPolicy, FetchConfig, FileChecksum, ImageShape, SourceError,
    SplitIndices, holds_fashion_mnist_files, load_fashion_mnist, obtain_fashion_mnist, stratified_split,
    synthetic_garments,
};
use tinylsa_settings::{InvalidSetting, UsageError, printable_path, require_within};
use tracing::{info, warn};

use crate::error::{ExperimentError, Interruption};
use crate::schema::{DataSection, DataSource, Offline};

/// The environment variable that names the directory of the files.
const DIRECTORY_VARIABLE: &str = "FASHION_MNIST_DIR";
/// The environment variables that name the root certificates to trust, by OpenSSL's convention.
const CERTIFICATE_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
/// Where the files are, or are downloaded to, if nobody names a directory.
pub const DEFAULT_DIRECTORY: &str = "datasets/fashion-mnist";

/// The images, and where they are from.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// The training images, of which the validation split is a part.
    pub train: Dataset,
    /// The test images.
    pub test: Dataset,
    /// Of the published files; empty for images that are drawn.
    pub checksums: Vec<FileChecksum>,
    /// Why these are not the images that were asked for, if they are not.
    pub substitution: Option<String>,
}

impl Pictures {
    /// The name of the dataset.
    pub fn name(&self) -> &DatasetName {
        &self.train.name
    }

    /// What stands under every figure made from these images.
    pub fn caption(&self) -> String {
        match &self.substitution {
            Some(_) => format!("{}, NOT Fashion-MNIST", self.name().title()),
            None => self.name().title().to_owned(),
        }
    }
}

/// A directory that should hold Fashion-MNIST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// Who named it.
    pub named_by: NamedBy,
}

/// Who named a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The argument `--data-dir`.
    Argument,
    /// The environment variable.
    Variable,
    /// The config, by another `data.dir` than the default.
    Config,
    /// Nobody: it is the default.
    Nobody,
}

/// Why the files are not available. The message says who named the directory, and what to do.
#[derive(Debug, Error)]
#[error("{}{error}{}", directory.in_words(), directory.remedy(error))]
struct Unavailable {
    directory: DataDirectory,
    error: SourceError,
}

/// The images that a config asks for, or their substitute.
///
/// # Errors
/// If a directory was named and does not hold them; if files are damaged or incomplete; if there are none, none can be
/// downloaded, and `strict`, or the config, forbids a substitute; if `stop` was set during a download.
pub fn obtain(
    section: &DataSection,
    data_dir: Option<&Path>,
    strict: bool,
    stop: &Arc<AtomicBool>,
) -> Result<Pictures, ExperimentError> {
    Ok(obtained(section, data_dir, strict, stop)?)
}

fn obtained(section: &DataSection, data_dir: Option<&Path>, strict: bool, stop: &Arc<AtomicBool>) -> Result<Pictures> {
    match (section.source, data_dir) {
        (DataSource::SyntheticGarments, Some(_)) => Err(UsageError(
            "--data-dir has no effect on synthetic garments; leave it out, or set data.source to fashion-mnist"
                .to_owned(),
        )
        .into()),
        (DataSource::SyntheticGarments, None) => synthetic(section, None),
        (DataSource::FashionMnist, _) => {
            let directory = find_directory(data_dir, &section.dir);
            let unavailable = match read(&directory, stop) {
                Ok(pictures) => return Ok(pictures),
                Err(unavailable) => unavailable,
            };
            if stop.load(Ordering::Relaxed) {
                let interruption = "interrupted while the images were downloaded; nothing was trained";
                return Err(anyhow::Error::from(unavailable).context(Interruption(interruption.to_owned())));
            }
            if strict || section.offline == Offline::Fail || !unavailable.may_be_substituted() {
                return Err(unavailable.into());
            }
            warn!("{}", banner(&unavailable));
            synthetic(section, Some(unavailable.to_string()))
        }
    }
}

/// The directory of the files: the argument's, the environment's, the config's, or else the default. The first that is
/// named counts, whatever it holds.
pub fn find_directory(argument: Option<&Path>, configured: &Path) -> DataDirectory {
    let variable = std::env::var_os(DIRECTORY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    first_named(argument, variable, configured)
}

fn first_named(argument: Option<&Path>, variable: Option<PathBuf>, configured: &Path) -> DataDirectory {
    match (argument, variable) {
        (Some(path), _) => DataDirectory { path: path.to_owned(), named_by: NamedBy::Argument },
        (None, Some(path)) => DataDirectory { path, named_by: NamedBy::Variable },
        (None, None) => {
            let is_default = configured == Path::new(DEFAULT_DIRECTORY);
            let named_by = if is_default { NamedBy::Nobody } else { NamedBy::Config };
            DataDirectory { path: configured.to_owned(), named_by }
        }
    }
}

impl DataDirectory {
    /// What an error begins with.
    fn in_words(&self) -> &'static str {
        match self.named_by {
            NamedBy::Argument => "--data-dir: ",
            NamedBy::Variable => "the environment variable FASHION_MNIST_DIR: ",
            NamedBy::Config => "data.dir: ",
            NamedBy::Nobody => "Fashion-MNIST is not available: ",
        }
    }

    /// What an error ends with.
    fn remedy(&self, error: &SourceError) -> String {
        let path = printable_path(&self.path);
        if error.is_failed_download() {
            return format!(
                "; get the four .gz files from https://github.com/zalandoresearch/fashion-mnist (data/fashion) and put \
                 them into {path}, or name the directory that holds them with --data-dir or FASHION_MNIST_DIR"
            );
        }
        match self.named_by {
            NamedBy::Argument | NamedBy::Variable | NamedBy::Config if error.is_missing() => {
                format!("; `cargo xtask data fetch --data-dir {path}` downloads the files into it")
            }
            NamedBy::Argument | NamedBy::Variable | NamedBy::Config | NamedBy::Nobody => String::new(),
        }
    }

    /// Whether the files may be downloaded without being asked for.
    fn policy(&self, stop: &Arc<AtomicBool>) -> DownloadPolicy {
        match self.named_by {
            NamedBy::Argument | NamedBy::Variable | NamedBy::Config => DownloadPolicy::Never,
            NamedBy::Nobody => DownloadPolicy::IfMissing(fetch_config(Arc::clone(stop))),
        }
    }
}

impl Unavailable {
    /// Only where nobody named a directory, and the default holds nothing that could be meant.
    fn may_be_substituted(&self) -> bool {
        self.directory.named_by == NamedBy::Nobody
            && self.error.is_failed_download()
            && !holds_fashion_mnist_files(&self.directory.path)
    }
}

/// How to download: certificates by the environment, and an end once `stop` is set.
pub fn fetch_config(stop: Arc<AtomicBool>) -> FetchConfig {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let certificates =
        if CERTIFICATE_VARIABLES.iter().any(is_set) { Certificates::System } else { Certificates::Mozilla };
    FetchConfig { certificates, stop, ..FetchConfig::default() }
}

/// Fashion-MNIST from a directory; if it is the default one, what is missing there is downloaded, until `stop` is set.
///
/// # Errors
/// What the directory holds instead.
pub fn fashion_mnist(directory: &DataDirectory, stop: &Arc<AtomicBool>) -> Result<Pictures, ExperimentError> {
    Ok(read(directory, stop).map_err(anyhow::Error::from)?)
}

/// Fashion-MNIST from a directory, without a download; nothing if nobody named one and the default holds no files.
///
/// # Errors
/// What the directory holds instead.
pub fn fashion_mnist_on_disk(directory: &DataDirectory) -> Result<Option<Pictures>, ExperimentError> {
    if directory.named_by == NamedBy::Nobody && !holds_fashion_mnist_files(&directory.path) {
        return Ok(None);
    }
    let unavailable = |error| Unavailable { directory: directory.clone(), error };
    let loaded = load_fashion_mnist(&directory.path).map_err(unavailable).map_err(anyhow::Error::from)?;
    Ok(Some(Pictures { train: loaded.train, test: loaded.test, checksums: loaded.checksums, substitution: None }))
}

fn read(directory: &DataDirectory, stop: &Arc<AtomicBool>) -> Result<Pictures, Unavailable> {
    let loaded = obtain_fashion_mnist(&directory.path, &directory.policy(stop))
        .map_err(|error| Unavailable { directory: directory.clone(), error })?;
    info!("read Fashion-MNIST from {}", printable_path(&directory.path));
    Ok(Pictures { train: loaded.train, test: loaded.test, checksums: loaded.checksums, substitution: None })
}

fn synthetic(section: &DataSection, substitution: Option<String>) -> Result<Pictures> {
    let garments = synthetic_garments(&section.synthetic)
        .map_err(|error| error.within("synthetic").within("data"))
        .context("failed to draw the synthetic garments")?;
    info!("drew {} + {} synthetic garments", garments.train.len(), garments.test.len());
    Ok(Pictures { train: garments.train, test: garments.test, checksums: Vec::new(), substitution })
}

fn banner(unavailable: &Unavailable) -> String {
    let line = "=".repeat(100);
    format!(
        "\n{line}\n  FASHION-MNIST IS NOT THERE: GOING ON WITH SYNTHETIC GARMENTS.\n  \
         No figure of this run says anything about Fashion-MNIST.\n  {unavailable}\n  \
         To make this an error instead, pass --strict.\n{line}"
    )
}

/// Sets the images for validation aside.
///
/// # Errors
/// If that leaves none to train on, under the key that says how many are set aside.
pub(crate) fn validation_split(
    pictures: &Pictures,
    validation: usize,
    seed: u64,
) -> Result<SplitIndices, InvalidSetting> {
    const KEY: &str = "data.validation";
    require_within(KEY, validation, 1..pictures.train.len())?;
    stratified_split(&pictures.train.labels, validation, seed).map_err(|error| InvalidSetting {
        key: KEY.to_owned(),
        found: error.requested.to_string(),
        expected: format!("at most {}", error.available),
    })
}

/// The indices of a whole dataset.
pub fn all_indices(dataset: &Dataset) -> Vec<u32> {
    (0..dataset.len() as u32).collect()
}

/// Refuses a model that was trained for images of another size.
///
/// # Errors
/// If the sizes differ.
pub fn require_size(dataset: &Dataset, input: ImageShape) -> Result<(), ExperimentError> {
    if dataset.shape != input {
        return Err(anyhow!("the images are {}, the network expects {input}", dataset.shape).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(source: DataSource, dir: &Path) -> DataSection {
        DataSection {
            source,
            dir: dir.to_owned(),
            offline: Offline::Synthetic,
            validation: 20,
            synthetic: tinylsa_data::SyntheticConfig { train: 60, test: 20, seed: 0 },
        }
    }

    /// The flag of something that nobody stops.
    fn running() -> Arc<AtomicBool> {
        Arc::default()
    }

    #[test]
    fn the_first_that_is_named_counts_and_the_default_is_named_by_nobody() {
        let [argument, variable, config] = ["argument", "variable", "config"].map(Path::new);
        let named = |argument: Option<&Path>, variable: Option<&Path>, configured: &Path| {
            let DataDirectory { path, named_by } = first_named(argument, variable.map(Path::to_owned), configured);
            (path.display().to_string(), named_by)
        };
        assert_eq!(named(Some(argument), Some(variable), config), ("argument".to_owned(), NamedBy::Argument));
        assert_eq!(named(None, Some(variable), config), ("variable".to_owned(), NamedBy::Variable));
        assert_eq!(named(None, None, config), ("config".to_owned(), NamedBy::Config));
        for default in [DEFAULT_DIRECTORY, "datasets/fashion-mnist/"] {
            assert_eq!(named(None, None, Path::new(default)).1, NamedBy::Nobody, "{default}");
        }
    }

    #[test]
    fn a_named_directory_is_never_replaced_whatever_it_lacks() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        std::fs::create_dir(path("empty")).unwrap();
        std::fs::create_dir(path("notes")).unwrap();
        std::fs::write(path("notes/thesis.tex"), "").unwrap();
        std::fs::write(path("file"), "").unwrap();
        let check = |name: &str, expected: &str| {
            for (data_dir, dir) in [(Some(path(name)), PathBuf::from("other")), (None, path(name))] {
                let section = section(DataSource::FashionMnist, &dir);
                let message = obtain(&section, data_dir.as_deref(), false, &running()).unwrap_err().to_string();
                let by = if data_dir.is_some() { "--data-dir: " } else { "data.dir: " };
                assert!(message.starts_with(by) && message.contains(expected), "{message}");
            }
            assert!(!path("missing").exists());
        };
        check("missing", "there is no directory");
        check("missing", "`cargo xtask data fetch --data-dir ");
        check("empty", "is empty, expected the four files of Fashion-MNIST");
        check("notes", "holds no file of Fashion-MNIST, but thesis.tex");
        check("file", "is a file, expected a directory");
        check("file/below", "there is no directory");
    }

    #[test]
    fn a_directory_has_no_effect_on_drawn_images_and_is_refused() {
        let drawn = section(DataSource::SyntheticGarments, Path::new(DEFAULT_DIRECTORY));
        let error = obtain(&drawn, Some(Path::new("anywhere")), false, &running()).unwrap_err();
        assert!(
            matches!(error, ExperimentError::Usage(_)) && error.to_string().contains("--data-dir has no effect"),
            "{error}"
        );
        assert_eq!(obtain(&drawn, None, false, &running()).unwrap().train.len(), 60);
    }

    #[test]
    fn a_validation_split_that_leaves_nothing_to_train_on_is_named_by_its_key() {
        let pictures = obtain(&section(DataSource::SyntheticGarments, Path::new("")), None, false, &running()).unwrap();
        for validation in [60, 61, usize::MAX, 0] {
            let error = validation_split(&pictures, validation, 0).unwrap_err();
            assert_eq!((error.key.as_str(), error.found), ("data.validation", validation.to_string()));
        }
        assert_eq!(validation_split(&pictures, 59, 0).unwrap().train.len(), 1);
    }
}
