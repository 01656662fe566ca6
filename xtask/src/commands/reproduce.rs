use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use comfy_table::{Table, presets};
use tinylsa_data::DatasetName;
use tinylsa_settings::counted;
use tracing::warn;

use crate::experiment::{ExperimentOptions, perform};
use crate::finished::FinishedRun;
use crate::folder::{Digests, Manifest, problems};
use crate::outcome::{UsageError, say};
use crate::prepare::Experiment;
use tinylsa_settings::config::ConfigSource;

/// Arguments of the `reproduce` command.
#[derive(Args, Debug)]
pub(crate) struct ReproduceArguments {
    /// The directory of a finished run.
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    /// Check the directory against its manifest instead: that every file is the one that the run wrote, and that the
    /// digests are those of the files. Nothing is trained or written.
    #[arg(long, conflicts_with_all = ["data_dir", "out", "resume"])]
    verify: bool,
    /// Where the files of Fashion-MNIST are.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The directory of the second run, instead of one beside the first with "-again" behind its name.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Resume a second run that was interrupted.
    #[arg(long)]
    resume: bool,
}

/// Runs an experiment again and compares the digests of what comes out, or checks what is there.
pub(crate) fn run(arguments: &ReproduceArguments) -> Result<()> {
    if arguments.verify { verify(&arguments.run) } else { again(arguments) }
}

fn verify(run_dir: &Path) -> Result<()> {
    let problems = problems(run_dir);
    for problem in &problems {
        say(problem)?;
    }
    if !problems.is_empty() {
        bail!("{}: {} found", run_dir.display(), counted(problems.len(), "problem"));
    }
    let manifest = Manifest::read(run_dir)?;
    let digest = manifest.digests.map(|digests| digests.all).unwrap_or_default();
    let files = counted(manifest.files.len(), "file");
    say(format!("{}: {files} as the run left them, digest {digest}", run_dir.display()))
}

fn again(arguments: &ReproduceArguments) -> Result<()> {
    let first = FinishedRun::read(&arguments.run)?;
    let expected = first.manifest.digests.clone().ok_or_else(|| UsageError("a run without digests".to_owned()))?;
    let mut overrides = Vec::new();
    // a run that went on with synthetic garments is compared with synthetic garments, whatever lies on this disk
    if first.manifest.dataset == DatasetName::SYNTHETIC_GARMENTS {
        overrides.push("data.source=synthetic-garments".to_owned());
    }
    let experiment = Experiment::load(ConfigSource::read(&arguments.run.join("config.toml"))?, overrides)?;
    let out = arguments.out.clone().unwrap_or_else(|| beside(&arguments.run));
    let options = ExperimentOptions {
        data_dir: arguments.data_dir.clone(),
        out: Some(out),
        resume: arguments.resume,
        strict: true,
    };
    let second = perform(&experiment, &options)?;
    tell_differences(&first.manifest, &second);
    let found = second.digests.ok_or_else(|| UsageError("a run without digests".to_owned()))?;
    say(table(&expected, &found))?;
    if expected.all != found.all {
        bail!("the second run differs from the first");
    }
    say("the same bits")
}

/// The run's folder with "-again" behind its name.
fn beside(run: &Path) -> PathBuf {
    let mut name = run.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push("-again");
    run.with_file_name(name)
}

/// What may explain other bits.
fn tell_differences(first: &Manifest, second: &Manifest) {
    let differs = |what: &str, one: &str, other: &str| {
        if one != other {
            warn!("{what}: {one} the first time, {other} now");
        }
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    differs("tinylsa", &first.tinylsa, &second.tinylsa);
    differs("burn", &first.burn, &second.burn);
    differs("revision", &text(&first.git_revision), &text(&second.git_revision));
    differs("instruction set", &first.instruction_set, &second.instruction_set);
    differs("processor", &text(&first.machine.cpu), &text(&second.machine.cpu));
    differs("system", &first.machine.system, &second.machine.system);
}

fn table(expected: &Digests, found: &Digests) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["result", "first run", "second run", ""]);
    let none = "–".to_owned();
    let rows = [
        ("weights and config", &expected.model, &found.model),
        ("evaluation.json", &expected.evaluation, &found.evaluation),
        ("metrics.jsonl", &expected.metrics, &found.metrics),
        ("explanations", expected.explanations.as_ref().unwrap_or(&none), found.explanations.as_ref().unwrap_or(&none)),
        ("all", &expected.all, &found.all),
    ];
    for (name, one, other) in rows {
        let short = |digest: &str| digest.chars().take(16).collect::<String>();
        let verdict = if one == other { "same" } else { "differs" };
        table.add_row([name.to_owned(), short(one), short(other), verdict.to_owned()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_run_lies_beside_the_first() {
        assert_eq!(beside(Path::new("runs/base")), Path::new("runs/base-again"));
        assert_eq!(beside(Path::new("runs/base/")), Path::new("runs/base-again"));
    }
}
