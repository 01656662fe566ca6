//! Whether a run's directory is what the run left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tinylsa_system::{MARKER, OutputDir, sha256_hex};
use tinylsa_train::EpochRecord;

use super::identity::Identity;
use super::manifest::{Digests, MANIFEST, Manifest, Status};
use super::{KIND, read_json};
use crate::evaluation::EvaluationReport;

/// What every finished run has.
const REQUIRED: [&str; 8] = [
    "config.toml",
    "metrics.jsonl",
    "model.safetensors",
    "evaluation.json",
    "report.html",
    "checkpoints/last.safetensors",
    "checkpoints/best.safetensors",
    "figures/training-curves.svg",
];

/// SHA-256 of every file below a run's directory by its path with `/`, without the manifest and the marker.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn checksums(run_dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    let mut waiting = vec![(run_dir.to_owned(), String::new())];
    while let Some((dir, prefix)) = waiting.pop() {
        let entries = fs::read_dir(&dir).with_context(|| format!("failed to read {}", dir.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("failed to read {}", dir.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if name == MARKER || path == MANIFEST {
                continue;
            }
            if entry.path().is_dir() {
                waiting.push((entry.path(), format!("{path}/")));
            } else {
                sums.insert(path, checksum(&entry.path())?);
            }
        }
    }
    Ok(sums)
}

/// Refuses a finished run in which one of these files is not the one that the manifest records.
///
/// # Errors
/// If a file is missing or another one.
pub(crate) fn require_checksums(run_dir: &Path, manifest: &Manifest, files: &[&str]) -> Result<()> {
    for &file in files {
        if let Some(problem) = file_problem(run_dir, manifest, file) {
            bail!("the run in {} is damaged: {problem}", run_dir.display());
        }
    }
    Ok(())
}

/// Everything that is wrong with the directory of a run, a line each; nothing if it is what the run left. Files that
/// are not the run's are not looked at.
pub fn problems(run_dir: &Path) -> Vec<String> {
    let manifest = match Manifest::read(run_dir) {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{error:#}")],
    };
    if manifest.status != Status::Finished {
        return vec![format!("the run in {} {}", run_dir.display(), manifest.state(run_dir))];
    }
    let unrecorded = REQUIRED
        .iter()
        .filter(|&&name| !manifest.files.contains_key(name))
        .map(|name| format!("{MANIFEST} does not record {name}"));
    let damaged = manifest.files.keys().filter_map(|name| file_problem(run_dir, &manifest, name));
    let mut problems: Vec<String> = unrecorded.chain(damaged).collect();
    // A copy may lack the marker, but none says anything else.
    if let Some(kind) = OutputDir::kind_of(run_dir).filter(|kind| kind != KIND) {
        problems.push(format!("{MARKER} says that the directory holds {kind:?}, expected {KIND:?}"));
    }
    if problems.is_empty() {
        problems.extend(digest_problems(run_dir, &manifest).unwrap_or_else(|error| vec![format!("{error:#}")]));
    }
    problems
}

fn file_problem(run_dir: &Path, manifest: &Manifest, name: &str) -> Option<String> {
    let Some(recorded) = manifest.files.get(name) else {
        return Some(format!("{MANIFEST} does not record {name}"));
    };
    let path = run_dir.join(name);
    if !path.is_file() {
        return Some(format!("{name} is missing"));
    }
    match checksum(&path) {
        Ok(found) if &found == recorded => None,
        Ok(found) => Some(format!("{name} has SHA-256 {found}, {MANIFEST} records {recorded}")),
        Err(error) => Some(format!("{error:#}")),
    }
}

/// The files are those that are recorded; whether the manifest says of them what they say.
fn digest_problems(run_dir: &Path, manifest: &Manifest) -> Result<Vec<String>> {
    let read = |name: &str| -> Result<Vec<u8>> {
        let path = run_dir.join(name);
        fs::read(&path).with_context(|| format!("failed to read {}", path.display()))
    };
    let metrics = read("metrics.jsonl")?;
    let history: Vec<EpochRecord> = String::from_utf8_lossy(&metrics)
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .context("metrics.jsonl is not what a run writes")?;
    let explanations = explanations_digest(run_dir, manifest)?;
    let found = Digests::new(&read("model.safetensors")?, &read("evaluation.json")?, &history, explanations)?;
    let mut problems = Vec::new();
    if manifest.digests.as_ref() != Some(&found) {
        problems.push(format!("the digests in {MANIFEST} are not those of the files, which come to {}", found.all));
    }
    let evaluation: EvaluationReport = read_json(&run_dir.join("evaluation.json"))?;
    if manifest.figures.as_ref().map(|figures| figures.accuracy.to_bits()) != Some(evaluation.accuracy.to_bits()) {
        problems.push(format!("the accuracy in {MANIFEST} is not the {} of evaluation.json", evaluation.accuracy));
    }
    problems.extend(Identity::of_run(run_dir, manifest).err().map(|error| format!("{error:#}")));
    Ok(problems)
}

/// As the explanations of the run made it: a line for each image in their order, then one for the scores.
fn explanations_digest(run_dir: &Path, manifest: &Manifest) -> Result<Option<String>> {
    let dir = run_dir.join("explanations");
    let mut lines = Vec::new();
    for id in &manifest.explained {
        lines.push(format!("{id} {}", checksum(&dir.join(id).join("attributions.safetensors"))?));
    }
    let scores: PathBuf = dir.join("scores.json");
    if scores.is_file() {
        lines.push(format!("scores {}", checksum(&scores)?));
    }
    let is_explained = manifest.digests.as_ref().is_some_and(|digests| digests.explanations.is_some());
    Ok(is_explained.then(|| sha256_hex(lines.join("\n").as_bytes())))
}

fn checksum(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(sha256_hex(&bytes))
}
