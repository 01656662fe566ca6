//! Hands tasks to Slurm.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tinylsa_settings::UsageError;
use tinylsa_system::{sha256_hex, write_atomically};

use crate::cluster::script::{ArrayJob, Places};
use crate::error::ExperimentError;
use crate::folder::read_json;
use crate::machine::now;

/// The numbers of the jobs, beside their scripts.
const JOBS: &str = "slurm/jobs.json";
/// The tasks of an array if the cluster does not say otherwise.
const LARGEST_ARRAY: usize = 1001;

/// What was handed to Slurm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// When.
    pub submitted: String,
    /// The numbers of the array jobs: several if there are more tasks than the cluster takes in one.
    pub arrays: Vec<String>,
    /// The number of the job that gathers the results; empty if Slurm refused one of the jobs.
    pub gather: String,
}

/// `jobs.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Submissions {
    /// In their order.
    submissions: Vec<Submission>,
}

/// Whether tasks of a directory were handed to a cluster.
pub fn has_submissions(folder: &Path) -> bool {
    folder.join(JOBS).is_file()
}

/// Copies the program, writes the scripts, and submits the array and the job that gathers its results when all of it ended,
/// however it ended.
///
/// # Errors
/// [`UsageError`] if this is no machine of a Slurm cluster, or a path or an option does not fit a script; what Slurm says.
pub fn submit(job: &ArrayJob<'_>) -> Result<Submission, ExperimentError> {
    Ok(submitted(job)?)
}

fn submitted(job: &ArrayJob<'_>) -> Result<Submission> {
    job.check_options()?;
    let folder = std::path::absolute(job.folder)?;
    let bytes = fs::read(&job.program).with_context(|| format!("failed to read {}", job.program.display()))?;
    let places = Places {
        // a program that is replaced while tasks run would end them: each has a name of its own
        program: folder.join("bin").join(format!("tinylsa-{}", &sha256_hex(&bytes)[..12])),
        working_directory: std::env::current_dir().context("failed to find the working directory")?,
        folder,
    };
    places.check()?;
    let largest_part = largest_array()?;
    copy_program(&bytes, job, &places)?;
    let slurm = places.slurm();
    fs::create_dir_all(&slurm).with_context(|| format!("failed to create {}", slurm.display()))?;
    let [array, gather] = [slurm.join("array.sbatch"), slurm.join("gather.sbatch")];
    for (path, text) in [(&array, job.array_script(&places, largest_part)), (&gather, job.gather_script(&places))] {
        write_atomically(path, text.as_bytes()).with_context(|| format!("failed to write {}", path.display()))?;
    }
    let mut submission = Submission { submitted: now(), arrays: Vec::new(), gather: String::new() };
    let handed_in = hand_in(job, [&array, &gather], largest_part, &mut submission);
    if !submission.arrays.is_empty() {
        // what is queued keeps its numbers, even if the rest was refused
        remember(&places.folder.join(JOBS), &submission)?;
    }
    handed_in.with_context(|| match submission.arrays.as_slice() {
        [] => "nothing was submitted".to_owned(),
        arrays => format!("nothing gathers the results of {}, which were submitted before", arrays.join(", ")),
    })?;
    Ok(submission)
}

/// Submits the arrays and the job behind them, and notes each as soon as it is queued.
fn hand_in(
    job: &ArrayJob<'_>,
    [array, gather]: [&Path; 2],
    largest_part: usize,
    submission: &mut Submission,
) -> Result<()> {
    for first in (0..job.tasks).step_by(largest_part) {
        let mut options = vec![format!("--array={}", job.range(largest_part.min(job.tasks - first)))];
        // the slots are those of one array: a second one waits for the first
        if let Some(before) = submission.arrays.last().filter(|_| job.slots.is_some()) {
            options.push(format!("--dependency=afterany:{before}"));
        }
        submission.arrays.push(sbatch(&options, array, Some(first))?);
    }
    submission.gather = sbatch(&[format!("--dependency=afterany:{}", submission.arrays.join(":"))], gather, None)?;
    Ok(())
}

fn copy_program(bytes: &[u8], job: &ArrayJob<'_>, places: &Places) -> Result<()> {
    let failed = || format!("failed to copy the program to {}", places.program.display());
    if !places.program.is_file() {
        if let Some(bin) = places.program.parent() {
            fs::create_dir_all(bin).with_context(failed)?;
        }
        write_atomically(&places.program, bytes).with_context(failed)?;
    }
    let permissions = fs::metadata(&job.program).with_context(failed)?.permissions();
    // whoever copied it may have been killed before the next line
    if fs::metadata(&places.program).with_context(failed)?.permissions() == permissions {
        return Ok(());
    }
    fs::set_permissions(&places.program, permissions).with_context(failed)
}

fn remember(path: &Path, submission: &Submission) -> Result<()> {
    let mut all: Submissions = if path.is_file() { read_json(path)? } else { Submissions::default() };
    all.submissions.push(submission.clone());
    let mut bytes = serde_json::to_vec_pretty(&all)?;
    bytes.push(b'\n');
    write_atomically(path, &bytes).with_context(|| format!("failed to write {}", path.display()))
}

/// Submits a script and returns the number of the job.
fn sbatch(options: &[String], script: &Path, argument: Option<usize>) -> Result<String> {
    let mut command = Command::new("sbatch");
    command.arg("--parsable").args(options).arg(script).args(argument.map(|argument| argument.to_string()));
    let said = output(&mut command)?;
    // the name of the cluster may follow
    let number = said.trim().split(';').next().unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!("sbatch said {said:?}, expected the number of a job");
    }
    Ok(number.to_owned())
}

/// The most tasks of an array, which are numbered from 0.
fn largest_array() -> Result<usize> {
    let said = output(Command::new("scontrol").args(["show", "config"]))?;
    let line = said.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize")?.trim().strip_prefix('='));
    Ok(line.and_then(|value| value.trim().parse().ok()).filter(|&size| size > 0).unwrap_or(LARGEST_ARRAY))
}

fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::Error::from(UsageError(format!(
            "there is no {name} here: --submit slurm is for a machine from which jobs of a Slurm cluster are submitted"
        ))),
        _ => anyhow::Error::from(error).context(format!("failed to start {name}")),
    })?;
    if !output.status.success() {
        bail!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
