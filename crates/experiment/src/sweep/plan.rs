use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require};

use tinylsa_settings::config::{ConfigError, ConfigSource, load};

/// What a sweep's file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPlan {
    /// The config that every variant changes, relative to the sweep's file.
    pub config: PathBuf,
    /// Each variant is run once with each seed.
    pub seeds: Vec<u64>,
    /// Changes for all variants, as `--set` takes them.
    #[serde(default)]
    pub set: Vec<String>,
    /// The name of the variant that all others are compared with, image by image.
    #[serde(default)]
    pub control: Option<String>,
    /// What differs.
    pub variants: Vec<Variant>,
}

/// Some keys with other values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The name of its runs, before their seed.
    pub name: String,
    /// Changes of this variant, after those for all.
    #[serde(default)]
    pub set: Vec<String>,
}

/// One experiment of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The name of the variant.
    pub variant: String,
    /// The seed of the run.
    pub seed: u64,
    /// Every change, as `--set` takes them; the last ones leave the test set unread.
    pub settings: Vec<String>,
}

impl SweepPlan {
    /// Reads a sweep's file.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let plan: Self = load(&ConfigSource::read(path)?, &[], Self::validate)?;
        let config = path.parent().unwrap_or(Path::new("")).join(&plan.config);
        Ok(Self { config, ..plan })
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        require("seeds", !self.seeds.is_empty(), || "empty".to_owned(), "one seed or more")?;
        require("variants", !self.variants.is_empty(), || "empty".to_owned(), "one variant or more")?;
        let mut names = HashSet::new();
        for (index, variant) in self.variants.iter().enumerate() {
            let within = |error: InvalidSetting| error.within(&index.to_string()).within("variants");
            let is_plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
            let named = !variant.name.is_empty() && variant.name.chars().all(is_plain);
            require("name", named, || format!("{:?}", variant.name), "letters, digits, and the signs - _ .")
                .map_err(within)?;
            // Upper and lower case are the same directory on some systems.
            let is_new = names.insert(variant.name.to_lowercase());
            require("name", is_new, || format!("{:?}", variant.name), "a name that no other variant has")
                .map_err(within)?;
            require_effect(&variant.set).map_err(within)?;
        }
        if let Some(control) = &self.control {
            let is_variant = self.variants.iter().any(|variant| variant.name == *control);
            require("control", is_variant, || format!("{control:?}"), "the name of a variant")?;
        }
        for (index, seed) in self.seeds.iter().enumerate() {
            let is_new = !self.seeds[..index].contains(seed);
            require(&format!("seeds.{index}"), is_new, || seed.to_string(), "a seed that the list has only once")?;
        }
        require_effect(&self.set)
    }

    /// Every variant with every seed. The first seed of all variants comes before the second, so that a sweep that is
    /// stopped half way has something to say on each.
    pub fn trials(&self) -> Vec<Trial> {
        let of_seed = |&seed: &u64| {
            self.variants.iter().map(move |variant| Trial {
                variant: variant.name.clone(),
                seed,
                settings: self.set.iter().chain(&variant.set).cloned().chain(decided(seed)).collect(),
            })
        };
        self.seeds.iter().flat_map(of_seed).collect()
    }
}

/// What a sweep decides after all changes.
fn decided(seed: u64) -> [String; 3] {
    [format!("run.seed={seed}"), "evaluate.split=validation".to_owned(), "explain.enabled=false".to_owned()]
}

/// Refuses changes that a sweep overrules.
fn require_effect(settings: &[String]) -> Result<(), InvalidSetting> {
    let overruled = [
        ("run.seed", "a key other than run.seed, which is of the sweep's `seeds`"),
        ("evaluate.split", "a key other than evaluate.split: a sweep leaves the test set unread"),
        ("explain.enabled", "a key other than explain.enabled: a sweep explains nothing"),
    ];
    for (index, setting) in settings.iter().enumerate() {
        let key = setting.split('=').next().unwrap_or_default().trim();
        for (name, expected) in overruled {
            require(&format!("set.{index}"), key != name, || format!("{setting:?}"), expected)?;
        }
    }
    Ok(())
}

impl Trial {
    /// The name of its directory.
    pub fn name(&self) -> String {
        Self::directory_name(&self.variant, self.seed)
    }

    /// The name of the directory of a variant with a seed.
    pub(super) fn directory_name(variant: &str, seed: u64) -> String {
        format!("{variant}-seed-{seed}")
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
        let expected =
            ["train.epochs=2", "train.epochs=3", "run.seed=1", "evaluate.split=validation", "explain.enabled=false"];
        assert_eq!(trials[3].settings, expected);
    }

    #[test]
    fn every_shipped_sweep_is_of_valid_configs() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/sweeps");
        let mut trials = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let plan = SweepPlan::read(&entry.unwrap().path()).unwrap();
            let config = ConfigSource::read(&plan.config).unwrap();
            for trial in plan.trials() {
                load(&config, &trial.settings, ExperimentConfig::validate).unwrap();
                trials += 1;
            }
        }
        assert!(trials >= 11, "{trials}");
    }

    #[test]
    fn two_variants_of_one_name_are_refused_with_their_place() {
        let error = read(&TWO.replace("\"b\"", "\"a\"")).unwrap_err().to_string();
        assert!(error.contains("sweep.toml:7:8") && error.contains("no other variant"), "{error}");
        assert!(read(&TWO.replace("\"b\"", "\"A\"")).unwrap_err().to_string().contains("no other variant"));
        assert!(read(&TWO.replace("[0, 1]", "[]")).unwrap_err().to_string().contains("one seed or more"));
        assert!(read(&TWO.replace("seeds", "seed")).unwrap_err().to_string().contains("did you mean `seeds`"));
    }

    #[test]
    fn equal_seeds_and_changes_that_have_no_effect_are_refused_with_their_place() {
        let error = read(&TWO.replace("[0, 1]", "[0, 1, 0]")).unwrap_err().to_string();
        assert!(error.contains("sweep.toml:2:") && error.contains("`seeds.2` is 0"), "{error}");
        for change in ["run.seed=3", "evaluate.split = test", "explain.enabled=true"] {
            let error = read(&TWO.replace("train.epochs=3", change)).unwrap_err().to_string();
            assert!(error.contains("`variants.1.set.0`") && error.contains("sweep.toml:8:"), "{error}");
            let error = read(&TWO.replace("train.epochs=2", change)).unwrap_err().to_string();
            assert!(error.contains("`set.0`") && error.contains("sweep.toml:3:"), "{error}");
        }
    }
}
