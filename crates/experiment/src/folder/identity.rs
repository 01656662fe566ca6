//! What decides the result of a run, and so whether two runs are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use tinylsa_data::{DatasetName, FileChecksum};
use tinylsa_system::sha256_hex;
use toml::Value;

use super::manifest::Manifest;
use tinylsa_settings::counted;

use crate::schema::ExperimentConfig;
use tinylsa_settings::config::{ConfigSource, load};

/// Keys that change no bit of a result: names, places, speed, and how the data are found.
const WITHOUT_EFFECT: [&str; 11] = [
    "run.name",
    "run.directory",
    "run.tensorboard",
    "device.threads",
    "data.source",
    "data.dir",
    "data.offline",
    "train.prefetch",
    "train.checkpoint_steps",
    "train.initial_weights",
    "explain.batch_size",
];
/// Where teachers lie is of no effect, what they are is, as with the initial weights.
const TEACHERS: &str = "train.distillation.teachers.";
const EXPLAIN_ENABLED: &str = "explain.enabled";
const INSTRUCTION_SET: &str = "the instruction set";
/// What the names of everything that a config rests on begin with, which no key does.
const BASIS: &str = "the ";
/// How many differences are named.
const NAMED: usize = 5;

/// What a config rests on.
#[derive(Clone, Debug)]
pub(crate) struct Basis {
    pub(crate) dataset: DatasetName,
    pub(crate) checksums: Vec<FileChecksum>,
    pub(crate) teachers: Vec<FileChecksum>,
    pub(crate) initial_weights: Option<FileChecksum>,
    pub(crate) instruction_set: String,
    pub(crate) tinylsa: String,
    pub(crate) burn: String,
}

/// Every key of a config that matters, and what the config rests on, each with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity(BTreeMap<String, String>);

impl Identity {
    /// # Errors
    /// If the config has a value without a form in TOML.
    pub(crate) fn new(config: &ExperimentConfig, basis: &Basis) -> Result<Self> {
        let tree = Value::try_from(config).context("failed to resolve the config")?;
        let mut values = BTreeMap::new();
        flatten(&tree, "", &mut values);
        let is_drawn = basis.dataset == DatasetName::SYNTHETIC_GARMENTS;
        values.retain(|key, _| {
            !WITHOUT_EFFECT.contains(&key.as_str())
                && !key.starts_with(TEACHERS)
                && (is_drawn || !key.starts_with("data.synthetic."))
                && !is_known_by_its_images(key, &basis.dataset)
                && (config.explain.enabled || !key.starts_with("explain.") || key == EXPLAIN_ENABLED)
        });
        // The default is no other experiment than the same seed, said explicitly.
        if config.split_seed() == config.run.seed {
            values.remove("data.split_seed");
        }
        values.insert("the dataset".to_owned(), basis.dataset.to_string());
        for FileChecksum { file, sha256 } in &basis.checksums {
            values.insert(format!("the SHA-256 of {file}"), sha256.clone());
        }
        for (index, FileChecksum { sha256, .. }) in basis.teachers.iter().enumerate() {
            values.insert(format!("the SHA-256 of teacher {}", index + 1), sha256.clone());
        }
        if let Some(FileChecksum { sha256, .. }) = &basis.initial_weights {
            values.insert("the SHA-256 of the initial weights".to_owned(), sha256.clone());
        }
        values.insert(INSTRUCTION_SET.to_owned(), basis.instruction_set.clone());
        values.insert("the version of tinylsa".to_owned(), basis.tinylsa.clone());
        values.insert("the version of burn".to_owned(), basis.burn.clone());
        Ok(Self(values))
    }

    /// The identity of the run in a directory.
    ///
    /// # Errors
    /// If its config cannot be read, or is not the one that the run was made with.
    pub(crate) fn of_run(run_dir: &Path, manifest: &Manifest) -> Result<Self> {
        let path = run_dir.join("config.toml");
        let config = load(&ConfigSource::read(&path)?, &[], ExperimentConfig::validate)?;
        let identity = Self::new(&config, &manifest.basis())?;
        if identity.digest() != manifest.experiment {
            bail!("{} is not the config that the run was made with", path.display());
        }
        Ok(identity)
    }

    /// The same on a machine with another instruction set.
    pub(crate) fn on(mut self, instruction_set: &str) -> Self {
        self.0.insert(INSTRUCTION_SET.to_owned(), instruction_set.to_owned());
        self
    }

    /// SHA-256 of all of it.
    pub(crate) fn digest(&self) -> String {
        let lines: Vec<String> = self.0.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        sha256_hex(lines.concat().as_bytes())
    }

    /// What is not the same, with the values of the run and those that are asked for; nothing if all is the same.
    pub(crate) fn differences(&self, asked: &Self) -> Option<String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(asked.0.keys()).collect();
        // Other images come before the means that follow from them.
        let mut keys: Vec<&String> = keys.into_iter().collect();
        keys.sort_by_key(|key| !key.starts_with(BASIS));
        let value = |of: &Self, key: &str| of.0.get(key).cloned().unwrap_or_else(|| "absent".to_owned());
        // Where one explains and the other does not, the rest of the section says nothing more.
        let explains_alike = self.0.get(EXPLAIN_ENABLED) == asked.0.get(EXPLAIN_ENABLED);
        let different: Vec<String> = keys
            .into_iter()
            .filter(|key| explains_alike || key.as_str() == EXPLAIN_ENABLED || !key.starts_with("explain."))
            .map(|key| (key, value(self, key), value(asked, key)))
            .filter(|(_, recorded, asked)| recorded != asked)
            .map(|(key, recorded, asked)| format!("{key} is {recorded} there and {asked} now"))
            .collect();
        let rest = different.len().saturating_sub(NAMED);
        let more = (rest > 0).then(|| format!("and {}", counted(rest, "more difference")));
        let named: Vec<String> = different.into_iter().take(NAMED).chain(more).collect();
        (!named.is_empty()).then(|| named.join(", "))
    }
}

impl Manifest {
    fn basis(&self) -> Basis {
        Basis {
            dataset: self.dataset.clone(),
            checksums: self.checksums.clone(),
            teachers: self.teachers.clone(),
            initial_weights: self.initial_weights.clone(),
            instruction_set: self.instruction_set.clone(),
            tinylsa: self.tinylsa.clone(),
            burn: self.burn.clone(),
        }
    }
}

/// Whether a key is of another source than that of the images, or only says how images were read whose checksums are known.
fn is_known_by_its_images(key: &str, dataset: &DatasetName) -> bool {
    let is_class_name = dataset.id().starts_with("idx/") && key.starts_with("data.idx.class_names.");
    key.starts_with("data.folder.") || (key.starts_with("data.idx.") && !is_class_name)
}

fn flatten(value: &Value, path: &str, values: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| flatten(value, &below(key), values)),
        Value::Array(array) => {
            array.iter().enumerate().for_each(|(index, value)| flatten(value, &below(&index.to_string()), values));
        }
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            values.insert(path.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(overrides: &[&str]) -> ExperimentConfig {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/ci.toml");
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        load(&ConfigSource::read(&path).unwrap(), &overrides, ExperimentConfig::validate).unwrap()
    }

    fn basis() -> Basis {
        Basis {
            dataset: DatasetName::SYNTHETIC_GARMENTS,
            checksums: Vec::new(),
            teachers: vec![FileChecksum { file: "a".to_owned(), sha256: "1".to_owned() }],
            initial_weights: None,
            instruction_set: "avx2".to_owned(),
            tinylsa: "0.1.0".to_owned(),
            burn: "0.22.1".to_owned(),
        }
    }

    fn identity(overrides: &[&str]) -> Identity {
        Identity::new(&config(overrides), &basis()).unwrap()
    }

    #[test]
    fn names_places_and_speed_are_of_no_effect() {
        let settings = [
            "run.name=other",
            "run.tensorboard=true",
            "device.threads=1",
            "train.checkpoint_steps=0",
            "data.dir=elsewhere",
            "data.split_seed=0",
            "data.folder.channels=1",
            "data.idx.train_images=a",
        ];
        assert_eq!(identity(&settings), identity(&[]));
        assert_eq!(identity(&settings).digest(), identity(&[]).digest());
        let moved = Basis { teachers: vec![FileChecksum { file: "b".to_owned(), sha256: "1".to_owned() }], ..basis() };
        assert_eq!(Identity::new(&config(&[]), &moved).unwrap(), identity(&[]));
    }

    #[test]
    fn a_difference_is_named_with_both_values() {
        let check = |overrides: &[&str], expected: &str| {
            let other = identity(overrides);
            assert_ne!(other.digest(), identity(&[]).digest());
            assert_eq!(identity(&[]).differences(&other).unwrap(), expected);
        };
        check(&["train.epochs=5"], "train.epochs is 2 there and 5 now");
        check(&["evaluate.split=validation"], "evaluate.split is \"test\" there and \"validation\" now");
        check(&["data.synthetic.seed=1"], "data.synthetic.seed is 0 there and 1 now");
        check(&["data.split_seed=1"], "data.split_seed is absent there and 1 now");
        check(&["explain.images.indices=[3]"], "explain.images.indices.1 is 7 there and absent now");
        assert_eq!(identity(&[]).differences(&identity(&[])), None);
        let other = Basis { instruction_set: "avx512".to_owned(), ..basis() };
        let other = Identity::new(&config(&[]), &other).unwrap();
        assert_eq!(identity(&[]).differences(&other).unwrap(), "the instruction set is avx2 there and avx512 now");
    }

    #[test]
    fn what_is_not_explained_needs_no_settings() {
        let without = identity(&["explain.enabled=false"]);
        assert_eq!(identity(&["explain.enabled=false", "explain.lime.samples=50"]), without);
        assert_eq!(identity(&[]).differences(&without).unwrap(), "explain.enabled is true there and false now");
    }
}
