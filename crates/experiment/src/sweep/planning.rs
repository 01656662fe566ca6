//! Checks every trial of a sweep, and puts it into a plan.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use tinylsa_data::{DataConfig, FileChecksum, SplitIndices};
use tinylsa_kernels::instruction_set;
use tinylsa_settings::UsageError;
use tinylsa_settings::config::ConfigSource;
use tinylsa_system::OutputDir;
use tinylsa_train::BURN_VERSION;

use crate::cluster::has_submissions;
use crate::dataset::{LoadedDataset, obtain, validation_split};
use crate::error::ExperimentError;
use crate::folder::{Basis, Identity, Manifest, existing_run, holds_run};
use crate::machine::{git_revision, now};
use crate::prepare::{Experiment, Prepared, completed};
use crate::schema::ExperimentConfig;
use crate::sweep::{FrozenConfig, FrozenData, FrozenPlan, FrozenTrial, SweepPlace, SweepPlan, Trial};

/// The kind of output that the directory of a sweep is marked with.
const KIND: &str = "sweep";

/// What a plan accepts of runs that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Those of this machine's instruction set.
    OwnInstructionSet,
    /// Those of any instruction set, as on a cluster of several kinds of machines.
    AnyInstructionSet,
}

/// Checks all trials of a sweep and writes `plan.json` into its directory. Nothing is trained.
///
/// # Errors
/// If a trial is invalid, or its directory holds the run of other settings: nothing is written then. [`UsageError`] if the
/// directory has a plan that was submitted to a cluster and in which the trials have other numbers.
pub fn plan_trials(plan: &SweepPlan, place: &SweepPlace) -> Result<FrozenPlan, ExperimentError> {
    Ok(planned(plan, place, Accepted::AnyInstructionSet).map(|(plan, _)| plan)?)
}

/// The plan, which is in the directory now, and the claim on the directory.
pub(super) fn planned(plan: &SweepPlan, place: &SweepPlace, accepted: Accepted) -> Result<(FrozenPlan, OutputDir)> {
    let frozen = frozen(plan, place, accepted)?;
    let claim = OutputDir::claim(&place.folder, KIND)?;
    match FrozenPlan::existing(&place.folder)? {
        // the moment of the first planning stays
        Some(earlier) if is_same(&earlier, &frozen) => return Ok((earlier, claim)),
        Some(earlier) if has_submissions(&place.folder) && !frozen.trials.starts_with(&earlier.trials) => {
            if earlier.instruction_set != frozen.instruction_set {
                let refusal = format!(
                    "{} has a plan that was submitted on a machine with the instruction set {}, and this one has {}; submit \
                     from such a machine, or with TINYLSA_SIMD={}",
                    place.folder.display(),
                    earlier.instruction_set,
                    frozen.instruction_set,
                    earlier.instruction_set
                );
                return Err(UsageError(refusal).into());
            }
            let refusal = format!(
                "{} has a plan that was submitted, in which the trials have other numbers or settings; choose another \
                 --out, or add seeds at the end of the list alone",
                place.folder.display()
            );
            return Err(UsageError(refusal).into());
        }
        Some(_) | None => {}
    }
    frozen.write(&place.folder)?;
    Ok((frozen, claim))
}

fn is_same(earlier: &FrozenPlan, now: &FrozenPlan) -> bool {
    let timeless = |plan: &FrozenPlan| FrozenPlan { planned: String::new(), git_revision: None, ..plan.clone() };
    timeless(earlier) == timeless(now)
}

fn frozen(plan: &SweepPlan, place: &SweepPlace, accepted: Accepted) -> Result<FrozenPlan> {
    let source = ConfigSource::read(&plan.config)?;
    let mut check = Check {
        source: &source,
        accepted,
        collections: Collections::new(place),
        variants: Vec::with_capacity(plan.variants.len()),
        known: HashMap::new(),
        shared: None,
        has_control: plan.control.is_some(),
    };
    let mut trials = Vec::new();
    for (index, trial) in plan.trials().into_iter().enumerate() {
        let run_dir = place.folder.join(trial.name());
        let experiment = check.trial(index % plan.variants.len(), &trial, &run_dir)?;
        let Trial { variant, seed, settings } = trial;
        trials.push(FrozenTrial { variant, seed, settings, experiment });
    }
    Ok(FrozenPlan {
        planned: now(),
        tinylsa: env!("CARGO_PKG_VERSION").to_owned(),
        burn: BURN_VERSION.to_owned(),
        git_revision: git_revision(),
        instruction_set: instruction_set()?.to_owned(),
        config: FrozenConfig { name: source.name().to_owned(), text: source.text().to_owned() },
        data_dir: place.data_dir.as_deref().map(std::path::absolute).transpose()?,
        data: check.collections.data(),
        control: plan.control.clone(),
        trials,
    })
}

/// What is known of the trials before.
struct Check<'a> {
    source: &'a ConfigSource,
    accepted: Accepted,
    collections: Collections<'a>,
    /// The variants with their first seed.
    variants: Vec<CheckedVariant>,
    /// The names of the trials by the digests of their experiments.
    known: HashMap<String, String>,
    shared: Option<SharedImages>,
    has_control: bool,
}

/// A variant whose settings fit the data.
struct CheckedVariant {
    experiment: Experiment,
    basis: Basis,
    /// The number of its images in the collections.
    images: usize,
}

/// The validation images that all trials of a sweep with a control have in common.
struct SharedImages {
    validation: Arc<SplitIndices>,
    images: usize,
    /// The name of the trial that they were taken from.
    trial: String,
}

impl Check<'_> {
    /// The digest of a trial. A variant is compared with its images once; a further seed changes nothing of that.
    fn trial(&mut self, variant: usize, trial: &Trial, run_dir: &Path) -> Result<String> {
        if variant == self.variants.len() {
            let checked = self.variant(trial).with_context(|| format!("the variant {} is invalid", trial.variant))?;
            self.variants.push(checked);
        }
        let CheckedVariant { experiment, basis, images } = &self.variants[variant];
        let config = experiment.config_of_seed(trial.seed);
        let split = self.collections.split(*images, &config)?;
        let identity = Identity::new(&completed(&config, self.collections.get(*images), &split)?, basis)?;
        require_own_run(run_dir, &config, &identity, self.accepted)?;
        let digest = identity.digest();
        if let Some(other) = self.known.insert(digest.clone(), trial.name()) {
            return Err(UsageError(format!("{other} and {} are the same experiment", trial.name())).into());
        }
        match &self.shared {
            Some(shared) => shared.require_of(trial, *images, &split, &self.collections)?,
            None if self.has_control => {
                self.shared = Some(SharedImages { validation: split, images: *images, trial: trial.name() });
            }
            None => {}
        }
        Ok(digest)
    }

    fn variant(&mut self, trial: &Trial) -> Result<CheckedVariant> {
        let experiment = Experiment::load(self.source.clone(), trial.settings.clone())?;
        let images = self.collections.number(&experiment.config.data)?;
        let Prepared { basis, .. } = experiment.prepare(self.collections.get(images).clone())?;
        Ok(CheckedVariant { experiment, basis, images })
    }
}

/// Refuses a directory that holds the run of another experiment.
fn require_own_run(run_dir: &Path, config: &ExperimentConfig, identity: &Identity, accepted: Accepted) -> Result<()> {
    if !holds_run(run_dir) {
        return Ok(());
    }
    let is_elsewhere = accepted == Accepted::AnyInstructionSet
        && Manifest::read(run_dir)
            .is_ok_and(|run| identity.clone().on(&run.instruction_set).digest() == run.experiment);
    if !is_elsewhere {
        existing_run(&config.run, Some(run_dir), identity)
            .context("the sweep holds a run of other settings than its file has now")?;
    }
    Ok(())
}

impl SharedImages {
    /// Requires another trial to have the same.
    fn require_of(
        &self,
        trial: &Trial,
        images: usize,
        split: &Arc<SplitIndices>,
        collections: &Collections<'_>,
    ) -> Result<(), UsageError> {
        let [own, other] = [self.images, images].map(|images| collections.identity(images));
        if Arc::ptr_eq(&self.validation, split) || (self.validation.validation == split.validation && own == other) {
            return Ok(());
        }
        Err(UsageError(format!(
            "{} and {} have other validation images, so that they cannot be compared with a control; a data.split_seed \
             for all gives them the same",
            self.trial,
            trial.name()
        )))
    }
}

/// The images of each data section that a sweep has, read once.
struct Collections<'a> {
    place: &'a SweepPlace,
    images: Vec<(DataConfig, LoadedDataset)>,
    /// The last split of each: trials of one seed follow each other.
    splits: HashMap<usize, (usize, u64, Arc<SplitIndices>)>,
}

impl<'a> Collections<'a> {
    fn new(place: &'a SweepPlace) -> Self {
        Self { place, images: Vec::new(), splits: HashMap::new() }
    }

    fn get(&self, number: usize) -> &LoadedDataset {
        &self.images[number].1
    }

    /// What tells images of one collection from those of another. Those that are drawn have no checksums.
    fn identity(&self, number: usize) -> (&[FileChecksum], Option<(usize, u64)>) {
        let (section, images) = &self.images[number];
        let drawn = images.checksums.is_empty().then_some((section.synthetic.train, section.synthetic.seed));
        (&images.checksums, drawn)
    }

    fn number(&mut self, section: &DataConfig) -> Result<usize> {
        // The validation split does not change what is read.
        let section = DataConfig { validation: 0, split_seed: None, ..section.clone() };
        if let Some(number) = self.images.iter().position(|(known, _)| *known == section) {
            return Ok(number);
        }
        let images = obtain(&section, self.place.data_dir.as_deref(), true, &self.place.stop)?;
        self.images.push((section, images));
        Ok(self.images.len() - 1)
    }

    fn split(&mut self, number: usize, config: &ExperimentConfig) -> Result<Arc<SplitIndices>> {
        let (validation, seed) = (config.data.validation, config.split_seed());
        if let Some((count, of_seed, split)) = self.splits.get(&number)
            && (*count, *of_seed) == (validation, seed)
        {
            return Ok(Arc::clone(split));
        }
        let split = Arc::new(validation_split(self.get(number), validation, seed)?);
        self.splits.insert(number, (validation, seed, Arc::clone(&split)));
        Ok(split)
    }

    fn data(&self) -> Vec<FrozenData> {
        let mut data: Vec<FrozenData> = Vec::new();
        for (_, images) in &self.images {
            let of_images = FrozenData { dataset: images.name().clone(), checksums: images.checksums.clone() };
            if !data.contains(&of_images) {
                data.push(of_images);
            }
        }
        data
    }
}
