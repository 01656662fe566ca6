//! Which pictures a command works on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tinylsa_data::{
    Dataset, DatasetName, DownloadPolicy, FASHION_MNIST_FILES, FetchConfig, FileChecksum, SourceError,
    obtain_fashion_mnist, synthetic_garments,
};
use tracing::{info, warn};

use crate::schema::{DataSection, DataSource, Offline};

/// The environment variable that names the folder of the files.
const DIRECTORY_VARIABLE: &str = "FASHION_MNIST_DIR";
/// Where the files go if nobody says otherwise.
pub(crate) const DEFAULT_DIRECTORY: &str = "datasets/fashion-mnist";

/// The pictures, and where they are from.
#[derive(Clone, Debug)]
pub(crate) struct Pictures {
    pub(crate) train: Dataset,
    pub(crate) test: Dataset,
    /// Of the files; empty for pictures that are drawn.
    pub(crate) checksums: Vec<FileChecksum>,
    /// Why these are not the pictures that were asked for, if they are not.
    pub(crate) substitution: Option<String>,
}

impl Pictures {
    pub(crate) fn name(&self) -> DatasetName {
        self.train.name
    }

    /// What stands under every figure made from these pictures.
    pub(crate) fn caption(&self) -> String {
        match &self.substitution {
            Some(_) => format!("{}, NOT Fashion-MNIST", self.name().title()),
            None => self.name().title().to_owned(),
        }
    }
}

/// The pictures that a config asks for, or their substitute.
///
/// # Errors
/// If files are damaged; if there are none and `strict`, or the config, forbids a substitute.
pub(crate) fn obtain(section: &DataSection, data_dir: Option<&Path>, strict: bool) -> Result<Pictures> {
    if section.source == DataSource::SyntheticGarments {
        return synthetic(section, None);
    }
    let directory = find_directory(data_dir, &section.dir);
    match fashion_mnist(&directory) {
        Ok(pictures) => Ok(pictures),
        Err(error) if holds_all_files(&directory) => Err(error.into()),
        Err(error) if strict || section.offline == Offline::Fail => {
            let absence = format!("Fashion-MNIST is neither in {} nor to be downloaded", directory.display());
            Err(anyhow::Error::from(error).context(absence))
        }
        Err(error) => {
            warn!("{}", banner(&error));
            synthetic(section, Some(error.to_string()))
        }
    }
}

/// The first folder that holds all files: the argument's, the environment's, the config's. If none does, the first
/// that was named, into which the files are to be downloaded.
pub(crate) fn find_directory(argument: Option<&Path>, configured: &Path) -> PathBuf {
    let environment = std::env::var_os(DIRECTORY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let named: Vec<PathBuf> =
        argument.map(Path::to_owned).into_iter().chain(environment).chain([configured.to_owned()]).collect();
    let complete = named.iter().find(|directory| holds_all_files(directory));
    complete.unwrap_or(&named[0]).clone()
}

fn holds_all_files(directory: &Path) -> bool {
    FASHION_MNIST_FILES
        .iter()
        .all(|file| directory.join(file.name).is_file() || directory.join(file.unpacked_name()).is_file())
}

/// Fashion-MNIST from a folder, downloaded into it if need be.
pub(crate) fn fashion_mnist(directory: &Path) -> Result<Pictures, SourceError> {
    let loaded = obtain_fashion_mnist(directory, &DownloadPolicy::IfMissing(FetchConfig::default()))?;
    info!("read Fashion-MNIST from {}", directory.display());
    Ok(Pictures { train: loaded.train, test: loaded.test, checksums: loaded.checksums, substitution: None })
}

fn synthetic(section: &DataSection, substitution: Option<String>) -> Result<Pictures> {
    let garments = synthetic_garments(&section.synthetic).context("failed to draw the synthetic garments")?;
    info!("drew {} + {} synthetic garments", garments.train.len(), garments.test.len());
    Ok(Pictures { train: garments.train, test: garments.test, checksums: Vec::new(), substitution })
}

fn banner(error: &SourceError) -> String {
    let line = "=".repeat(100);
    format!(
        "\n{line}\n  FASHION-MNIST IS NOT THERE: GOING ON WITH SYNTHETIC GARMENTS.\n  \
         No figure of this run says anything about Fashion-MNIST.\n  {error}\n  \
         To make this an error instead, pass --strict.\n{line}"
    )
}

/// The indices of a whole dataset.
pub(crate) fn all_indices(dataset: &Dataset) -> Vec<u32> {
    (0..dataset.len() as u32).collect()
}

/// Refuses a model that was trained for pictures of another size.
///
/// # Errors
/// If the sizes differ.
pub(crate) fn require_size(dataset: &Dataset, image_size: usize) -> Result<()> {
    if dataset.height != image_size || dataset.width != image_size {
        bail!("the pictures are {}×{}, but the model takes {image_size}×{image_size}", dataset.height, dataset.width);
    }
    Ok(())
}
