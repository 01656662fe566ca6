use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tinylsa_system::OutputDir;

use super::identity::Identity;
use super::manifest::{MANIFEST, Manifest, Status};
use super::{KIND, holds_checkpoints, holds_run};
use crate::schema::RunSection;
use tinylsa_settings::UsageError;

/// A run that was made with the config that is asked for.
#[derive(Debug)]
pub(crate) struct ExistingRun {
    pub(crate) path: PathBuf,
    /// None if somebody deleted it, because it was damaged. The checkpoints know what they belong to.
    pub(crate) manifest: Option<Manifest>,
}

impl ExistingRun {
    pub(crate) fn is_finished(&self) -> bool {
        self.manifest.as_ref().is_some_and(|manifest| manifest.status == Status::Finished)
    }
}

/// The run to resume: the one in `out`, or the unfinished one of the run's name that was made with this config; a
/// finished one if there is no unfinished one.
///
/// # Errors
/// [`UsageError`] if there is none, if there are several, or if the one in `out` was made with another config: it says
/// which key differs.
pub(crate) fn existing_run(section: &RunSection, out: Option<&Path>, identity: &Identity) -> Result<ExistingRun> {
    match out {
        Some(out) => in_directory(out, identity),
        None => of_name(section, identity),
    }
}

fn in_directory(out: &Path, identity: &Identity) -> Result<ExistingRun> {
    if !holds_run(out) {
        let has_checkpoints = OutputDir::kind_of(out).as_deref() == Some(KIND) && holds_checkpoints(out);
        let found = has_checkpoints.then(|| ExistingRun { path: out.to_owned(), manifest: None });
        return found.ok_or_else(|| nothing_to_resume(&out.display().to_string()));
    }
    let manifest = Manifest::read(out).with_context(|| {
        format!(
            "the run in {0} cannot be resumed as it is; if it was not finished, delete its {MANIFEST} and pass --resume \
             --out {0}: the checkpoints know what they belong to",
            out.display()
        )
    })?;
    if let Some(differences) = differences(out, &manifest, identity)? {
        let refusal = format!(
            "the run in {} was made with other settings: {differences}; choose another --out, or pass the settings that \
             made it",
            out.display()
        );
        return Err(UsageError(refusal).into());
    }
    Ok(ExistingRun { path: out.to_owned(), manifest: Some(manifest) })
}

fn differences(run_dir: &Path, manifest: &Manifest, identity: &Identity) -> Result<Option<String>> {
    if manifest.experiment == identity.digest() {
        return Ok(None);
    }
    let recorded = Identity::of_run(run_dir, manifest)
        .with_context(|| format!("failed to read the settings of the run in {}", run_dir.display()))?;
    Ok(recorded.differences(identity))
}

fn of_name(section: &RunSection, identity: &Identity) -> Result<ExistingRun> {
    let (mut unfinished, mut finished, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for path in candidates(section) {
        let compared =
            Manifest::read(&path).and_then(|manifest| Ok((differences(&path, &manifest, identity)?, manifest)));
        match compared {
            Ok((None, manifest)) if manifest.status == Status::Finished => {
                finished.push(ExistingRun { path, manifest: Some(manifest) });
            }
            Ok((None, manifest)) => unfinished.push(ExistingRun { path, manifest: Some(manifest) }),
            Ok((Some(differences), _)) => others.push(format!("in {} {differences}", path.display())),
            Err(error) => others.push(format!("{error:#}")),
        }
    }
    let idle: Vec<usize> =
        (0..unfinished.len()).filter(|&index| !OutputDir::is_in_use(&unfinished[index].path)).collect();
    match (idle.as_slice(), unfinished.len()) {
        ([one], _) => Ok(unfinished.swap_remove(*one)),
        ([], 0) => finished.pop().ok_or_else(|| none_of_this_config(section, &others)),
        // All are running; the claim will say so.
        ([], _) => Ok(unfinished.swap_remove(0)),
        ([..], _) => {
            let paths: Vec<String> = idle.iter().map(|&index| unfinished[index].path.display().to_string()).collect();
            Err(UsageError(format!(
                "several unfinished runs were made with this config: {}; say which by --out",
                paths.join(", ")
            ))
            .into())
        }
    }
}

/// The directories of runs of this name, in the order of their numbers.
fn candidates(section: &RunSection) -> Vec<PathBuf> {
    let number = |name: &str| -> Option<u64> {
        let rest = name.strip_prefix(&section.name)?;
        if rest.is_empty() { Some(1) } else { rest.strip_prefix('-')?.parse().ok().filter(|&number| number > 1) }
    };
    let Ok(entries) = std::fs::read_dir(&section.directory) else { return Vec::new() };
    let mut found: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((number(entry.file_name().to_str()?)?, entry.path()))
        })
        .filter(|(_, path)| holds_run(path))
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

fn none_of_this_config(section: &RunSection, others: &[String]) -> anyhow::Error {
    if others.is_empty() {
        return nothing_to_resume(&section.directory.join(&section.name).display().to_string());
    }
    UsageError(format!("no run called {} was made with this config: {}", section.name, others.join("; "))).into()
}

fn nothing_to_resume(place: &str) -> anyhow::Error {
    UsageError(format!("there is no run to resume in {place}; leave --resume out to start one")).into()
}

#[cfg(test)]
mod tests {
    use tinylsa_data::DatasetName;

    use super::*;
    use crate::folder::RunFolder;
    use crate::folder::identity::Basis;
    use crate::folder::manifest::tests::manifest;
    use crate::schema::ExperimentConfig;
    use tinylsa_settings::config::{ConfigSource, load, to_toml};

    fn config(epochs: usize) -> ExperimentConfig {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/ci.toml");
        load(&ConfigSource::read(&path).unwrap(), &[format!("train.epochs={epochs}")], ExperimentConfig::validate)
            .unwrap()
    }

    fn identity(epochs: usize) -> Identity {
        let basis = Basis {
            dataset: DatasetName::SYNTHETIC_GARMENTS,
            checksums: Vec::new(),
            teachers: Vec::new(),
            initial_weights: None,
            instruction_set: "portable".to_owned(),
            tinylsa: "0.1.0".to_owned(),
            burn: "0.22.1".to_owned(),
        };
        Identity::new(&config(epochs), &basis).unwrap()
    }

    /// A directory with runs of these names, epochs and states.
    struct Runs {
        dir: tempfile::TempDir,
    }

    impl Runs {
        fn new(runs: &[(&str, usize, Status)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for (name, epochs, status) in runs {
                let folder = RunFolder::claim(&dir.path().join(name)).unwrap();
                folder.write("config.toml", to_toml(&config(*epochs)).unwrap().as_bytes()).unwrap();
                let manifest = Manifest { experiment: identity(*epochs).digest(), ..manifest(*status) };
                folder.write_manifest(&manifest).unwrap();
            }
            Self { dir }
        }

        fn section(&self) -> RunSection {
            RunSection { name: "x".to_owned(), directory: self.dir.path().to_owned(), seed: 0, tensorboard: false }
        }

        /// The name of the run that is resumed for a config of these epochs, or why none is.
        fn found(&self, epochs: usize) -> Result<String, String> {
            let found = existing_run(&self.section(), None, &identity(epochs));
            found.map(|run| name_of(&run.path)).map_err(|error| {
                assert!(error.is::<UsageError>(), "{error:#}");
                error.to_string()
            })
        }
    }

    fn name_of(path: &Path) -> String {
        path.file_name().unwrap().to_string_lossy().into_owned()
    }

    #[test]
    fn the_unfinished_run_of_the_config_is_resumed_whatever_its_number() {
        let runs = Runs::new(&[
            ("x", 2, Status::Running),
            ("x-2", 3, Status::Interrupted),
            ("x-3", 4, Status::Finished),
            ("x-7", 5, Status::Failed),
            ("x-old", 6, Status::Interrupted),
        ]);
        assert_eq!(runs.found(2).unwrap(), "x");
        assert_eq!(runs.found(3).unwrap(), "x-2");
        assert_eq!(runs.found(4).unwrap(), "x-3");
        assert_eq!(runs.found(5).unwrap(), "x-7");
        let error = runs.found(6).unwrap_err();
        assert!(error.contains("train.epochs is 2 there and 6 now"), "{error}");
    }

    #[test]
    fn an_unfinished_run_comes_before_a_finished_one_and_several_are_named() {
        let runs = Runs::new(&[("x", 2, Status::Interrupted), ("x-2", 2, Status::Finished)]);
        assert_eq!(runs.found(2).unwrap(), "x");
        let runs = Runs::new(&[("x", 2, Status::Interrupted), ("x-2", 2, Status::Running), ("x-3", 3, Status::Failed)]);
        let error = runs.found(2).unwrap_err();
        assert!(error.contains("several unfinished runs") && error.contains("x-2"), "{error}");
        assert!(!error.contains("x-3"), "{error}");
        assert!(Runs::new(&[]).found(2).unwrap_err().contains("there is no run to resume"));
    }

    #[test]
    fn a_named_directory_is_resumed_with_its_own_settings_only() {
        let runs = Runs::new(&[("y", 2, Status::Finished)]);
        let out = runs.dir.path().join("y");
        let find = |epochs| existing_run(&runs.section(), Some(&out), &identity(epochs));
        assert_eq!(find(2).unwrap().path, out);
        let error = find(9).unwrap_err().to_string();
        assert!(error.contains("train.epochs is 2 there and 9 now"), "{error}");
        // The config beside the manifest must be the one that the manifest is of.
        std::fs::write(out.join("config.toml"), to_toml(&config(9)).unwrap()).unwrap();
        let error = format!("{:#}", find(9).unwrap_err());
        assert!(error.contains("is not the config that the run was made with"), "{error}");
        std::fs::write(out.join(MANIFEST), b"{}").unwrap();
        let error = format!("{:#}", find(2).unwrap_err());
        assert!(error.contains("is not what a run writes") && error.contains("delete its manifest.json"), "{error}");
        std::fs::remove_file(out.join(MANIFEST)).unwrap();
        assert!(find(2).unwrap_err().to_string().contains("there is no run to resume"));
        std::fs::create_dir(out.join("checkpoints")).unwrap();
        std::fs::write(out.join("checkpoints/best.safetensors"), b"x").unwrap();
        assert_eq!(find(2).unwrap().manifest, None);
        assert!(RunFolder::claim_new(&runs.section(), Some(&out)).unwrap_err().to_string().contains("--resume"));
    }
}
