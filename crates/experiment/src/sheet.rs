//! One image explained on several networks, on one sheet.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use burn::tensor::Device;
use tinylsa_data::Dataset;
use tinylsa_explain::{
    Background, Circumstances, ExplainConfig, Explainer, MethodId, Request, execution, explained, models_side_by_side,
};
use tracing::info;

use crate::choice::subject;
use crate::dataset::require_size;
use crate::error::ExperimentError;
use crate::matching::require_classes;
use crate::models::load_model;
use crate::schema::with_statistics_of;
use tinylsa_model::ModelConfig;

/// What is shown of every network that gives what it needs.
const METHODS: [&str; 9] = [
    "attention-rollout",
    "gradient-rollout",
    "class-evidence",
    "grad-cam",
    "integrated-gradients",
    "kernel-shap",
    "lime",
    "occlusion",
    "rise",
];

/// Networks by their names, and the image that all of them are asked about.
#[derive(Clone, Debug)]
pub struct SheetRequest<'a> {
    /// The names and the model files.
    pub models: &'a [(String, PathBuf)],
    /// Holds the image.
    pub dataset: &'a Dataset,
    /// The number of the image in it.
    pub index: u32,
    /// Names the draws of the methods.
    pub seed: u64,
    /// Set from elsewhere, it ends the explanations.
    pub stop: Arc<AtomicBool>,
}

/// The class that each network predicts for the image, explained by the same methods as far as the network gives what they
/// need: a PNG with a column for each network.
///
/// # Errors
/// If a model file cannot be read or is of other images or classes; if there is no such image; what a method says.
pub fn sheet(request: &SheetRequest<'_>) -> Result<Vec<u8>, ExperimentError> {
    Ok(drawn(request)?)
}

fn drawn(request: &SheetRequest<'_>) -> Result<Vec<u8>> {
    let SheetRequest { models, dataset, index, seed, stop } = request;
    let background = Background::default();
    let mut columns = Vec::new();
    for (name, path) in *models {
        info!("explaining image {index} on {name}");
        let loaded = load_model(path)?;
        let network = &loaded.metadata.config;
        require_classes(&loaded.metadata, dataset)?;
        require_size(dataset, network.input())?;
        let config = with_statistics_of(&ExplainConfig::default(), network, |_| false);
        let given = Circumstances::of_network(network, None, dataset.len()).given;
        let methods: Vec<MethodId> = METHODS.iter().filter_map(|name| MethodId::named(name)).collect();
        let (methods, _) = given.served(&methods);
        let model = explained(&loaded.model);
        let execution = execution(Device::flex(), config.batch_size, *seed, Arc::clone(stop).into());
        let explainer = Explainer { model: model.as_ref(), config: &config, background: &background, execution };
        let request = Request::new(&methods, &loaded.metadata.class_names);
        columns.push((name.clone(), explainer.explain(subject(dataset, *index, None)?, &request)?));
    }
    Ok(models_side_by_side(&columns)?)
}
