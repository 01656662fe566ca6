use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use clap::Args;
use tinylsa_data::{CLASS_NAMES, stratified_split};
use tinylsa_model::TinyCnnLsaConfig;
use tinylsa_train::{EpochRecord, Trained, TrainingOutcome, TrainingPlan, peak_memory, resume, train};
use tracing::{info, warn};

use crate::dataset::{Pictures, all_indices, obtain, require_size};
use crate::evaluation::{EvaluationReport, SplitView, measure};
use crate::explain::experiment::explain_run;
use crate::folder::{Digests, Manifest, RunFigures, RunFolder, Status, metrics_lines};
use crate::machine::{Machine, device, digest, git_revision, set_threads};
use crate::outcome::{UsageError, say, stop_on_interrupt};
use crate::page::{self, PageContents};
use crate::progress::TrainingProgress;
use crate::schema::ExperimentConfig;
use crate::settings::{ConfigSource, load, to_toml};

/// What stands behind `experiment`.
#[derive(Args, Debug)]
pub(crate) struct ExperimentArguments {
    /// The config, such as configs/base.toml.
    config: PathBuf,
    /// Change a key of the config, such as train.epochs=3; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Where the files of Fashion-MNIST are.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The run's folder, instead of one named by the config.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with a run that was interrupted.
    #[arg(long)]
    resume: bool,
    /// Fail if the pictures are not to be had, instead of going on with synthetic ones.
    #[arg(long)]
    strict: bool,
}

/// One experiment, from the config to the report.
pub(crate) fn run(arguments: &ExperimentArguments) -> Result<()> {
    let started = Instant::now();
    let source = ConfigSource::read(&arguments.config)?;
    let config: ExperimentConfig = load(&source, &arguments.overrides, ExperimentConfig::validate)?;
    set_threads(config.device.threads)?;
    let device = device(&config.device)?;
    let pictures = obtain(&config.data, arguments.data_dir.as_deref(), arguments.strict)?;
    require_size(&pictures.train, config.model.image_size)?;
    show_cost(&config.model)?;

    let folder = run_folder(&config, arguments)?;
    let resolved = to_toml(&config).context("failed to write the resolved config")?;
    let mut manifest = manifest(&config, &pictures);
    folder.write("config.toml", resolved.as_bytes())?;
    folder.write_json("manifest.json", &manifest)?;
    info!("the run's folder is {}", folder.path().display());

    let plan = plan(&config, &pictures, &folder, device.clone())?;
    let stop = stop_on_interrupt("finishing the step and writing a checkpoint")?;
    let trained = match train_or_resume(&plan, arguments.resume, &stop)? {
        TrainingOutcome::Finished(trained) => trained,
        TrainingOutcome::Interrupted { checkpoint, epochs, steps } => {
            manifest.status = Status::Interrupted;
            folder.write_json("manifest.json", &manifest)?;
            bail!(
                "interrupted after {epochs} epochs and {steps} steps; {} holds everything: \
                 the same command with --resume goes on from there to the same result",
                checkpoint.display()
            );
        }
    };

    let model_bytes = trained.model.to_safetensors(&CLASS_NAMES, &kebab(&pictures)?)?;
    folder.write("model.safetensors", &model_bytes)?;
    folder.write("metrics.jsonl", metrics_lines(&trained.history)?.as_bytes())?;
    let evaluation = test(&config, &pictures, &trained);
    let evaluation_bytes = folder.write_json("evaluation.json", &evaluation)?;

    let explaining = Instant::now();
    let explained = if config.explain.enabled {
        match explain_run(&config, &trained.model, digest(&model_bytes), &pictures, &folder, &device, Arc::clone(&stop))
        {
            Ok(explained) => Some(explained),
            Err(error) if stop.load(Ordering::Relaxed) => {
                manifest.status = Status::Interrupted;
                folder.write_json("manifest.json", &manifest)?;
                return Err(error.context(
                    "interrupted while explaining; the same command with --resume takes the finished training and \
                     explains again",
                ));
            }
            Err(error) => return Err(error.context("failed to explain the test pictures")),
        }
    } else {
        None
    };

    manifest.status = Status::Finished;
    manifest.figures = Some(RunFigures {
        explanation_seconds: explained.is_some().then(|| explaining.elapsed().as_secs_f64()),
        ..figures(&trained, &evaluation, started)
    });
    let explanations_digest = explained.as_ref().map(|explained| explained.digest.clone());
    manifest.digests = Some(Digests::new(&model_bytes, &evaluation_bytes, &trained.history, explanations_digest)?);
    folder.write_json("manifest.json", &manifest)?;
    page::write(
        &folder,
        &PageContents {
            manifest: &manifest,
            evaluation: &evaluation,
            history: &trained.history,
            caption: &pictures.caption(),
            explanations: explained.as_ref().map_or(&[], |explained| explained.sections.as_slice()),
            config: &resolved,
        },
    )?;
    if let Some(table) = explained.as_ref().and_then(|explained| explained.scores.as_ref()) {
        crate::explain::experiment::conclude(table, &config)?;
    }
    conclude(&folder, &manifest, &evaluation)
}

fn run_folder(config: &ExperimentConfig, arguments: &ExperimentArguments) -> Result<RunFolder> {
    if arguments.resume {
        RunFolder::find(&config.run, arguments.out.as_deref())
    } else {
        RunFolder::create(&config.run, arguments.out.as_deref())
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

fn manifest(config: &ExperimentConfig, pictures: &Pictures) -> Manifest {
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
        seed: config.run.seed,
        threads: rayon::current_num_threads(),
        machine: Machine::here(),
        parameters: cost.parameters(),
        macs: cost.macs(),
        started: now(),
        figures: None,
        digests: None,
    }
}

/// burn itself does not tell; the root manifest pins this version.
const BURN_VERSION: &str = "0.22.1";

fn plan(config: &ExperimentConfig, pictures: &Pictures, folder: &RunFolder, device: Device) -> Result<TrainingPlan> {
    let split = stratified_split(&pictures.train.labels, config.data.validation, config.run.seed)?;
    Ok(TrainingPlan {
        model: config.model.clone(),
        train: config.train.clone(),
        seed: config.run.seed,
        dataset: Arc::new(pictures.train.clone()),
        train_indices: split.train.into(),
        validation_indices: split.validation.into(),
        device,
        checkpoints: folder.checkpoints(),
    })
}

fn train_or_resume(plan: &TrainingPlan, resumed: bool, stop: &AtomicBool) -> Result<TrainingOutcome> {
    let mut progress = TrainingProgress::default();
    let has_checkpoint = plan.checkpoints.join(tinylsa_train::LAST_CHECKPOINT).is_file();
    if resumed && !has_checkpoint {
        info!("there is no checkpoint yet: starting from the beginning");
    }
    let begin = if resumed && has_checkpoint { resume } else { train };
    Ok(begin(plan, stop, &mut progress)?)
}

/// The test set is read here, once, after every choice is made.
fn test(config: &ExperimentConfig, pictures: &Pictures, trained: &Trained) -> EvaluationReport {
    let split = SplitView { name: "test", dataset: &pictures.test, indices: &all_indices(&pictures.test) };
    measure(&trained.model.for_inference(), &split, config.evaluate.test_time_augmentation, config.run.seed)
}

fn figures(trained: &Trained, evaluation: &EvaluationReport, started: Instant) -> RunFigures {
    RunFigures {
        finished: now(),
        training_seconds: trained.history.iter().map(|record| record.seconds).sum(),
        wall_seconds: started.elapsed().as_secs_f64(),
        images_per_second: median(trained.history.iter().map(|record| record.images_per_second).collect()),
        explanation_seconds: None,
        peak_memory: largest_memory(&trained.history),
        best_epoch: trained.best_epoch,
        test_accuracy: evaluation.accuracy,
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
