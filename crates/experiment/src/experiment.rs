//! One experiment, from the config to the report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tinylsa_model::networks::{Network, NetworkConfig};
use tinylsa_model::{Classifier, Precision, Predictor, model_to_safetensors};
use tinylsa_settings::counted;
use tinylsa_system::sha256_hex;
use tinylsa_train::{BEST_CHECKPOINT, LAST_CHECKPOINT, Trained, Training, TrainingOutcome, TrainingPlan};
use tracing::{info, warn};

use crate::dataset::{LoadedDataset, all_indices, obtain};
use crate::error::{ExperimentError, Interruption, chain};
use crate::evaluation::{EvaluationReport, MeasuredModel, SplitName, SplitView, measured};
use crate::explanations::{ExplainedRun, RunExplanations, SCORES, explain_run};
use crate::folder::{
    Continuation, Digests, ExistingRun, Manifest, RunFigures, RunFolder, Status, checksums, existing_run,
    metrics_lines, problems, read_json,
};
use crate::machine::set_threads;
use crate::matching::held_out;
use crate::models::NetworkMetadata;
use crate::page::{self, PageContents};
use crate::prepare::{Experiment, Prepared, described};
use crate::progress::{RunProgress, StartedRun};
use crate::run::{CompletedRun, RunOptions};
use crate::run_figures::figures;
use crate::schema::{ExperimentConfig, MeasuredSplit};
use crate::tensorboard::EventFile;
use tinylsa_explain::{Explainable, explained};
use tinylsa_settings::config::to_toml;

impl Experiment {
    /// Trains, measures, explains and reports into a run directory.
    ///
    /// The number of threads belongs to the process: the first run in it decides, and another number is refused later.
    ///
    /// # Errors
    /// [`ExperimentError`] says whether the config is wrong, the request, or something failed. What is wrong with the
    /// config or the request is found before anything is written.
    pub fn run(&self, options: &RunOptions, progress: &mut dyn RunProgress) -> Result<CompletedRun, ExperimentError> {
        Ok(perform(self, None, options, progress)?)
    }

    /// The same on images that are in memory, whatever `data.source` says: the data set is known by their name.
    ///
    /// ```
    /// use tinylsa_experiment::dataset::LoadedDataset;
    /// use tinylsa_experiment::{Experiment, ExperimentError, RunOptions, Unwatched};
    /// use tinylsa_data::{Dataset, DatasetName, ImageShape, Split};
    ///
    /// // Squares of 8×8 pixels in two colours.
    /// let split = |split: Split, count: usize| Dataset {
    ///     name: DatasetName::new("memory/flags"),
    ///     split,
    ///     shape: ImageShape { channels: 3, height: 8, width: 8 },
    ///     class_names: ["red".to_owned(), "blue".to_owned()].into(),
    ///     images: (0..count).flat_map(|index| (0..3 * 64).map(move |value| u8::from(value / 128 == index % 2) * 200)).collect(),
    ///     labels: (0..count as u32).map(|index| index % 2).collect(),
    ///     masks: None,
    /// };
    /// let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/configs/folder.toml"));
    /// let small = ["data.validation=10", "train.batch_size=10", "train.epochs=1", "explain.enabled=false"];
    /// let experiment = Experiment::from_text("flags.toml", text, &small.map(str::to_owned))?;
    /// let directory = tempfile::tempdir().unwrap();
    /// let options = RunOptions { out: Some(directory.path().join("run")), ..RunOptions::default() };
    /// let flags = LoadedDataset::in_memory(split(Split::Train, 30), split(Split::Test, 10));
    /// let run = experiment.run_on(flags, &options, &mut Unwatched)?;
    /// assert_eq!(run.evaluation.classes.len(), 2);
    /// assert_eq!(run.evaluation.images, 10);
    /// # Ok::<(), ExperimentError>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run); if the images contradict themselves.
    pub fn run_on(
        &self,
        images: LoadedDataset,
        options: &RunOptions,
        progress: &mut dyn RunProgress,
    ) -> Result<CompletedRun, ExperimentError> {
        Ok(perform(self, Some(images), options, progress)?)
    }
}

fn perform(
    experiment: &Experiment,
    images: Option<LoadedDataset>,
    options: &RunOptions,
    progress: &mut dyn RunProgress,
) -> Result<CompletedRun> {
    let started = Instant::now();
    set_threads(experiment.config.device.threads)?;
    let images = match images {
        Some(images) => images,
        None => obtain(&experiment.config.data, options.data_dir.as_deref(), options.strict, &options.stop)?,
    };
    // Whatever is wrong with the plan is said before a directory is made or a file of an earlier start is replaced.
    let prepared = experiment.prepare(images)?;
    let config = &prepared.config;
    if options.stop.load(Ordering::Relaxed) {
        return Err(Interruption("interrupted before the training began; nothing was written".to_owned()).into());
    }
    let out = options.out.as_deref();
    let earlier = options.resume.then(|| existing_run(&config.run, out, &prepared.identity)).transpose()?;
    if let Some(run) = earlier.as_ref().filter(|run| run.is_finished()) {
        return finished_already(run, config);
    }
    let folder = match &earlier {
        Some(run) => RunFolder::claim(&run.path)?,
        None => RunFolder::claim_new(&config.run, out)?,
    };
    // Looked at again: nobody else writes there now.
    let earlier = earlier.map(|run| existing_run(&config.run, Some(&run.path), &prepared.identity)).transpose()?;
    if let Some(run) = earlier.as_ref().filter(|run| run.is_finished()) {
        return finished_already(run, config);
    }
    let plan = prepared.plan(folder.checkpoints());
    let training = ready(&plan, options.resume)?;
    let manifest = prepared.manifest();
    let manifest = match earlier.and_then(|run| run.manifest) {
        Some(earlier) => continued(manifest, earlier),
        None => manifest,
    };
    require_same_files(&manifest, &training)?;
    let resolved = to_toml(config).context("failed to write the resolved config")?;
    let stop = Arc::clone(&options.stop);
    let events = config.run.tensorboard.then(|| EventFile::new(folder.path(), &resolved));
    let mut run = Run { config, resolved, prepared: &prepared, folder: &folder, events, manifest, stop, started };
    match run.begin(progress).and_then(|()| run.complete(training, progress)) {
        Ok(completed) => Ok(completed),
        Err(error) => {
            run.failed(&error);
            Err(error)
        }
    }
}

/// Resuming a finished run does nothing, if it is whole.
fn finished_already(run: &ExistingRun, config: &ExperimentConfig) -> Result<CompletedRun> {
    let found = problems(&run.path);
    if !found.is_empty() {
        bail!(
            "the run in {} is finished, but its directory is damaged: {}; choose another --out to run it again",
            run.path.display(),
            found.join("; ")
        );
    }
    let manifest = Manifest::read(&run.path)?;
    let evaluation: EvaluationReport = read_json(&run.path.join("evaluation.json"))?;
    let scores = run.path.join("explanations").join(SCORES);
    let scores = if scores.is_file() { Some(read_json(&scores)?) } else { None };
    let (path, config) = (run.path.clone(), config.clone());
    Ok(CompletedRun { path, config, manifest, evaluation, scores, was_finished: true })
}

/// The training run, from its last checkpoint if it has one.
fn ready(plan: &TrainingPlan<NetworkConfig>, resumed: bool) -> Result<Training<'_, NetworkConfig>> {
    let has_checkpoint = [LAST_CHECKPOINT, BEST_CHECKPOINT].iter().any(|name| plan.checkpoints.join(name).exists());
    if resumed && !has_checkpoint {
        info!("there is no checkpoint yet: starting from the beginning");
    }
    let begin = if resumed && has_checkpoint { Training::resume } else { Training::start };
    Ok(begin(plan)?)
}

/// Refuses teachers and initial weights that were replaced since their checksums were taken.
fn require_same_files(manifest: &Manifest, training: &Training<'_, NetworkConfig>) -> Result<()> {
    for (teacher, loaded) in manifest.teachers.iter().zip(training.teacher_digests()) {
        if teacher.sha256 != loaded {
            bail!("the teacher {} was replaced while it was read", teacher.file);
        }
    }
    if let Some(initial) = &manifest.initial_weights
        && training.initial_digest() != Some(&initial.sha256)
    {
        bail!("the initial weights {} were replaced while they were read", initial.file);
    }
    Ok(())
}

/// A run under way.
struct Run<'a> {
    config: &'a ExperimentConfig,
    /// The config with every key, as the run directory has it.
    resolved: String,
    prepared: &'a Prepared,
    folder: &'a RunFolder,
    /// For TensorBoard, if the config asks for it.
    events: Option<EventFile>,
    manifest: Manifest,
    stop: Arc<AtomicBool>,
    started: Instant,
}

/// What the measurement at the end leaves.
struct Measured {
    model_bytes: Vec<u8>,
    predictor: Box<dyn Predictor>,
    model: Box<dyn Explainable>,
    evaluation: EvaluationReport,
    evaluation_bytes: Vec<u8>,
}

impl Run<'_> {
    fn begin(&self, progress: &mut dyn RunProgress) -> Result<()> {
        self.folder.prepare()?;
        if self.events.is_none() {
            EventFile::remove(self.folder.path())?;
        }
        self.folder.write("config.toml", self.resolved.as_bytes())?;
        self.folder.write_manifest(&self.manifest)?;
        info!("the run directory is {}", self.folder.path().display());
        progress.run_started(&StartedRun { path: self.folder.path(), cost: &self.prepared.network().cost() });
        Ok(())
    }

    fn complete(
        &mut self,
        training: Training<'_, NetworkConfig>,
        progress: &mut dyn RunProgress,
    ) -> Result<CompletedRun> {
        let trained = self.train(training, progress)?;
        let measured = self.measure(&trained)?;
        let explaining = Instant::now();
        let explained = if self.config.explain.enabled { Some(self.explain(&measured, progress)?) } else { None };
        self.manifest.figures = Some(RunFigures {
            explanation_seconds: explained.is_some().then(|| explaining.elapsed().as_secs_f64()),
            ..figures(&trained, &measured.evaluation, self.started)
        });
        self.finish(&trained, &measured, explained.as_ref())?;
        Ok(CompletedRun {
            path: self.folder.path().to_owned(),
            config: self.config.clone(),
            manifest: self.manifest.clone(),
            evaluation: measured.evaluation,
            scores: explained.and_then(|explained| explained.scores),
            was_finished: false,
        })
    }

    fn train(
        &mut self,
        training: Training<'_, NetworkConfig>,
        progress: &mut dyn RunProgress,
    ) -> Result<Trained<Network>> {
        let outcome = match &self.events {
            Some(events) => {
                let mut watched = events.watching(training.history(), progress)?;
                training.run(&self.stop, &mut watched)?
            }
            None => training.run(&self.stop, progress)?,
        };
        match outcome {
            TrainingOutcome::Finished(trained) => Ok(*trained),
            TrainingOutcome::Interrupted { checkpoint, epochs, steps } => {
                self.interrupted()?;
                Err(Interruption(format!(
                    "interrupted after {} and {}; {} holds everything: the same command with --resume goes on from there \
                     to the same result",
                    counted(epochs, "epoch"),
                    counted(steps, "step"),
                    checkpoint.display()
                ))
                .into())
            }
        }
    }

    /// The test set is read here, once, after every choice is made.
    fn measure(&self, trained: &Trained<Network>) -> Result<Measured> {
        let Prepared { images, split, .. } = self.prepared;
        let metadata = NetworkMetadata {
            held_out: Some(held_out(&images.train, split.validation.len(), self.config.split_seed())),
            ..described(trained.model.config(), images)
        };
        let model_bytes = model_to_safetensors(&trained.model, &metadata, Precision::Single)?;
        self.folder.write("model.safetensors", &model_bytes)?;
        self.folder.write("metrics.jsonl", metrics_lines(&trained.history)?.as_bytes())?;
        let predictor = trained.model.predictor();
        let (name, dataset, indices) = match self.config.evaluate.split {
            MeasuredSplit::Test => (SplitName::Test, &images.test, all_indices(&images.test)),
            MeasuredSplit::Validation => (SplitName::Validation, &images.train, split.validation.clone()),
        };
        let view = SplitView { name, dataset, indices: &indices };
        let augmented = self.config.evaluate.test_time_augmentation;
        let subject = MeasuredModel {
            network: predictor.as_ref(),
            config: &metadata.config,
            class_names: &metadata.class_names,
            temperature: None,
        };
        let evaluation = measured(&subject, &view, augmented, self.config.run.seed)?;
        let evaluation_bytes = self.folder.write_json("evaluation.json", &evaluation)?;
        Ok(Measured { model_bytes, predictor, model: explained(&trained.model), evaluation, evaluation_bytes })
    }

    fn explain(&mut self, measured: &Measured, progress: &mut dyn RunProgress) -> Result<RunExplanations> {
        let Prepared { device, images, .. } = self.prepared;
        let model_digest = sha256_hex(&measured.model_bytes);
        let stop = Arc::clone(&self.stop);
        let run = ExplainedRun {
            config: self.config,
            predictor: measured.predictor.as_ref(),
            model: measured.model.as_ref(),
            model_digest,
            folder: self.folder,
        };
        explain_run(&run, images, device, stop, progress).or_else(|error| {
            if !self.stop.load(Ordering::Relaxed) {
                return Err(error.context("failed to explain the test images"));
            }
            self.interrupted()?;
            Err(error.context(Interruption(
                "interrupted while explaining; the same command with --resume takes the finished training and \
                     explains again"
                    .to_owned(),
            )))
        })
    }

    fn interrupted(&mut self) -> Result<()> {
        self.manifest.status = Status::Interrupted;
        self.folder.write_manifest(&self.manifest)
    }

    /// Records why the run ended, unless the manifest says already how it did.
    fn failed(&mut self, error: &anyhow::Error) {
        if self.manifest.status != Status::Running {
            return;
        }
        self.manifest.status = Status::Failed;
        self.manifest.failure = Some(chain(error.as_ref()));
        if let Err(second) = self.folder.write_manifest(&self.manifest) {
            warn!("the manifest does not say that the run failed: {second:#}");
        }
    }

    /// The manifest is the last file: it says "finished" when everything else is on the disk.
    fn finish(
        &mut self,
        trained: &Trained<Network>,
        measured: &Measured,
        explained: Option<&RunExplanations>,
    ) -> Result<()> {
        let Measured { model_bytes, evaluation, evaluation_bytes, .. } = measured;
        let explanations = explained.map(|explained| explained.digest.clone());
        let digests = Digests::new(model_bytes, evaluation_bytes, &trained.history, explanations)?;
        let manifest = Manifest {
            digests: Some(digests.clone()),
            explained: explained.map_or_else(Vec::new, |explained| explained.ids.clone()),
            ..self.manifest.clone()
        };
        let contents = PageContents {
            manifest: &manifest,
            evaluation,
            history: &trained.history,
            caption: &self.prepared.images.caption(),
            explanations: explained.map_or(&[], |explained| explained.sections.as_slice()),
            config: &self.resolved,
        };
        page::write(self.folder, &contents)?;
        if let Some(events) = &self.events {
            events.finish(self.folder, &contents)?;
        }
        let files = checksums(self.folder.path())?;
        for (name, expected) in [("model.safetensors", &digests.model), ("evaluation.json", &digests.evaluation)] {
            if files.get(name) != Some(expected) {
                bail!("{name} was changed while the run was under way");
            }
        }
        let finished = Manifest { status: Status::Finished, files, ..manifest };
        self.folder.write_manifest(&finished)?;
        self.manifest = finished;
        Ok(())
    }
}

/// The manifest of a run that is resumed: it began when the `earlier` one says.
fn continued(manifest: Manifest, earlier: Manifest) -> Manifest {
    let continuation = Continuation { started: manifest.started, git_revision: manifest.git_revision };
    let continuations = [earlier.continuations, vec![continuation]].concat();
    Manifest { started: earlier.started, git_revision: earlier.git_revision, continuations, ..manifest }
}
