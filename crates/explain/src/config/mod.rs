//! The part `[explain]` of a config.

mod fit;
mod rerun;
mod scores;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tinylsa_settings::{InvalidSetting, require, require_within};

pub use rerun::RerunConfig;
pub use scores::ScoresConfig;

use crate::method::{Method, Registered};
use crate::methods::read_table;
use crate::registry::{self, MethodId};
use crate::shared::SharedSettings;

/// What is explained and how: the part `[explain]` of a config.
///
/// Beside the keys of this struct, `[explain]` holds a table for each registered method under its name, such as
/// `[explain.lime]`. A table that is left out stands for the method's defaults.
#[derive(Clone, Debug)]
pub struct ExplainConfig {
    /// Whether an experiment explains at all.
    pub enabled: bool,
    /// The methods.
    pub methods: Vec<MethodId>,
    /// Images of a forward pass. It bounds the memory and changes no bit of a result.
    pub batch_size: usize,
    /// Which images of the test split an experiment explains.
    pub images: ImageChoice,
    /// The settings that methods share.
    pub shared: SharedSettings,
    /// The settings of methods that are not the defaults.
    pub tables: BTreeMap<MethodId, Arc<dyn Method>>,
    /// What the explanations are scored by.
    pub scores: ScoresConfig,
}

/// Which images of the test split an experiment explains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageChoice {
    /// How many of each class, of those that are predicted correctly, with the highest confidence.
    pub right_highest: usize,
    /// How many of each class, of those that are predicted correctly, with the lowest confidence.
    pub right_lowest: usize,
    /// How many of each class, of those that are predicted wrongly, with the highest confidence.
    pub wrong_highest: usize,
    /// Images by their number, besides.
    pub indices: Vec<u32>,
    /// How many images are drawn at random, besides: a larger number keeps those of a smaller one. With five or more of
    /// them, scores are measured on them alone, since the others are no sample.
    pub random: usize,
}

impl Default for ImageChoice {
    /// One of each kind and class, and twenty drawn at random.
    fn default() -> Self {
        Self { right_highest: 1, right_lowest: 1, wrong_highest: 1, indices: Vec::new(), random: 20 }
    }
}

impl Default for ExplainConfig {
    /// Every method and every score with its defaults.
    fn default() -> Self {
        Self {
            enabled: true,
            methods: MethodId::all().collect(),
            batch_size: 64,
            images: ImageChoice::default(),
            shared: SharedSettings::default(),
            tables: BTreeMap::new(),
            scores: ScoresConfig::default(),
        }
    }
}

impl ExplainConfig {
    /// The same config with these settings of a method.
    #[must_use]
    pub fn with<M: Registered>(mut self, method: M) -> Self {
        self.tables.insert(MethodId::of::<M>(), Arc::new(method));
        self
    }

    /// A method with its settings.
    pub fn method(&self, method: MethodId) -> Arc<dyn Method> {
        self.tables.get(&method).cloned().unwrap_or_else(|| Arc::from(method.with_defaults()))
    }

    /// The fill of the segment methods, and what the baselines of the scores need of it.
    fn validate_fill(&self) -> Result<(), InvalidSetting> {
        self.shared.fill.validate()?;
        let baselines = if self.enabled && self.scores.enabled { self.scores.baselines.as_slice() } else { &[] };
        baselines.iter().try_for_each(|baseline| self.shared.fill.validate_for(baseline.fill()))
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first key outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        let is_needed = !self.enabled || !self.methods.is_empty();
        require("methods", is_needed, || "empty".to_owned(), "at least one method, or enabled = false")?;
        let twice = (1..self.methods.len()).find(|&place| self.methods[..place].contains(&self.methods[place]));
        let found = || twice.map_or_else(String::new, |place| format!("{} more than once", self.methods[place]));
        require("methods", twice.is_none(), found, "each method once")?;
        require_within("batch_size", self.batch_size, 1..=65_536)?;
        require_within("background.images", self.shared.background.images, 1..=10_000)?;
        self.shared.baseline.validate().map_err(|error| error.within("baseline"))?;
        self.shared.segmentation.validate().map_err(|error| error.within("segmentation"))?;
        self.validate_fill().map_err(|error| error.within("fill"))?;
        for (method, settings) in &self.tables {
            settings.validate().map_err(|error| error.within(method.name()))?;
        }
        self.scores.validate().map_err(|error| error.within("scores"))
    }
}

impl PartialEq for ExplainConfig {
    fn eq(&self, other: &Self) -> bool {
        let tables = |config: &Self| -> Option<Vec<(MethodId, serde_json::Value)>> {
            let table = |(method, settings): (&MethodId, &Arc<dyn Method>)| {
                Some((*method, serde_json::to_value(settings.as_ref()).ok()?))
            };
            config.tables.iter().map(table).collect()
        };
        let Self { enabled, methods, batch_size, images, shared, tables: _, scores } = self;
        *enabled == other.enabled
            && *methods == other.methods
            && *batch_size == other.batch_size
            && *images == other.images
            && *shared == other.shared
            && *scores == other.scores
            && tables(self).is_some_and(|own| tables(other) == Some(own))
    }
}

const ENABLED: &str = "enabled";
const METHODS: &str = "methods";
const BATCH_SIZE: &str = "batch_size";
const IMAGES: &str = "images";
const BASELINE: &str = "baseline";
const SEGMENTATION: &str = "segmentation";
const FILL: &str = "fill";
const BACKGROUND: &str = "background";
const SCORES: &str = "scores";

/// Every key of `[explain]`.
static KEYS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let own = [ENABLED, METHODS, BATCH_SIZE, IMAGES, BASELINE, SEGMENTATION, FILL];
    own.into_iter().chain(registry::names().iter().copied()).chain([BACKGROUND, SCORES]).collect()
});

impl Serialize for ExplainConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { enabled, methods, batch_size, images, shared, tables, scores } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(ENABLED, enabled)?;
        map.serialize_entry(METHODS, methods)?;
        map.serialize_entry(BATCH_SIZE, batch_size)?;
        map.serialize_entry(IMAGES, images)?;
        map.serialize_entry(BASELINE, &shared.baseline)?;
        map.serialize_entry(SEGMENTATION, &shared.segmentation)?;
        map.serialize_entry(FILL, &shared.fill)?;
        for (method, settings) in tables {
            map.serialize_entry(method.name(), settings.as_ref())?;
        }
        map.serialize_entry(BACKGROUND, &shared.background)?;
        map.serialize_entry(SCORES, scores)?;
        map.end()
    }
}

// Written by hand, since the tables of the methods are known to the registry alone.
impl<'de> Deserialize<'de> for ExplainConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = ExplainConfig;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ExplainConfig, A::Error> {
        let (mut enabled, mut methods, mut batch_size, mut images) = (None, None, None, None);
        let (mut shared, mut tables, mut scores) = (SharedSettings::default(), BTreeMap::new(), None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                ENABLED => enabled = Some(map.next_value()?),
                METHODS => methods = Some(map.next_value()?),
                BATCH_SIZE => batch_size = Some(map.next_value()?),
                IMAGES => images = Some(map.next_value()?),
                BASELINE => shared.baseline = map.next_value()?,
                SEGMENTATION => shared.segmentation = map.next_value()?,
                FILL => shared.fill = map.next_value()?,
                BACKGROUND => shared.background = map.next_value()?,
                SCORES => scores = Some(map.next_value()?),
                name => {
                    let Some(method) = MethodId::named(name) else {
                        return Err(A::Error::unknown_field(name, &KEYS));
                    };
                    tables.insert(method, Arc::from(read_table(method.name(), &mut map)?));
                }
            }
        }
        Ok(ExplainConfig {
            enabled: enabled.ok_or_else(|| A::Error::missing_field(ENABLED))?,
            methods: methods.ok_or_else(|| A::Error::missing_field(METHODS))?,
            batch_size: batch_size.ok_or_else(|| A::Error::missing_field(BATCH_SIZE))?,
            images: images.ok_or_else(|| A::Error::missing_field(IMAGES))?,
            shared,
            tables,
            scores: scores.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use tinylsa_settings::config::{ConfigSource, load, to_toml};
    use tinylsa_xai::{KernelShapConfig, LimeConfig};

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Document {
        explain: ExplainConfig,
    }

    const SMALL: &str = "[explain]\nenabled = true\nmethods = [\"lime\"]\nbatch_size = 8\n\n[explain.images]\n\
                         right_highest = 1\nright_lowest = 0\nwrong_highest = 0\nindices = []\nrandom = 0\n";

    fn read(text: &str, overrides: &[&str]) -> Result<ExplainConfig, String> {
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        let validate = |document: &Document| document.explain.validate().map_err(|error| error.within("explain"));
        let found = load(&ConfigSource::new("small.toml", text), &overrides, validate);
        found.map(|document| document.explain).map_err(|error| error.to_string())
    }

    #[test]
    fn a_config_survives_being_written() {
        let config = read(SMALL, &["explain.lime.samples=50", "explain.kernel-shap.evaluations=30"]).unwrap();
        assert_eq!(config.tables.len(), 2);
        let text = to_toml(&Document { explain: config.clone() }).unwrap();
        assert_eq!(read(&text, &[]).unwrap(), config, "{text}");
        let by_hand = read(SMALL, &[]).unwrap();
        assert_ne!(by_hand, config);
        let by_hand = by_hand
            .with(LimeConfig { samples: 50, ..LimeConfig::default() })
            .with(KernelShapConfig { evaluations: 30, ..KernelShapConfig::default() });
        assert_eq!(by_hand, config);
    }

    #[test]
    fn mistakes_are_shown_at_their_place_with_the_nearest_key() {
        let error = read(SMALL, &["explain.lime.sample=50"]).unwrap_err();
        assert!(error.contains("unknown key `explain.lime.sample`, did you mean `explain.lime.samples`?"), "{error}");
        let error = read(SMALL, &["explain.lim.samples=50"]).unwrap_err();
        assert!(error.contains("unknown key `explain.lim`, did you mean `explain.lime`?"), "{error}");
        let error = read(SMALL, &["explain.lime.samples=0"]).unwrap_err();
        assert!(error.contains("`explain.lime.samples` is 0"), "{error}");
        let error = read(&SMALL.replace("batch_size = 8\n", ""), &[]).unwrap_err();
        assert!(error.contains("missing key `explain.batch_size`"), "{error}");
        let error = read(&SMALL.replace("\"lime\"", "\"lyme\""), &[]).unwrap_err();
        assert!(error.starts_with("small.toml:3:") && error.contains("did you mean `lime`?"), "{error}");
        let error = read(SMALL, &["explain.methods=[\"lime\", \"lime\"]"]).unwrap_err();
        assert!(error.contains("lime more than once"), "{error}");
    }
}
