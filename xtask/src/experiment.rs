//! One experiment, from the config to the report.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use tinylsa_data::{CLASS_NAMES, FileChecksum, SplitIndices, stratified_split};
use tinylsa_model::TinyCnnLsaConfig;
use tinylsa_system::{peak_memory, sha256_hex};
use tinylsa_train::{EpochRecord, Trained, Training, TrainingOutcome, TrainingPlan};
use tracing::{info, warn};

use crate::dataset::{Pictures, all_indices, obtain, require_size};
use crate::evaluation::{EvaluationReport, SplitView, measure};
use crate::explain::experiment::{RunExplanations, explain_run};
use crate::explain::{Circumstances, ExplainedNetwork};
use crate::folder::{Continuation, Digests, Manifest, RunFigures, RunFolder, Status, metrics_lines};
use crate::machine::{Machine, device, git_revision, set_threads};
use crate::outcome::{UsageError, say, stop_on_interrupt};
use crate::page::{self, PageContents};
use crate::progress::TrainingProgress;
use crate::schema::{ExperimentConfig, MeasuredSplit};
use crate::settings::to_toml;

/// What an experiment is asked for beside its config.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExperimentOptions {
    /// Where the files of Fashion-MNIST are.
    pub(crate) data_dir: Option<PathBuf>,
    /// The run's folder, instead of one named by the config.
    pub(crate) out: Option<PathBuf>,
    /// Go on with a run that was interrupted.
    pub(crate) resume: bool,
    /// Fail if the pictures are not to be had, instead of going on with synthetic ones.
    pub(crate) strict: bool,
}

/// Trains, measures, explains and reports; returns what the run's manifest says. To be called once in a process.
///
/// # Errors
/// The first thing that goes wrong; that it was interrupted.
pub(crate) fn perform(config: &ExperimentConfig, options: &ExperimentOptions) -> Result<Manifest> {
    let started = Instant::now();
    let workplace = Workplace::find(config, options)?;
    // Whatever is wrong with the plan is said before a folder is made or a file of an earlier run is replaced.
    let plan = workplace.plan(config);
    let training = ready(&plan, options.resume)?;
    let manifest = manifest(config, &workplace.pictures, teachers(&plan, &training));
    let manifest = if options.resume { continued(manifest, workplace.folder.manifest()?) } else { manifest };
    let mut run = Run::begin(config, &workplace, manifest, started)?;
    let trained = run.train(training)?;
    drop(plan);
    let measured = run.measure(&trained)?;
    let explaining = Instant::now();
    let explained = if config.explain.enabled { Some(run.explain(&measured)?) } else { None };
    run.manifest.figures = Some(RunFigures {
        explanation_seconds: explained.is_some().then(|| explaining.elapsed().as_secs_f64()),
        ..figures(&trained, &measured.evaluation, run.started)
    });
    run.finish(&trained, &measured, explained.as_ref())?;
    Ok(run.manifest)
}

/// What a run computes with, on what, and where its files go.
struct Workplace {
    device: Device,
    pictures: Pictures,
    /// Of the training pictures.
    split: SplitIndices,
    folder: RunFolder,
}

/// A run under way.
struct Run<'a> {
    config: &'a ExperimentConfig,
    /// The config with every key, as the run's folder has it.
    resolved: String,
    workplace: &'a Workplace,
    manifest: Manifest,
    stop: Arc<AtomicBool>,
    started: Instant,
}

/// What the measurement at the end leaves.
struct Measured {
    model_bytes: Vec<u8>,
    model: ExplainedNetwork,
    evaluation: EvaluationReport,
    evaluation_bytes: Vec<u8>,
}

impl Workplace {
    fn find(config: &ExperimentConfig, options: &ExperimentOptions) -> Result<Self> {
        set_threads(config.device.threads)?;
        let device = device(&config.device)?;
        let pictures = obtain(&config.data, options.data_dir.as_deref(), options.strict)?;
        require_size(&pictures.train, config.model.image_size)?;
        let explained = Circumstances::new(&config.model, Some(pictures.train.len()), pictures.test.len());
        config.explain.validate_against(&explained).map_err(|error| UsageError(error.within("explain").to_string()))?;
        let split = stratified_split(&pictures.train.labels, config.data.validation, config.run.seed)?;
        let place = if options.resume { RunFolder::find } else { RunFolder::free };
        let folder = place(&config.run, options.out.as_deref())?;
        Ok(Self { device, pictures, split, folder })
    }

    fn plan(&self, config: &ExperimentConfig) -> TrainingPlan {
        TrainingPlan {
            model: config.model.clone(),
            train: config.train.clone(),
            seed: config.run.seed,
            dataset: Arc::new(self.pictures.train.clone()),
            train_indices: self.split.train.clone().into(),
            validation_indices: self.split.validation.clone().into(),
            device: self.device.clone(),
            checkpoints: self.folder.checkpoints(),
        }
    }
}

fn ready(plan: &TrainingPlan, resumed: bool) -> Result<Training<'_>> {
    let has_checkpoint = plan.checkpoints.join(tinylsa_train::LAST_CHECKPOINT).is_file();
    if resumed && !has_checkpoint {
        info!("there is no checkpoint yet: starting from the beginning");
    }
    let begin = if resumed && has_checkpoint { Training::resume } else { Training::start };
    Ok(begin(plan)?)
}

impl<'a> Run<'a> {
    fn begin(
        config: &'a ExperimentConfig,
        workplace: &'a Workplace,
        manifest: Manifest,
        started: Instant,
    ) -> Result<Self> {
        let folder = &workplace.folder;
        show_cost(&config.model)?;
        folder.make()?;
        let resolved = to_toml(config).context("failed to write the resolved config")?;
        folder.write("config.toml", resolved.as_bytes())?;
        folder.write_json("manifest.json", &manifest)?;
        info!("the run's folder is {}", folder.path().display());
        let stop = stop_on_interrupt("stopping where --resume can go on")?;
        Ok(Self { config, resolved, workplace, manifest, stop, started })
    }

    fn train(&mut self, training: Training<'_>) -> Result<Trained> {
        match training.run(&self.stop, &mut TrainingProgress::default())? {
            TrainingOutcome::Finished(trained) => Ok(*trained),
            TrainingOutcome::Interrupted { checkpoint, epochs, steps } => {
                self.interrupted()?;
                bail!(
                    "interrupted after {epochs} epochs and {steps} steps; {} holds everything: \
                     the same command with --resume goes on from there to the same result",
                    checkpoint.display()
                );
            }
        }
    }

    /// The test set is read here, once, after every choice is made.
    fn measure(&self, trained: &Trained) -> Result<Measured> {
        let Workplace { pictures, split, folder, .. } = self.workplace;
        let model_bytes = trained.model.to_safetensors(&CLASS_NAMES, &kebab(pictures)?)?;
        folder.write("model.safetensors", &model_bytes)?;
        folder.write("metrics.jsonl", metrics_lines(&trained.history)?.as_bytes())?;
        let model = ExplainedNetwork::from(trained.model.clone());
        let (name, dataset, indices) = match self.config.evaluate.split {
            MeasuredSplit::Test => ("test", &pictures.test, all_indices(&pictures.test)),
            MeasuredSplit::Validation => ("validation", &pictures.train, split.validation.clone()),
        };
        let view = SplitView { name, dataset, indices: &indices };
        let augmented = self.config.evaluate.test_time_augmentation;
        let evaluation = measure(&model.folded, &view, augmented, self.config.run.seed);
        let evaluation_bytes = folder.write_json("evaluation.json", &evaluation)?;
        Ok(Measured { model_bytes, model, evaluation, evaluation_bytes })
    }

    fn explain(&mut self, measured: &Measured) -> Result<RunExplanations> {
        let Workplace { device, pictures, folder, .. } = self.workplace;
        let model_digest = sha256_hex(&measured.model_bytes);
        let stop = Arc::clone(&self.stop);
        explain_run(self.config, &measured.model, model_digest, pictures, folder, device, stop).or_else(|error| {
            if !self.stop.load(Ordering::Relaxed) {
                return Err(error.context("failed to explain the test pictures"));
            }
            self.interrupted()?;
            Err(error.context(
                "interrupted while explaining; the same command with --resume takes the finished training and \
                     explains again",
            ))
        })
    }

    fn interrupted(&mut self) -> Result<()> {
        self.manifest.status = Status::Interrupted;
        self.workplace.folder.write_json("manifest.json", &self.manifest).map(drop)
    }

    fn finish(&mut self, trained: &Trained, measured: &Measured, explained: Option<&RunExplanations>) -> Result<()> {
        let Workplace { pictures, folder, .. } = self.workplace;
        let Measured { model_bytes, evaluation, evaluation_bytes, .. } = measured;
        let explanations = explained.map(|explained| explained.digest.clone());
        self.manifest.status = Status::Finished;
        self.manifest.digests = Some(Digests::new(model_bytes, evaluation_bytes, &trained.history, explanations)?);
        folder.write_json("manifest.json", &self.manifest)?;
        page::write(
            folder,
            &PageContents {
                manifest: &self.manifest,
                evaluation,
                history: &trained.history,
                caption: &pictures.caption(),
                explanations: explained.map_or(&[], |explained| explained.sections.as_slice()),
                config: &self.resolved,
            },
        )?;
        if let Some(table) = explained.and_then(|explained| explained.scores.as_ref()) {
            crate::explain::experiment::conclude(table, self.config)?;
        }
        conclude(folder, &self.manifest, evaluation)
    }
}

/// Prints what every layer costs.
fn show_cost(model: &TinyCnnLsaConfig) -> Result<()> {
    let cost = model.cost();
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED).set_header(["layer", "output", "parameters", "MACs"]);
    for layer in &cost.layers {
        let output = layer.output.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        table.add_row([layer.name.clone(), output, layer.parameters.to_string(), layer.macs.to_string()]);
    }
    table.add_row(["total".to_owned(), String::new(), cost.parameters().to_string(), cost.macs().to_string()]);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    say(table)
}

fn manifest(config: &ExperimentConfig, pictures: &Pictures, teachers: Vec<FileChecksum>) -> Manifest {
    let cost = config.model.cost();
    Manifest {
        name: config.run.name.clone(),
        status: Status::Running,
        tinylsa: env!("CARGO_PKG_VERSION").to_owned(),
        burn: BURN_VERSION.to_owned(),
        git_revision: git_revision(),
        dataset: pictures.name(),
        substitution: pictures.substitution.clone(),
        checksums: pictures.checksums.clone(),
        teachers,
        seed: config.run.seed,
        threads: rayon::current_num_threads(),
        machine: Machine::here(),
        parameters: cost.parameters(),
        macs: cost.macs(),
        started: now(),
        continuations: Vec::new(),
        figures: None,
        digests: None,
    }
}

fn teachers(plan: &TrainingPlan, training: &Training<'_>) -> Vec<FileChecksum> {
    let paths = plan.train.distillation.teachers.iter();
    paths
        .zip(training.teacher_digests())
        .map(|(path, sha256)| FileChecksum { file: path.display().to_string(), sha256 })
        .collect()
}

/// The manifest of a run that is gone on with: it began when the `earlier` one says.
fn continued(manifest: Manifest, earlier: Manifest) -> Manifest {
    let continuation = Continuation { started: manifest.started, git_revision: manifest.git_revision };
    let continuations = [earlier.continuations, vec![continuation]].concat();
    Manifest { started: earlier.started, git_revision: earlier.git_revision, continuations, ..manifest }
}

/// burn itself does not tell; the root manifest pins this version.
const BURN_VERSION: &str = "0.22.1";

fn figures(trained: &Trained, evaluation: &EvaluationReport, started: Instant) -> RunFigures {
    RunFigures {
        finished: now(),
        training_seconds: trained.history.iter().map(|record| record.seconds).sum(),
        wall_seconds: started.elapsed().as_secs_f64(),
        images_per_second: median(trained.history.iter().map(|record| record.images_per_second).collect()),
        explanation_seconds: None,
        peak_memory: largest_memory(&trained.history),
        kept_epoch: trained.kept_epoch,
        accuracy: evaluation.accuracy,
    }
}

fn largest_memory(history: &[EpochRecord]) -> Option<u64> {
    history.iter().filter_map(|record| record.peak_memory).chain(peak_memory()).max()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn conclude(folder: &RunFolder, manifest: &Manifest, evaluation: &EvaluationReport) -> Result<()> {
    if manifest.substitution.is_some() {
        warn!("these are synthetic garments: nothing here is a result on Fashion-MNIST");
    }
    say(evaluation.in_words())?;
    if let Some(digests) = &manifest.digests {
        say(format!("digest {}", digests.all))?;
    }
    say(format!("report {}", folder.path().join("report.html").display()))
}

fn kebab(pictures: &Pictures) -> Result<String> {
    let value = serde_json::to_value(pictures.name())?;
    value.as_str().map(str::to_owned).ok_or_else(|| UsageError("a dataset without a name".to_owned()).into())
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
