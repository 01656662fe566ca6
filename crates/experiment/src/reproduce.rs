//! Running an experiment again, to see whether the same bits come out.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tinylsa_data::DatasetName;
use tinylsa_settings::UsageError;

use crate::error::ExperimentError;
use crate::finished::FinishedRun;
use crate::folder::{Digests, Manifest};
use crate::prepare::Experiment;
use crate::progress::RunProgress;
use crate::run::{CompletedRun, RunOptions};

/// Two runs of one experiment.
#[derive(Clone, Debug)]
pub struct Reproduction {
    /// What the second run left.
    pub second: CompletedRun,
    /// The digests of the first run.
    pub expected: Digests,
    /// The digests of the second run.
    pub found: Digests,
    /// What may explain that they differ.
    pub circumstances: Vec<Difference>,
}

/// Something that was not the same when an experiment ran again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is, such as "revision".
    pub what: &'static str,
    /// Its value in the first run.
    pub first: String,
    /// Its value in the second run.
    pub second: String,
}

impl Reproduction {
    /// Whether the second run gave the same bits.
    pub fn is_same(&self) -> bool {
        self.expected.all == self.found.all
    }
}

/// Runs the experiment of a finished run again, with the config in its directory and on the dataset that it was made
/// with. Images are never substituted, whatever `options.strict` says. Without `options.out`, the second run lies beside
/// the first, with `-again` behind its name.
///
/// # Errors
/// If the first run is not finished or damaged; whatever ends the second one. Other bits are no error.
pub fn reproduce(
    run_dir: &Path,
    options: &RunOptions,
    progress: &mut dyn RunProgress,
) -> Result<Reproduction, ExperimentError> {
    let first = FinishedRun::read(run_dir)?;
    let expected = digests(&first.manifest)?;
    let mut overrides = Vec::new();
    // a run that fell back to synthetic garments is compared with synthetic garments, whatever lies on this disk
    if first.manifest.dataset == DatasetName::SYNTHETIC_GARMENTS {
        overrides.push("data.source=synthetic-garments".to_owned());
    }
    let experiment = Experiment::from_file(&run_dir.join("config.toml"), &overrides)?;
    let out = options.out.clone().unwrap_or_else(|| beside(run_dir));
    let options = RunOptions { out: Some(out), strict: true, ..options.clone() };
    let second = experiment.run(&options, progress)?;
    let found = digests(&second.manifest)?;
    let circumstances = circumstances(&first.manifest, &second.manifest);
    Ok(Reproduction { second, expected, found, circumstances })
}

fn digests(manifest: &Manifest) -> Result<Digests, UsageError> {
    manifest.digests.clone().ok_or_else(|| UsageError("a run without digests".to_owned()))
}

/// The run's directory with "-again" behind its name.
fn beside(run_dir: &Path) -> PathBuf {
    let mut name = run_dir.file_name().map(OsStr::to_owned).unwrap_or_default();
    name.push("-again");
    run_dir.with_file_name(name)
}

fn circumstances(first: &Manifest, second: &Manifest) -> Vec<Difference> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let compared = [
        ("tinylsa", first.tinylsa.clone(), second.tinylsa.clone()),
        ("burn", first.burn.clone(), second.burn.clone()),
        ("revision", text(&first.git_revision), text(&second.git_revision)),
        ("instruction set", first.instruction_set.clone(), second.instruction_set.clone()),
        ("processor", text(&first.machine.cpu), text(&second.machine.cpu)),
        ("system", first.machine.system.clone(), second.machine.system.clone()),
    ];
    let different = compared.into_iter().filter(|(_, first, second)| first != second);
    different.map(|(what, first, second)| Difference { what, first, second }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Status;
    use crate::folder::tests::manifest;

    #[test]
    fn the_second_run_lies_beside_the_first() {
        assert_eq!(beside(Path::new("runs/base")), Path::new("runs/base-again"));
        assert_eq!(beside(Path::new("runs/base/")), Path::new("runs/base-again"));
    }

    #[test]
    fn what_was_not_the_same_is_named_with_both_values() {
        let first = manifest(Status::Finished);
        assert_eq!(circumstances(&first, &first), []);
        let second = Manifest { git_revision: Some("abc".to_owned()), burn: "0.23.0".to_owned(), ..first.clone() };
        let found = circumstances(&first, &second);
        let named: Vec<(&str, &str, &str)> = found.iter().map(|it| (it.what, &*it.first, &*it.second)).collect();
        assert_eq!(named, [("burn", "0.22.1", "0.23.0"), ("revision", "unknown", "abc")]);
    }
}
