//! The part of an experiment that explains.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use burn::tensor::Device;
use tinylsa_model::Predictor;
use tinylsa_report::Section;
use tinylsa_system::sha256_hex;
use tinylsa_train::{Views, predict};
use tracing::info;

use tinylsa_explain::page::{self, DrawnExplanation, Placement, SideBySide};
use tinylsa_explain::scores::{ScoreTable, Scoring};
use tinylsa_explain::{
    ExplainProgress, Explainable, Explainer, ExplanationsDigest, ImageDirectory, Origin, Request, RequestedClass,
    Scaling, execution, shown_beside, side_by_side, write_image,
};

use crate::choice::{ChosenImages, background, chosen};
use crate::dataset::{LoadedDataset, all_indices};
use crate::folder::RunFolder;
use crate::schema::ExperimentConfig;
use tinylsa_settings::counted;

/// The file of the scores, beside the folders of the images.
pub(crate) const SCORES: &str = "scores.json";

/// What the explanations of a run leave for its manifest and its page.
pub(crate) struct RunExplanations {
    pub(crate) sections: Vec<Section>,
    /// SHA-256 of every `attributions.safetensors` and of the scores.
    pub(crate) digest: String,
    pub(crate) scores: Option<ScoreTable>,
    /// The explained images, in the order of the digest.
    pub(crate) ids: Vec<String>,
}

/// A run whose network is explained.
pub(crate) struct ExplainedRun<'a> {
    pub(crate) config: &'a ExperimentConfig,
    pub(crate) predictor: &'a dyn Predictor,
    pub(crate) model: &'a dyn Explainable,
    /// SHA-256 of `model.safetensors`.
    pub(crate) model_digest: String,
    pub(crate) folder: &'a RunFolder,
}

/// Explains the images of the test split that the config chooses and draws, scores the explanations of those that were
/// drawn (of all, if they are too few), and writes all of it into the run's folder.
///
/// # Errors
/// The first error of a method or a score; that it was stopped; what the file system says.
pub(crate) fn explain_run(
    run: &ExplainedRun<'_>,
    collection: &LoadedDataset,
    device: &Device,
    stop: Arc<AtomicBool>,
    progress: &mut dyn ExplainProgress,
) -> Result<RunExplanations> {
    let ExplainedRun { config, predictor, model, folder, .. } = *run;
    let (explain, seed) = (&config.explain, config.run.seed);
    let predictions = predict(predictor, &collection.test, &all_indices(&collection.test), Views::Plain)?;
    let ChosenImages { images: subjects, sample } = chosen(&collection.test, &predictions, &explain.images, seed)?;
    let background = background(&collection.train, &explain.shared.background, seed)?;
    let execution = execution(device.clone(), explain.batch_size, seed, stop.into());
    let explainer = Explainer { model, config: explain, background: &background, execution };
    let request = Request {
        methods: &explain.methods,
        target: RequestedClass::Predicted,
        against: None,
        class_names: &collection.train.class_names,
        temperature: None,
    };
    let origin = Origin { model: run.model_digest.clone(), dataset: Some(collection.name().title().to_owned()), seed };
    let (images, methods) = (counted(subjects.len(), "test image"), counted(explain.methods.len(), "method"));
    info!("explaining {images} by {methods}");

    let names: Vec<String> = subjects.iter().map(|subject| subject.id.clone()).collect();
    let directory = ImageDirectory::begin(&folder.explanations(), &names, &[SCORES])?;
    let (placement, beside) = (Placement::of(names.len(), "explanations/"), shown_beside(names.len()));
    let is_scored = |id: &String| sample.as_ref().is_none_or(|sample| sample.contains(id));
    let scored = names.iter().filter(|id| is_scored(id)).count();
    let mut scoring = explain.scores.enabled.then(|| Scoring::new(&explainer, scored)).transpose()?;
    if sample.is_some() {
        scoring = scoring.map(Scoring::drawn_at_random);
    }
    let (mut shown, mut drawn, mut digest) = (Vec::new(), Vec::new(), ExplanationsDigest::default());
    explainer.explain_all(subjects, &request, progress, |explained| -> Result<()> {
        let explanation = explained?;
        let place = directory.folder(&explanation.id);
        let written = write_image(&place, &explanation, &origin, &explainer.execution.cancellation)?;
        digest.image(&explanation.id, &sha256_hex(&written.attributions));
        if let Some(scoring) = scoring.as_mut().filter(|_| is_scored(&explanation.id)) {
            scoring.add(&explanation)?;
        }
        let number = drawn.len();
        drawn.push(DrawnExplanation::new(&explanation, &written.drawings, &placement)?);
        if beside.contains(&number) {
            shown.push(explanation);
        }
        Ok(())
    })?;
    let scores = scoring.filter(|_| !names.is_empty()).map(Scoring::table).transpose()?;
    if let Some(table) = &scores {
        let bytes = folder.write_json(&format!("explanations/{SCORES}"), table)?;
        digest.scores(&bytes);
    }
    let mut beside = Vec::new();
    if !shown.is_empty() {
        let png = side_by_side(&shown, Scaling::EachMap)?;
        folder.write("figures/explanations.png", &png).context("failed to write the methods side by side")?;
        beside.push(SideBySide::images(png));
    }
    let sections = page::sections(&drawn, scores.as_ref(), &beside)?;
    Ok(RunExplanations { sections, digest: digest.finish(), scores, ids: names })
}
