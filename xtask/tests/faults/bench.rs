//! What every case starts from: a run without faults, its digest, and an interrupted one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::TempDir;
use tinylsa_random::{Draw, Purpose};

use crate::program::{Ended, run, signal, start, wait, xtask};
use crate::verdict::Verdict;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");
/// Half a second of work with a checkpoint at every step and two explained images.
const SMALL: [&str; 7] = [
    "data.synthetic.train=200",
    "data.synthetic.test=40",
    "data.validation=40",
    "train.epochs=3",
    "train.checkpoint_steps=1",
    "explain.methods=[\"self-attention\", \"integrated-gradients\"]",
    "explain.images.indices=[3]",
];

pub(crate) struct Bench {
    seed: u64,
    root: TempDir,
    /// The digest of the run without faults.
    pub(crate) digest: String,
    /// How long it took.
    pub(crate) duration: Duration,
}

impl Bench {
    pub(crate) fn new(seed: u64) -> Self {
        let root = TempDir::new().expect("a temporary directory");
        let mut bench = Self { seed, root, digest: String::new(), duration: Duration::ZERO };
        for (name, seed) in [("finished", 0), ("foreign", 1)] {
            let dir = bench.template(name);
            fs::create_dir(&dir).expect("a directory");
            let started = Instant::now();
            let seed = format!("run.seed={seed}");
            let ended = run(xtask(&dir, &[experiment(), vec!["--set".to_owned(), seed]].concat()));
            assert!(ended.succeeded(), "the run without faults failed: {}", ended.stderr);
            if name == "finished" {
                bench.duration = started.elapsed();
                bench.digest = digest_of(&dir).expect("a finished run has a digest");
            }
        }
        bench.make_interrupted();
        bench
    }

    /// A run that was stopped in its last epoch, at a time when an earlier epoch is the best.
    fn make_interrupted(&self) {
        let dir = self.template("interrupted");
        for _ in 0..100 {
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir(&dir).expect("a directory");
            let started = start(&mut xtask(&dir, &experiment()));
            while metrics(&dir) < 2 && !dir.join("run/model.safetensors").exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
            signal(&started.child, "INT");
            wait(started);
            if manifest(&dir).is_some_and(|manifest| manifest["status"] == "interrupted") {
                return;
            }
        }
        panic!("no run could be interrupted in its last epoch");
    }

    /// The directory of a template: "finished", "foreign" or "interrupted".
    pub(crate) fn template(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A new directory with a copy of a template.
    pub(crate) fn copy_of(&self, template: &str) -> TempDir {
        let dir = self.directory();
        copy(&self.template(template).join("run"), &dir.path().join("run"));
        dir
    }

    /// A new empty directory.
    pub(crate) fn directory(&self) -> TempDir {
        TempDir::new_in(self.root.path()).expect("a temporary directory")
    }

    /// The generator of a case.
    pub(crate) fn generator(&self, purpose: &'static str, case: u64) -> ChaCha8Rng {
        Draw { seed: self.seed, purpose: Purpose::new(purpose), epoch: 0, index: case }.generator()
    }

    /// Resumes the run in `dir`, or starts it if it did not come that far, and compares the digest.
    pub(crate) fn recover(&self, dir: &Path) -> Verdict {
        let begun = dir.join("run/manifest.json").exists();
        let resume = if begun { vec!["--resume".to_owned()] } else { Vec::new() };
        match self.judge(dir, &run(xtask(dir, &[experiment(), resume].concat()))) {
            Verdict::Refused => Verdict::Stuck("the run cannot be resumed".to_owned()),
            verdict => verdict,
        }
    }

    /// Resumes the damaged run in `dir`: a refusal is right, too.
    pub(crate) fn resume_damaged(&self, dir: &Path) -> Verdict {
        self.judge(dir, &run(xtask(dir, &[experiment(), vec!["--resume".to_owned()]].concat())))
    }

    /// What the end of an experiment in `dir` means.
    pub(crate) fn judge(&self, dir: &Path, ended: &Ended) -> Verdict {
        if let Some(verdict) = broken(ended) {
            return verdict;
        }
        if !ended.succeeded() {
            return if ended.stderr.contains("error: ") {
                Verdict::Refused
            } else {
                Verdict::Stuck(format!("it failed without a word: {:?}", ended.status))
            };
        }
        match digest_of(dir) {
            Some(digest) if digest == self.digest => Verdict::Right,
            found => Verdict::SilentlyWrong(format!("the digest is {found:?}, expected {}", self.digest)),
        }
    }
}

/// A panic or a command that does not end.
pub(crate) fn broken(ended: &Ended) -> Option<Verdict> {
    if ended.panicked() {
        Some(Verdict::Panicked(ended.last_words()))
    } else if ended.status.is_none() {
        Some(Verdict::Stuck(format!("it did not end: {}", ended.last_words())))
    } else {
        None
    }
}

/// The arguments of the run that every case makes, into the directory `run`.
pub(crate) fn experiment() -> Vec<String> {
    let settings = SMALL.iter().flat_map(|&setting| ["--set", setting]);
    ["experiment", CONFIG, "--out", "run"].into_iter().chain(settings).map(str::to_owned).collect()
}

pub(crate) fn manifest(dir: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(dir.join("run/manifest.json")).ok()?).ok()
}

fn digest_of(dir: &Path) -> Option<String> {
    let manifest = manifest(dir)?;
    if manifest["status"] != "finished" {
        return None;
    }
    manifest["digests"]["all"].as_str().map(str::to_owned)
}

/// How many epochs the last checkpoint of a run has finished.
fn metrics(dir: &Path) -> usize {
    let bytes = fs::read(dir.join("run/checkpoints/last.safetensors")).unwrap_or_default();
    let header = String::from_utf8_lossy(&bytes[..bytes.len().min(16384)]).into_owned();
    header.matches("validation_loss").count()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}
