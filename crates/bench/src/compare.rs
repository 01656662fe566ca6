//! Networks set side by side: counted, measured and raced.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result};
use tinylsa_experiment::compare::{OwnNetwork, compare as counted};
use tinylsa_experiment::dataset::obtain;
use tinylsa_experiment::finished::FinishedRun;
use tinylsa_experiment::machine::Machine;
use tinylsa_experiment::race::{RacePlan, RaceResult, race};
use tinylsa_experiment::schema::ExperimentConfig;
use tinylsa_experiment::sheet::{SheetRequest, sheet};
use tinylsa_experiment::{COMPARED_CONFIGS, ExperimentError};
use tinylsa_model::{ConfigOfImages, ModelConfig};
use tinylsa_settings::UsageError;
use tinylsa_settings::config::{ConfigSource, load};
use tinylsa_system::write_atomically;
use tracing::warn;

use crate::comparison::{ComparedRow, Comparison};
use crate::networks::{MeasuredNetwork, NetworksPlan, networks};
use crate::peers::Python;

/// Blocks of each measurement, and their seconds.
const ROUNDS: usize = 2;
const BLOCK_SECONDS: f64 = 1.0;

/// What is compared, and how.
#[derive(Clone, Debug)]
pub struct CompareRequest {
    /// The networks that come first, before those of `configs/compare`.
    pub subjects: Vec<ComparedSubject>,
    /// Whether anything is measured; if not, the first networks and the large ones are counted alone.
    pub measured: bool,
    /// Who trains the same networks beside us; nobody if left out.
    pub peers: Option<Python>,
    /// A race of the networks of `configs/compare`, of which the first must be the first of the subjects.
    pub race: Option<RaceRequest>,
    /// Height and width of the images of the large networks, which are counted.
    pub baseline_size: usize,
    /// A program that takes the arguments of `cargo xtask`.
    pub program: PathBuf,
    /// Set from elsewhere, it stops a race where a later start of it goes on.
    pub stop: Arc<AtomicBool>,
}

/// A network with the config that it is trained by.
#[derive(Clone, Debug)]
pub struct ComparedSubject {
    /// The network.
    pub network: OwnNetwork,
    /// Its config.
    pub config: ExperimentConfig,
}

/// For how long networks race, and where.
#[derive(Clone, Debug)]
pub struct RaceRequest {
    /// As [`RacePlan::time`].
    pub time: Duration,
    /// Where the runs go.
    pub folder: PathBuf,
    /// Where the files of the images are, instead of what the configs say.
    pub data_dir: Option<PathBuf>,
    /// A test image that is explained on every network, on one sheet.
    pub explain: Option<u32>,
}

impl ComparedSubject {
    /// The network of a config that nobody trained.
    ///
    /// # Errors
    /// [`UsageError`] if neither the config nor its source says what the images are.
    pub fn untrained(config: ExperimentConfig) -> Result<Self, UsageError> {
        let network = config.untrained_network().map_err(|error| UsageError(error.to_string()))?;
        Ok(Self { network: OwnNetwork::untrained(network), config })
    }

    /// The network of the finished run in a directory.
    ///
    /// # Errors
    /// If there is no finished run, or its files are damaged.
    pub fn of_run(run_dir: &Path) -> Result<Self, ExperimentError> {
        let run = FinishedRun::read(run_dir)?;
        let network = OwnNetwork::of_run(&run).map_err(anyhow::Error::from)?;
        Ok(Self { network, config: run.config })
    }
}

/// Counts, measures and races networks.
///
/// # Errors
/// [`UsageError`] if there is no network or they have different numbers of classes; if a process fails; if the race was
/// stopped.
pub fn compare(request: &CompareRequest) -> Result<Comparison, ExperimentError> {
    Ok(compared(request)?)
}

fn compared(request: &CompareRequest) -> Result<Comparison> {
    if let Some(index) = request.race.as_ref().and_then(|race| race.explain) {
        require_test_image(index)?;
    }
    let mut subjects = request.subjects.clone();
    if let Some(first) = subjects.first().filter(|_| request.measured) {
        let others = others(first)?;
        subjects.extend(others);
    }
    if request.race.is_some() && subjects.len() != COMPARED_CONFIGS.len() {
        let text = "a race is of all networks of configs/compare, measured, for images that each of them takes";
        return Err(UsageError(text.to_owned()).into());
    }
    let own: Vec<OwnNetwork> = subjects.iter().map(|subject| subject.network.clone()).collect();
    let counted = counted(&own, request.baseline_size)?;
    let measured = if request.measured { measured(request, &subjects)? } else { Vec::new() };
    let raced = request.race.as_ref().map(|race| raced(request, race)).transpose()?.unwrap_or_default();
    let (mut measured, mut raced) = (measured.into_iter(), raced.into_iter());
    let row = |counted| ComparedRow { counted, measured: measured.next(), raced: raced.next() };
    Ok(Comparison {
        machine: Machine::here(),
        race_minutes: request.race.as_ref().map(|race| race.time.as_secs_f64() / 60.0),
        rows: counted.into_iter().map(row).collect(),
    })
}

/// The networks of `configs/compare` beside our own, for the images of the first one. One that does not take these is left
/// out.
fn others(first: &ComparedSubject) -> Result<Vec<ComparedSubject>> {
    let keys = first.network.model.image_keys();
    let mut others = Vec::new();
    for (name, text) in &COMPARED_CONFIGS[1..] {
        let mut config: ExperimentConfig = load(&ConfigSource::new(*name, *text), &[], ExperimentConfig::validate)?;
        let network = config.model.network()?.with_image_keys(keys.clone());
        if let Err(error) = network.validate() {
            warn!("{name} is left out: {error}");
            continue;
        }
        config.model = network.clone().into();
        config.data = first.config.data.clone();
        let network = OwnNetwork { name: (*name).to_owned(), ..OwnNetwork::untrained(network) };
        others.push(ComparedSubject { network, config });
    }
    Ok(others)
}

fn measured(request: &CompareRequest, subjects: &[ComparedSubject]) -> Result<Vec<MeasuredNetwork>> {
    let named = |subject: &ComparedSubject| (subject.network.name.clone(), subject.config.clone());
    Ok(networks(&NetworksPlan {
        networks: subjects.iter().map(named).collect(),
        rounds: ROUNDS,
        block_seconds: BLOCK_SECONDS,
        peers: request.peers.clone(),
        program: request.program.clone(),
    })?)
}

/// Refuses a test image that there is not, before anything is measured or trained.
fn require_test_image(index: u32) -> Result<()> {
    let (name, text) = COMPARED_CONFIGS[0];
    let config: ExperimentConfig = load(&ConfigSource::new(name, text), &[], ExperimentConfig::validate)?;
    let images = config.data.source.source().sizes(config.data.tables()).map(|sizes| sizes.test);
    match images.filter(|&images| index as usize >= images) {
        Some(images) => {
            Err(UsageError(format!("--explain is {index}, expected less than the {images} test images")).into())
        }
        None => Ok(()),
    }
}

/// The race, and the sheet of one image if it is asked for.
fn raced(request: &CompareRequest, asked: &RaceRequest) -> Result<Vec<RaceResult>> {
    let RaceRequest { time, folder, data_dir, explain } = asked;
    let results = race(&RacePlan {
        networks: COMPARED_CONFIGS.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec(),
        time: *time,
        folder: folder.clone(),
        data_dir: data_dir.clone(),
        program: request.program.clone(),
        stop: Arc::clone(&request.stop),
    })?;
    if let Some(index) = *explain {
        let (name, text) = COMPARED_CONFIGS[0];
        let config: ExperimentConfig = load(&ConfigSource::new(name, text), &[], ExperimentConfig::validate)?;
        let images = obtain(&config.data, data_dir.as_deref(), true, &request.stop)?;
        let models: Vec<(String, PathBuf)> =
            results.iter().map(|result| (result.name.clone(), result.model.clone())).collect();
        let stop = Arc::clone(&request.stop);
        let png = sheet(&SheetRequest { models: &models, dataset: &images.test, index, seed: 0, stop })?;
        let path = folder.join(format!("explanations-{index}.png"));
        write_atomically(&path, &png).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(results)
}
