use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require};

use crate::settings::{ConfigError, ConfigSource, load};

/// What a sweep's file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SweepPlan {
    /// The config that every variant changes, relative to the sweep's file.
    pub(crate) config: PathBuf,
    /// Each variant is run once with each seed.
    pub(crate) seeds: Vec<u64>,
    /// Changes for all variants, as `--set` takes them.
    #[serde(default)]
    pub(crate) set: Vec<String>,
    pub(crate) variants: Vec<Variant>,
}

/// Some keys with other values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variant {
    pub(crate) name: String,
    /// Changes of this variant, after those for all.
    #[serde(default)]
    pub(crate) set: Vec<String>,
}

/// One experiment of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trial {
    pub(crate) variant: String,
    pub(crate) seed: u64,
    /// Every change, as `--set` takes them.
    pub(crate) settings: Vec<String>,
}

impl SweepPlan {
    /// # Errors
    /// What is wrong with the file, and where.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let plan: Self = load(&ConfigSource::read(path)?, &[], Self::validate)?;
        let config = path.parent().unwrap_or(Path::new("")).join(&plan.config);
        Ok(Self { config, ..plan })
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        require("seeds", !self.seeds.is_empty(), || "empty".to_owned(), "one seed or more")?;
        require("variants", !self.variants.is_empty(), || "empty".to_owned(), "one variant or more")?;
        for (index, variant) in self.variants.iter().enumerate() {
            let within = |error: InvalidSetting| error.within(&index.to_string()).within("variants");
            let is_plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
            let named = !variant.name.is_empty() && variant.name.chars().all(is_plain);
            require("name", named, || format!("{:?}", variant.name), "letters, digits, and the signs - _ .")
                .map_err(within)?;
            let is_new = self.variants[..index].iter().all(|other| other.name != variant.name);
            require("name", is_new, || format!("{:?}", variant.name), "a name that no other variant has")
                .map_err(within)?;
        }
        Ok(())
    }

    /// Every variant with every seed. The first seed of all variants comes before the second, so that a sweep that is
    /// stopped half way has something to say on each.
    pub(crate) fn trials(&self) -> Vec<Trial> {
        let of_seed = |&seed: &u64| {
            self.variants.iter().map(move |variant| Trial {
                variant: variant.name.clone(),
                seed,
                settings: self.set.iter().chain(&variant.set).cloned().chain([format!("run.seed={seed}")]).collect(),
            })
        };
        self.seeds.iter().flat_map(of_seed).collect()
    }
}

impl Trial {
    /// The name of its folder.
    pub(crate) fn name(&self) -> String {
        format!("{}-seed-{}", self.variant, self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ExperimentConfig;

    fn read(text: &str) -> Result<SweepPlan, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sweep.toml");
        std::fs::write(&path, text).unwrap();
        SweepPlan::read(&path).inspect(|plan| assert_eq!(plan.config, folder.path().join("../base.toml")))
    }

    const TWO: &str = "config = \"../base.toml\"\nseeds = [0, 1]\nset = [\"train.epochs=2\"]\n\
                       [[variants]]\nname = \"a\"\n[[variants]]\nname = \"b\"\nset = [\"train.epochs=3\"]\n";

    #[test]
    fn each_variant_meets_each_seed_and_its_own_changes_come_last() {
        let trials = read(TWO).unwrap().trials();
        let names: Vec<String> = trials.iter().map(Trial::name).collect();
        assert_eq!(names, ["a-seed-0", "b-seed-0", "a-seed-1", "b-seed-1"]);
        assert_eq!(trials[3].settings, ["train.epochs=2", "train.epochs=3", "run.seed=1"]);
    }

    #[test]
    fn every_shipped_sweep_is_of_valid_configs() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/sweeps");
        let mut trials = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let plan = SweepPlan::read(&entry.unwrap().path()).unwrap();
            let config = ConfigSource::read(&plan.config).unwrap();
            for trial in plan.trials() {
                let settings = [&trial.settings[..], &["explain.enabled=false".to_owned()]].concat();
                load(&config, &settings, ExperimentConfig::validate).unwrap();
                trials += 1;
            }
        }
        assert!(trials >= 11, "{trials}");
    }

    #[test]
    fn two_variants_of_one_name_are_refused_with_their_place() {
        let error = read(&TWO.replace("\"b\"", "\"a\"")).unwrap_err().to_string();
        assert!(error.contains("sweep.toml:7:8") && error.contains("no other variant"), "{error}");
        assert!(read(&TWO.replace("[0, 1]", "[]")).unwrap_err().to_string().contains("one seed or more"));
        assert!(read(&TWO.replace("seeds", "seed")).unwrap_err().to_string().contains("did you mean `seeds`"));
    }
}
