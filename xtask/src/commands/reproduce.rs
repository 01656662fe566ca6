use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use tinylsa_experiment::RunOptions;
use tinylsa_experiment::folder::{Digests, Manifest, problems};
use tinylsa_experiment::reproduce::{Difference, reproduce};
use tinylsa_settings::counted;
use tracing::warn;

use super::experiment::{ON_INTERRUPT, conclude};
use crate::outcome::{say, stop_on_interrupt};
use crate::progress::ExperimentProgress;
use crate::table::table;

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
    /// Where the files of the images are, instead of what the config says.
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
    let options = RunOptions {
        data_dir: arguments.data_dir.clone(),
        out: arguments.out.clone(),
        resume: arguments.resume,
        strict: true,
        stop: stop_on_interrupt(ON_INTERRUPT)?,
    };
    let mut progress = ExperimentProgress::default();
    let reproduction = reproduce(&arguments.run, &options, &mut progress)?;
    progress.end()?;
    conclude(&reproduction.second)?;
    for Difference { what, first, second } in &reproduction.circumstances {
        warn!("{what}: {first} the first time, {second} now");
    }
    say(digest_table(&reproduction.expected, &reproduction.found))?;
    if !reproduction.is_same() {
        bail!("the second run differs from the first");
    }
    say("the same bits")
}

fn digest_table(expected: &Digests, found: &Digests) -> String {
    let none = "–".to_owned();
    let rows = [
        ("weights and config", &expected.model, &found.model),
        ("evaluation.json", &expected.evaluation, &found.evaluation),
        ("metrics.jsonl", &expected.metrics, &found.metrics),
        ("explanations", expected.explanations.as_ref().unwrap_or(&none), found.explanations.as_ref().unwrap_or(&none)),
        ("all", &expected.all, &found.all),
    ];
    let short = |digest: &str| digest.chars().take(16).collect::<String>();
    let verdict = |same: bool| if same { "same" } else { "differs" };
    let rows =
        rows.map(|(name, one, other)| [name.to_owned(), short(one), short(other), verdict(one == other).to_owned()]);
    table(4, ["result", "first run", "second run", ""], rows)
}
