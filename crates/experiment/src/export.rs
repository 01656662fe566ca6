//! The model of a run, ready to be given away.

mod front_matter;
pub mod hub;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use burn::tensor::Device;
use tinylsa_model::networks::Network;
use tinylsa_model::{Classifier, ModelFile, Precision};
use tinylsa_train::{Logits, TemperatureFit, fit_temperature};

use crate::error::ExperimentError;
use crate::finished::FinishedRun;
use crate::matching::{held_out, require_classes};
use crate::models::LoadedNetwork;

/// A model with the temperature that calibrates it.
#[derive(Debug)]
pub struct CalibratedModel {
    /// The model. Its weights are those that a file of the asked precision gives back.
    pub loaded: LoadedNetwork,
    /// How the temperature was fitted to the validation split of the run.
    pub fit: TemperatureFit,
}

/// The model of a run as a file of this precision will hold it, with the temperature that suits these rounded weights.
///
/// # Errors
/// If the images of the run are not available, or its files are damaged.
pub fn calibrate_run(
    run: &FinishedRun,
    data_dir: Option<&Path>,
    precision: Precision,
    stop: &Arc<AtomicBool>,
) -> Result<CalibratedModel, ExperimentError> {
    Ok(calibrated(run, data_dir, precision, stop)?)
}

fn calibrated(
    run: &FinishedRun,
    data_dir: Option<&Path>,
    precision: Precision,
    stop: &Arc<AtomicBool>,
) -> Result<CalibratedModel> {
    let device = Device::flex();
    let mut loaded = Network::from_safetensors(&run.load_model()?.to_safetensors(precision)?, &device)?;
    let images = run.images(data_dir, stop)?;
    require_classes(&loaded.metadata, &images.train)?;
    let validation = run.split(&images)?.validation;
    let predictor = loaded.model.predictor();
    let logits = Logits::of(predictor.as_ref(), &images.train, &validation).context("failed to measure the model")?;
    let fit = fit_temperature(&logits, run.config.run.seed).context("failed to calibrate the model")?;
    loaded.metadata.temperature = Some(fit.temperature);
    loaded.metadata.held_out = Some(held_out(&images.train, validation.len(), run.config.split_seed()));
    Ok(CalibratedModel { loaded, fit })
}
