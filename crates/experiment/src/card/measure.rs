use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use burn::tensor::Device;
use tinylsa_model::networks::Network;
use tinylsa_model::{Classifier, ModelFile, Precision, state_of};
use tinylsa_train::{Logits, robustness};
use tracing::info;

use super::{CardCalibration, CardData, CardRun, CardWeights, Confusion, ModelCard, OverRuns};
use crate::dataset::all_indices;
use crate::error::ExperimentError;
use crate::evaluation::{MeasuredModel, SplitName, SplitView, measured};
use crate::finished::FinishedRun;
use crate::matching::require_classes;
use crate::models::LoadedNetwork;
use crate::schema::ExperimentConfig;
use tinylsa_settings::UsageError;
use tinylsa_settings::config::{ConfigSource, load};
use tinylsa_system::sha256_hex;

/// How many kinds of mistakes the card names.
const CONFUSIONS: usize = 6;

/// What a card is about.
#[derive(Debug)]
pub struct CardSubject {
    /// The weights.
    pub loaded: LoadedNetwork,
    /// The runs of the recipe; the first one's weights must be those above.
    pub runs: Vec<FinishedRun>,
    /// The file that the runs were made from, with another seed for each.
    pub config: Option<PathBuf>,
}

/// Measures all that the card says.
///
/// # Errors
/// [`UsageError`] if the parts of the subject do not belong together; if the images are not available.
pub fn measure_card(
    subject: &CardSubject,
    data_dir: Option<&Path>,
    stop: &Arc<AtomicBool>,
) -> Result<ModelCard, ExperimentError> {
    Ok(card(subject, data_dir, stop)?)
}

fn card(subject: &CardSubject, data_dir: Option<&Path>, stop: &Arc<AtomicBool>) -> Result<ModelCard> {
    let CardSubject { loaded, runs, config } = subject;
    let run = runs.first().ok_or_else(|| UsageError("a card needs a run".to_owned()))?;
    let precision = precision_of(loaded, run)?;
    let temperature = loaded.metadata.temperature.ok_or_else(|| {
        UsageError("the weights have no temperature; `export --run` fits one and stores it with them".to_owned())
    })?;
    require_one_recipe(runs, config.as_deref())?;

    let model = loaded.model.predictor();
    let images = run.images(data_dir, stop)?;
    require_classes(&loaded.metadata, &images.test)?;
    let split = run.split(&images)?;
    let indices = all_indices(&images.test);
    let seed = run.config.run.seed;
    info!("measuring the weights on {} test images", indices.len());
    let view = SplitView { name: SplitName::Test, dataset: &images.test, indices: &indices };
    let subject = MeasuredModel {
        network: model.as_ref(),
        config: &loaded.metadata.config,
        class_names: &loaded.metadata.class_names,
        temperature: loaded.metadata.temperature,
    };
    let test = measured(&subject, &view, true, seed)?;

    let validation = Logits::of(model.as_ref(), &images.train, &split.validation)?;
    let tested = Logits::of(model.as_ref(), &images.test, &indices)?;
    let calibration = CardCalibration {
        temperature,
        validation_before: validation.calibration(1.0, seed)?,
        validation_after: validation.calibration(temperature, seed)?,
        test_before: tested.calibration(1.0, seed)?,
        test_after: tested.calibration(temperature, seed)?,
    };

    info!("measuring the weights on corrupted test images");
    let robustness = robustness(model.as_ref(), &images.test, &indices, seed)?;
    let runs: Vec<CardRun> = runs.iter().map(card_run).collect::<Result<_>>()?;
    Ok(ModelCard {
        data: CardData {
            dataset: run.manifest.dataset.clone(),
            substitution: run.manifest.substitution.clone(),
            checksums: run.manifest.checksums.clone(),
            training_images: split.train.len(),
            validation_images: split.validation.len(),
            test_images: indices.len(),
        },
        weights: card_weights(loaded, precision)?,
        model: run.config.model.clone(),
        train: run.config.train.clone(),
        config: config.as_ref().map(|path| path.display().to_string()),
        accuracy_over_runs: OverRuns::of(&runs.iter().map(|run| run.test_accuracy).collect::<Vec<_>>()),
        runs,
        confusions: Confusion::most_frequent(&test, CONFUSIONS),
        test,
        calibration,
        robustness,
    })
}

/// The precision in which the weights are those of the run.
fn precision_of(loaded: &LoadedNetwork, run: &FinishedRun) -> Result<Precision> {
    let (weights, trained) = (state_of(&loaded.model), run.load_model()?);
    for precision in [Precision::Single, Precision::Half] {
        let stored = Network::from_safetensors(&trained.to_safetensors(precision)?, &Device::flex())?;
        if state_of(&stored.model) == weights {
            return Ok(precision);
        }
    }
    let folder = run.folder.display();
    let hint =
        format!("the weights are not those of {folder}; `export --run {folder}` writes them, `--model` names them");
    Err(UsageError(hint).into())
}

/// Refuses runs that differ in more than their seed.
fn require_one_recipe(runs: &[FinishedRun], config: Option<&Path>) -> Result<()> {
    let refuse = |run: &FinishedRun, other: String| {
        Err(UsageError(format!("the recipe of {} is not that of {other}", run.folder.display())).into())
    };
    if let Some(run) = runs.iter().find(|run| run.evaluation.split != SplitName::Test) {
        return refuse(run, "a card, which is of the test split".to_owned());
    }
    let first = &runs[0];
    if let Some(run) = runs.iter().find(|run| !same_recipe(&run.config, &first.config)) {
        return refuse(run, first.folder.display().to_string());
    }
    if let Some(run) = runs.iter().find(|run| run.manifest.checksums != first.manifest.checksums) {
        return Err(UsageError(format!("{} was made with other images", run.folder.display())).into());
    }
    let Some(path) = config else { return Ok(()) };
    let config: ExperimentConfig = load(&ConfigSource::read(path)?, &[], ExperimentConfig::validate)?;
    if same_recipe(&config, &first.config) { Ok(()) } else { refuse(first, path.display().to_string()) }
}

fn same_recipe(left: &ExperimentConfig, right: &ExperimentConfig) -> bool {
    left.model == right.model
        && left.train == right.train
        && left.data.source == right.data.source
        && left.data.validation == right.data.validation
        && left.data.synthetic == right.data.synthetic
}

fn card_run(run: &FinishedRun) -> Result<CardRun> {
    let incomplete = || format!("the manifest in {} lacks its figures", run.folder.display());
    let figures = run.manifest.figures.as_ref().with_context(incomplete)?;
    let digests = run.manifest.digests.as_ref().with_context(incomplete)?;
    Ok(CardRun {
        name: run.manifest.name.clone(),
        seed: run.manifest.seed,
        test_accuracy: run.evaluation.accuracy,
        test_accuracy_interval: run.evaluation.accuracy_interval,
        test_accuracy_tta: run.evaluation.accuracy_tta,
        training_minutes: figures.training_seconds / 60.0,
        machine: run.manifest.machine.clone(),
        burn: run.manifest.burn.clone(),
        git_revision: run.manifest.git_revision.clone(),
        started: run.manifest.started.clone(),
        continuations: run.manifest.continuations.clone(),
        teachers: run.manifest.teachers.clone(),
        initial_weights: run.manifest.initial_weights.clone(),
        digest: digests.all.clone(),
    })
}

fn card_weights(loaded: &LoadedNetwork, precision: Precision) -> Result<CardWeights> {
    let bytes = loaded.to_safetensors(precision)?;
    let cost = loaded.metadata.config.cost();
    Ok(CardWeights {
        parameters: cost.parameters(),
        macs: cost.macs(),
        bytes: bytes.len(),
        bits: match precision {
            Precision::Single => 32,
            Precision::Half => 16,
        },
        sha256: sha256_hex(&bytes),
    })
}
