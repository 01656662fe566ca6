//! A finished run, read back from its folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, bail};
use tinylsa_data::{DatasetName, SourceName, SplitIndices, stratified_split};
use tinylsa_model::ModelConfig;

use crate::dataset::{LoadedDataset, obtain, require_size};
use crate::error::ExperimentError;
use crate::evaluation::EvaluationReport;
use crate::folder::{Manifest, Status, read_json, require_checksums};
use crate::models::{LoadedNetwork, load_model};
use crate::schema::ExperimentConfig;
use tinylsa_settings::UsageError;
use tinylsa_settings::config::{ConfigSource, load};

/// What a finished run left.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    /// The run directory.
    pub folder: PathBuf,
    /// What `config.toml` holds.
    pub config: ExperimentConfig,
    /// What `manifest.json` holds.
    pub manifest: Manifest,
    /// What `evaluation.json` holds.
    pub evaluation: EvaluationReport,
}

impl FinishedRun {
    /// Reads the folder of a run.
    ///
    /// # Errors
    /// [`UsageError`] if the run is not finished; if a file is missing or not the one that the run wrote.
    pub fn read(folder: &Path) -> Result<Self, ExperimentError> {
        Ok(Self::read_whole(folder)?)
    }

    fn read_whole(folder: &Path) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        if manifest.status != Status::Finished {
            let unfinished = format!("the run in {} is not finished: it {}", folder.display(), manifest.state(folder));
            return Err(UsageError(unfinished).into());
        }
        require_checksums(folder, &manifest, &["config.toml", "evaluation.json", "model.safetensors"])?;
        let source = ConfigSource::read(&folder.join("config.toml"))?;
        let config: ExperimentConfig = load(&source, &[], ExperimentConfig::validate)?;
        let evaluation: EvaluationReport = read_json(&folder.join("evaluation.json"))?;
        let cost = config.model.network()?.cost();
        if [evaluation.parameters, evaluation.macs] != [cost.parameters(), cost.macs()] {
            bail!("evaluation.json and config.toml in {} are of different networks", folder.display());
        }
        Ok(Self { folder: folder.to_owned(), config, manifest, evaluation })
    }

    /// Where the weights of the run are.
    pub fn model_path(&self) -> PathBuf {
        self.folder.join("model.safetensors")
    }

    /// The weights of the run, on the default device.
    ///
    /// # Errors
    /// If the file is missing or damaged, or of another network than the run's.
    pub fn load_model(&self) -> Result<LoadedNetwork, ExperimentError> {
        Ok(self.model()?)
    }

    fn model(&self) -> Result<LoadedNetwork> {
        let path = self.model_path();
        let loaded = load_model(&path)?;
        if loaded.metadata.config != self.config.model.network()? {
            bail!("{} holds another network than {}", path.display(), self.folder.join("config.toml").display());
        }
        Ok(loaded)
    }

    /// The images that the run was made with.
    ///
    /// # Errors
    /// If they are not available, or those that are available are others; [`UsageError`] if `data_dir` has no effect.
    pub fn images(&self, data_dir: Option<&Path>, stop: &Arc<AtomicBool>) -> Result<LoadedDataset, ExperimentError> {
        Ok(self.same_images(data_dir, stop)?)
    }

    fn same_images(&self, data_dir: Option<&Path>, stop: &Arc<AtomicBool>) -> Result<LoadedDataset> {
        let is_drawn = self.manifest.dataset == DatasetName::SYNTHETIC_GARMENTS;
        if let Some(data_dir) = data_dir.filter(|_| is_drawn) {
            return Err(UsageError(format!(
                "the run in {} was made with synthetic garments, for which --data-dir {} has no effect",
                self.folder.display(),
                data_dir.display()
            ))
            .into());
        }
        let mut section = self.config.data.clone();
        if is_drawn {
            section.source = SourceName::SYNTHETIC_GARMENTS;
        }
        let images = obtain(&section, data_dir, true, stop)?;
        if *images.name() != self.manifest.dataset {
            bail!(
                "the run in {} was made with images of {}, these are of {}",
                self.folder.display(),
                self.manifest.dataset,
                images.name()
            );
        }
        require_size(&images.train, self.config.model.network()?.input())?;
        if images.checksums != self.manifest.checksums {
            bail!("the images have other checksums than those of the run in {}", self.folder.display());
        }
        Ok(images)
    }

    /// The division of the training images that the run made.
    ///
    /// # Errors
    /// If there are fewer images than the run set aside.
    pub fn split(&self, images: &LoadedDataset) -> Result<SplitIndices, ExperimentError> {
        let (validation, seed) = (self.config.data.validation, self.config.split_seed());
        Ok(stratified_split(&images.train.labels, validation, seed).map_err(anyhow::Error::from)?)
    }
}
