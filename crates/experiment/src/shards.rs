//! Explanations of many images, cut into shards: each is a process, on whatever machine sees the directory.
//!
//! The first shard, or whoever hands them to a cluster, writes `plan.json` into the directory. A shard explains the images
//! whose number leaves its own when it is divided by the number of shards, and leaves alone those whose files were made with
//! the same model, seed and settings. [`gather_parts`] puts together what is there, in the order of the images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tinylsa_data::FileChecksum;
use tinylsa_explain::page::DrawnExplanation;
use tinylsa_explain::scores::ScoreFold;
use tinylsa_explain::{ExplanationsDigest, ImageDirectory, ImagePart, MethodId};
use tinylsa_kernels::instruction_set;
use tinylsa_settings::UsageError;
use tinylsa_system::{ClaimError, OutputDir, sha256_hex, write_atomically};
use tinylsa_train::BURN_VERSION;

use crate::error::{ExperimentError, Interruption};
use crate::folder::read_json;
use crate::machine::{git_revision, now};

/// The name of the plan in the directory.
const PLAN: &str = "plan.json";
/// The directory of the locks of the shards.
const SHARDS: &str = "shards";
/// How long a shard waits for another one that prepares the directory.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// One of several parts of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 0.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

impl Shard {
    /// Whether the image of this number is in it.
    pub fn holds(self, number: u32) -> bool {
        number as usize % self.of == self.index
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((index, of)) if index < of => Ok(Self { index, of }),
            Some(_) | None => Err(format!("{text:?} is no shard, expected I/N with I from 0 to N - 1, such as 0/8")),
        }
    }
}

/// `plan.json` of a directory of shards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardPlan {
    /// When it was made.
    pub planned: String,
    /// Version of this workspace.
    pub tinylsa: String,
    /// Version of burn.
    pub burn: String,
    /// Revision of the working tree, `+` behind it if files differ.
    pub git_revision: Option<String>,
    /// How many shards there are.
    pub shards: usize,
    /// The digest of everything that an explanation depends on, but for the instruction set.
    pub settings: String,
    /// What was asked for, as the program that asks reads it back.
    pub request: Value,
}

/// Everything that an explanation depends on.
#[derive(Clone, Debug)]
pub struct ShardBasis<'a> {
    /// SHA-256 of the model file.
    pub model: &'a str,
    /// The name of the data set, and the checksums of its files.
    pub dataset: &'a str,
    /// Of the published files.
    pub checksums: &'a [FileChecksum],
    /// The names of all images, in their order.
    pub names: &'a [String],
    /// The methods.
    pub methods: &'a [MethodId],
    /// The seed of the run.
    pub seed: u64,
    /// The settings of the methods, and of their scores.
    pub explain: Value,
    /// Whether the explanations are scored.
    pub scores: bool,
    /// What is explained of an image, such as a class.
    pub target: String,
}

impl ShardBasis<'_> {
    /// SHA-256 of all of it, apart from what changes no bit.
    pub fn digest(&self) -> String {
        let mut explain = self.explain.clone();
        if let Some(table) = explain.as_object_mut() {
            let unread = ["enabled", "images", "batch_size"].into_iter().chain((!self.scores).then_some("scores"));
            for key in unread {
                table.remove(key);
            }
        }
        // which images are scored again depends on all of them
        let scored = self.scores.then(|| sha256_hex(self.names.join("\n").as_bytes()));
        let all = json!({
            "tinylsa": env!("CARGO_PKG_VERSION"),
            "burn": BURN_VERSION,
            "model": self.model,
            "dataset": self.dataset,
            "checksums": self.checksums,
            "methods": self.methods,
            "seed": self.seed,
            "explain": explain,
            "scored": scored,
            "target": self.target,
        });
        sha256_hex(all.to_string().as_bytes())
    }
}

impl ShardPlan {
    /// The plan of a request that is made now.
    pub fn new(shards: usize, basis: &ShardBasis<'_>, request: Value) -> Self {
        Self {
            planned: now(),
            tinylsa: env!("CARGO_PKG_VERSION").to_owned(),
            burn: BURN_VERSION.to_owned(),
            git_revision: git_revision(),
            shards,
            settings: basis.digest(),
            request,
        }
    }

    /// Whether a directory has one.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(PLAN).is_file()
    }

    /// Reads the plan in a directory.
    ///
    /// # Errors
    /// [`UsageError`] if there is none; if it is damaged.
    pub fn read(folder: &Path) -> Result<Self, ExperimentError> {
        if !Self::is_in(folder) {
            let text = format!(
                "{} has no {PLAN}, expected a directory of explanations that were begun with --shard and --index",
                folder.display()
            );
            return Err(UsageError(text).into());
        }
        Ok(read_json(&folder.join(PLAN))?)
    }

    /// What was asked for.
    ///
    /// # Errors
    /// If it was written by another version of the program.
    pub fn request<T: DeserializeOwned>(&self) -> Result<T, ExperimentError> {
        let read = serde_json::from_value(self.request.clone());
        Ok(read.with_context(|| format!("{PLAN} holds no request of this version of the program"))?)
    }

    /// Puts the plan into a directory, or finds that it is there already. Before the first time, what an earlier
    /// explanation left there is removed; `beside` are its files beside those of the images.
    ///
    /// # Errors
    /// [`UsageError`] if the directory holds anything else, or the plan of another request.
    pub fn begin(
        &self,
        folder: &Path,
        kind: &str,
        names: &[String],
        beside: &[&str],
    ) -> Result<ImageDirectory, ExperimentError> {
        Ok(self.begun(folder, kind, names, beside)?)
    }

    fn begun(&self, folder: &Path, kind: &str, names: &[String], beside: &[&str]) -> Result<ImageDirectory> {
        let _claim = patient_claim(folder, kind)?;
        if Self::is_in(folder) {
            let there: Self = read_json(&folder.join(PLAN))?;
            self.require_same(&there, folder)?;
            return Ok(ImageDirectory::begun(folder));
        }
        let directory = ImageDirectory::begin(folder, names, beside)?;
        let path = folder.join(PLAN);
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        write_atomically(&path, &bytes).with_context(|| format!("failed to write {}", path.display()))?;
        Ok(directory)
    }

    fn require_same(&self, there: &Self, folder: &Path) -> Result<(), UsageError> {
        let different = if self.shards != there.shards {
            format!("{} shards there and {} now", there.shards, self.shards)
        } else if self.settings != there.settings {
            "another model, other images, methods or settings, or another version".to_owned()
        } else if self.request != there.request {
            "other images, or other options".to_owned()
        } else {
            return Ok(());
        };
        Err(UsageError(format!(
            "{} holds the shards of another explanation: {different}; choose another --out",
            folder.display()
        )))
    }
}

/// The shards of one call may all prepare the directory at the same moment.
fn patient_claim(folder: &Path, kind: &str) -> Result<OutputDir> {
    let began = Instant::now();
    loop {
        match OutputDir::claim(folder, kind) {
            Ok(claim) => return Ok(claim),
            Err(ClaimError::InUse { .. }) if began.elapsed() < PATIENCE => sleep(PAUSE),
            Err(error @ ClaimError::InUse { .. }) => {
                return Err(Interruption(format!("{error}; the same command later looks again")).into());
            }
            Err(error @ (ClaimError::NotOurs { .. } | ClaimError::OtherKind { .. })) => {
                return Err(UsageError(error.to_string()).into());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The lock of a shard, which keeps a second process out of it.
///
/// # Errors
/// [`ExperimentError::Interrupted`] if another process holds it: the same request later looks again.
pub fn claim_shard(folder: &Path, shard: Shard) -> Result<OutputDir, ExperimentError> {
    let path: PathBuf = folder.join(SHARDS).join(shard.index.to_string());
    let claimed = OutputDir::claim(&path, "shard").map_err(|error| match error {
        ClaimError::InUse { .. } => {
            let text = format!("shard {}/{} is in use by another process", shard.index, shard.of);
            anyhow::Error::from(Interruption(format!("{text}; the same command later looks again")))
        }
        other => other.into(),
    });
    Ok(claimed?)
}

/// The images of a directory of shards, put together.
pub struct GatheredParts {
    /// What the page shows of each, in the order of the images.
    pub drawn: Vec<DrawnExplanation>,
    /// Their scores.
    pub fold: ScoreFold,
    /// Their digest, which those of the scores complete.
    pub digest: ExplanationsDigest,
    /// The places of the images that are not explained yet.
    pub missing: Vec<usize>,
}

/// Reads the images of these names, in their order.
///
/// # Errors
/// [`UsageError`] if they were made with different instruction sets and that is not allowed; if a file cannot be read, or
/// an image has no scores that should have them.
pub fn gather_parts(
    folder: &Path,
    names: &[String],
    plan: &ShardPlan,
    fold: ScoreFold,
    scores: bool,
    allow_mixed: bool,
) -> Result<GatheredParts, ExperimentError> {
    let gathered =
        GatheredParts { drawn: Vec::new(), fold, digest: ExplanationsDigest::default(), missing: Vec::new() };
    Ok(gathered.with(folder, names, plan, scores, allow_mixed)?)
}

impl GatheredParts {
    fn with(
        mut self,
        folder: &Path,
        names: &[String],
        plan: &ShardPlan,
        scores: bool,
        allow_mixed: bool,
    ) -> Result<Self> {
        let mut sets: BTreeMap<String, (usize, &str)> = BTreeMap::new();
        for (place, name) in names.iter().enumerate() {
            let Some(part) = ImagePart::read(&folder.join(name), &plan.settings)? else {
                self.missing.push(place);
                continue;
            };
            sets.entry(part.instruction_set).or_insert((0, name)).0 += 1;
            self.digest.image(name, &part.attributions);
            self.drawn.push(part.drawn);
            match part.scores {
                Some(found) => self.fold.add(found),
                None if scores => bail!("{name} has no scores; delete its folder and run its shard again"),
                None => {}
            }
        }
        if sets.len() > 1 && !allow_mixed {
            let of_set =
                |(set, (count, example)): (&String, &(usize, &str))| format!("{set} ({count}, such as {example})");
            let text =
                "the images were explained with different instruction sets, whose results differ in their last bits";
            let sets: Vec<String> = sets.iter().map(of_set).collect();
            let refusal = format!("{text}: {}; pass --allow-mixed to gather them all the same", sets.join(", "));
            return Err(UsageError(refusal).into());
        }
        Ok(self)
    }
}

/// What a shard leaves of an image.
///
/// # Errors
/// If `TINYLSA_SIMD` names no instruction set; what the file system says.
pub fn write_part(
    folder: &Path,
    plan: &ShardPlan,
    attributions: &[u8],
    drawn: DrawnExplanation,
    scores: Option<tinylsa_explain::scores::ImageScores>,
) -> Result<(), ExperimentError> {
    let instruction_set = instruction_set().map_err(anyhow::Error::from)?.to_owned();
    let (settings, attributions) = (plan.settings.clone(), sha256_hex(attributions));
    let part = ImagePart { settings, instruction_set, attributions, drawn, scores };
    Ok(part.write(folder).map_err(anyhow::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_a_number_and_how_many_there_are() {
        assert_eq!("3/8".parse(), Ok(Shard { index: 3, of: 8 }));
        for wrong in ["8/8", "1", "1/0", "a/2", "-1/2", "1/2/3", ""] {
            let error = wrong.parse::<Shard>().unwrap_err();
            assert!(error.contains("expected I/N"), "{error}");
        }
        let numbers: Vec<u32> = (0..10).filter(|&number| Shard { index: 1, of: 4 }.holds(number)).collect();
        assert_eq!(numbers, [1, 5, 9]);
    }

    #[test]
    fn the_digest_is_of_what_changes_a_bit() {
        let names = ["test-0".to_owned(), "test-1".to_owned()];
        let basis = ShardBasis {
            model: "abc",
            dataset: "garments",
            checksums: &[],
            names: &names,
            methods: &[],
            seed: 0,
            explain: json!({"batch_size": 16, "lime": {"samples": 40}, "scores": {"level": 0.95}}),
            scores: false,
            target: "predicted".to_owned(),
        };
        let same = ShardBasis {
            explain: json!({"batch_size": 1, "lime": {"samples": 40}, "scores": {"level": 0.9}}),
            names: &names[..1],
            ..basis.clone()
        };
        assert_eq!(basis.digest(), same.digest());
        assert_ne!(ShardBasis { seed: 1, ..basis.clone() }.digest(), basis.digest());
        assert_ne!(ShardBasis { explain: json!({"lime": {"samples": 41}}), ..basis.clone() }.digest(), basis.digest());
        let scored = ShardBasis { scores: true, ..basis.clone() };
        assert_ne!(ShardBasis { names: &names[..1], ..scored.clone() }.digest(), scored.digest());
    }

    #[test]
    fn a_shard_has_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let shard = Shard { index: 0, of: 2 };
        let held = claim_shard(folder.path(), shard).unwrap();
        let error = claim_shard(folder.path(), shard).unwrap_err();
        assert!(matches!(&error, ExperimentError::Interrupted(_)) && error.to_string().contains("0/2 is in use"));
        claim_shard(folder.path(), Shard { index: 1, of: 2 }).unwrap();
        drop(held);
        claim_shard(folder.path(), shard).unwrap();
    }
}
