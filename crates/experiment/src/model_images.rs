//! The images that belong to a model: those that it was trained on, unless a request names others.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use tinylsa_data::{
    DataConfig, DataDirectory, DatasetName, DownloadPolicy, FolderConfig, IdxConfig, NamedBy, Place, SourceError,
    SourceName, Unavailable,
};
use tinylsa_model::ModelConfig;
use tinylsa_settings::{UsageError, printable, printable_path};
use tracing::warn;

use crate::dataset::{LoadedDataset, obtain, read, refusal};
use crate::error::{ExperimentError, chain};
use crate::finished::FinishedRun;
use crate::models::{MODEL, NetworkMetadata, model_file};

/// Which images are asked for. Without a source they are those of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageRequest {
    /// Where the images come from.
    pub source: Option<SourceName>,
    /// Where their files are.
    pub data_dir: Option<PathBuf>,
}

/// A model whose images are looked for.
#[derive(Clone, Copy, Debug)]
pub struct ImagesOf<'a> {
    /// What its file says.
    pub metadata: &'a NetworkMetadata,
    /// The file, or the directory that it lies in; none for the weights that ship.
    pub file: Option<&'a Path>,
}

impl ImagesOf<'_> {
    /// The source of the images that the model was trained on; none if they are of no source, such as images that were in
    /// memory.
    pub fn source(&self) -> Option<SourceName> {
        SourceName::new(self.metadata.dataset.split('/').next().unwrap_or_default())
    }

    /// How the images are read. A model file that lies in the directory of its run has the `[data]` section of the run;
    /// any other has the source that it names, with images that are brought into the shape that the model takes.
    ///
    /// # Errors
    /// [`UsageError`] if the model names no source and neither does the request.
    pub fn section(&self, request: &ImageRequest) -> Result<DataConfig, UsageError> {
        let run = self.file.and_then(data_of_run);
        let own = run.as_ref().map(|data| data.source).or_else(|| self.source());
        let source = request.source.or(own).ok_or_else(|| {
            UsageError(format!(
                "the model was trained on {}, which no source reads; --source names other images",
                printable(&self.metadata.dataset)
            ))
        })?;
        match run.filter(|data| data.source == source) {
            Some(data) => Ok(data),
            None => Ok(self.section_of(source)),
        }
    }

    /// The images of a source in the form that the model takes.
    fn section_of(&self, source: SourceName) -> DataConfig {
        let is_own = self.source() == Some(source);
        let name = self.metadata.dataset.split_once('/').filter(|_| is_own).map(|(_, name)| name.to_owned());
        let input = self.metadata.config.input();
        DataConfig {
            source,
            idx: Some(IdxConfig {
                name: name.clone(),
                class_names: Some(self.metadata.class_names.clone()),
                ..IdxConfig::default()
            }),
            folder: Some(FolderConfig {
                name,
                channels: input.channels,
                resize: Some([input.height, input.width]),
                ..FolderConfig::default()
            }),
            ..DataConfig::default()
        }
    }

    /// The images. Where nobody names a directory, what a published collection lacks is downloaded, until `stop` is set.
    ///
    /// # Errors
    /// If they are not available; [`UsageError`] if neither the model nor the request says which.
    pub fn obtain(&self, request: &ImageRequest, stop: &Arc<AtomicBool>) -> Result<LoadedDataset, ExperimentError> {
        let section = self.section(request).map_err(anyhow::Error::from)?;
        obtain(&section, request.data_dir.as_deref(), true, stop)
    }

    /// The images without a download; nothing if they are not on this machine and the request does not say where.
    ///
    /// # Errors
    /// If what is there is damaged or incomplete, or the directory of the request does not hold them.
    pub fn at_hand(&self, request: &ImageRequest) -> Result<Option<LoadedDataset>, ExperimentError> {
        Ok(self.found(request)?)
    }

    fn found(&self, request: &ImageRequest) -> Result<Option<LoadedDataset>> {
        if request == &ImageRequest::default() && self.source().is_none() {
            return Ok(None);
        }
        let section = self.section(request)?;
        let data_dir = request.data_dir.as_deref();
        let directory = DataDirectory::find(section.source, data_dir, section.dir.as_deref());
        if directory.is_none() && section.source.source().place() == Place::Named {
            return Ok(None);
        }
        match read(&section, data_dir, &DownloadPolicy::Never) {
            Ok(images) => Ok(Some(images)),
            Err(unavailable) if is_elsewhere(&unavailable) => Ok(None),
            Err(unavailable) => Err(refusal(unavailable)),
        }
    }
}

/// Whether no file is there and nobody who asks now said that there were.
fn is_elsewhere(unavailable: &Unavailable) -> bool {
    let is_asked = unavailable.directory.as_ref().is_none_or(|directory| match directory.named_by {
        NamedBy::Argument | NamedBy::Variable(_) => true,
        NamedBy::Config | NamedBy::Nobody => false,
    });
    let is_empty = match &*unavailable.error {
        SourceError::Missing { missing, files, .. } => missing.len() == *files,
        error => error.is_missing(),
    };
    !is_asked && is_empty
}

/// The `[data]` section of the run whose model this file is, or which lies in this directory.
fn data_of_run(path: &Path) -> Option<DataConfig> {
    let file = model_file(path);
    let run_dir = file.parent().filter(|_| file.file_name().is_some_and(|name| name == MODEL))?;
    if !run_dir.join("manifest.json").is_file() {
        return None;
    }
    match FinishedRun::read(run_dir) {
        Ok(run) if run.manifest.dataset == DatasetName::SYNTHETIC_GARMENTS => {
            Some(DataConfig { source: SourceName::SYNTHETIC_GARMENTS, ..run.config.data })
        }
        Ok(run) => Some(run.config.data),
        Err(error) => {
            warn!("the run in {} is not read for its images: {}", printable_path(run_dir), chain(&error));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use tinylsa_model::{ImageShape, TinyCnnLsaConfig};

    use super::*;

    fn metadata(dataset: &str) -> NetworkMetadata {
        let config = TinyCnnLsaConfig {
            input: ImageShape { channels: 3, height: 20, width: 30 },
            classes: 2,
            input_mean: vec![0.5; 3],
            input_deviation: vec![0.5; 3],
            ..TinyCnnLsaConfig::default()
        };
        NetworkMetadata::new(&config.into(), &["cat", "dog"], dataset)
    }

    #[test]
    fn a_model_file_names_its_images_and_a_request_counts_before_it() {
        let section = |dataset: &str, source: Option<&str>| {
            let metadata = metadata(dataset);
            let source = source.map(|name| SourceName::new(name).unwrap());
            let request = ImageRequest { source, data_dir: None };
            ImagesOf { metadata: &metadata, file: None }.section(&request).map_err(|error| error.to_string())
        };
        let folder = section("folder/pets", None).unwrap();
        let FolderConfig { name, channels, resize, .. } = folder.folder.unwrap();
        assert_eq!((folder.source.name(), name.as_deref()), ("folder", Some("pets")));
        assert_eq!((channels, resize), (3, Some([20, 30])));
        let idx = section("idx/pets", None).unwrap().idx.unwrap();
        assert_eq!((idx.name.as_deref(), idx.class_names.unwrap().len()), (Some("pets"), 2));
        assert_eq!(section("cifar-10", None).unwrap().source.name(), "cifar-10");
        let other = section("cifar-10", Some("folder")).unwrap();
        assert_eq!((other.source.name(), other.folder.unwrap().name), ("folder", None));
        let error = section("memory/pets", None).unwrap_err();
        assert!(error.contains("trained on memory/pets, which no source reads; --source"), "{error}");
        assert_eq!(section("memory/pets", Some("mnist")).unwrap().source.name(), "mnist");
    }

    #[test]
    fn images_that_are_not_on_this_machine_are_none_unless_their_place_is_named() {
        let metadata = metadata("folder/pets");
        let images = ImagesOf { metadata: &metadata, file: None };
        assert!(images.at_hand(&ImageRequest::default()).unwrap().is_none());
        let empty = tempfile::tempdir().unwrap();
        let named = ImageRequest { source: None, data_dir: Some(empty.path().to_owned()) };
        let error = images.at_hand(&named).unwrap_err().to_string();
        assert!(error.starts_with("--data-dir: ") && error.contains("holds no directories"), "{error}");
    }
}
