//! The settings that a page can change, found in the settings themselves: no method is named here.
//!
//! A number gets the widest range around its default that its own checks accept, a word the words that may stand in its
//! place. A new method has its sliders by having settings.

use serde::Serialize;
use serde_json::{Map, Value, json};
use tinylsa_experiment::explain_settings::ExplainSettings;
use tinylsa_explain::{Circumstances, ExplainConfig, MethodId, Needs};

use crate::refusal::Refusal;

/// A setting that can be changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Knob {
    /// Below `[explain]`, such as `lime.samples`.
    pub(crate) key: String,
    title: String,
    #[serde(rename = "type")]
    kind: KnobKind,
    default: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<String>,
}

/// What is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum KnobKind {
    Integer,
    Number,
    Boolean,
    /// One of the words.
    Choice,
    /// Some of the words.
    Choices,
}

/// What a method costs, by the setting that it goes with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Cost {
    key: String,
    /// `evaluation` or `gradient`.
    pub(crate) unit: &'static str,
    count_at_default: f64,
    per_unit: f64,
    /// The group of shared settings that it goes with, too.
    shared: Option<&'static str>,
}

/// The settings of one method or group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    /// Of a method that the model serves, its name; else of settings that methods share.
    pub(crate) name: &'static str,
    pub(crate) knobs: Vec<Knob>,
    pub(crate) cost: Option<Cost>,
}

/// The settings of all methods.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Knobs {
    pub(crate) methods: Vec<Group>,
    pub(crate) shared: Vec<Group>,
}

/// The tables that several methods read.
const SHARED: [&str; 4] = ["segmentation", "fill", "baseline", "background"];

impl Knobs {
    /// Those of settings that fit these circumstances.
    pub(crate) fn of(settings: &ExplainSettings, at: &Circumstances) -> Self {
        let Ok(Value::Object(document)) = serde_json::to_value(&settings.explain) else {
            return Self { methods: Vec::new(), shared: Vec::new() };
        };
        let probe = |method| Probe { explain: &settings.explain, at, document: required(&document), method };
        let served = MethodId::all().filter(|method| at.given.serves(method.facts().needs));
        let of_method = |method: MethodId| {
            let table = serde_json::to_value(settings.explain.method(method).as_ref()).unwrap_or_default();
            let knobs = probe(Some(method)).knobs(method.name(), &table);
            let cost = cost(method, &table, &settings.explain);
            Group { name: method.name(), knobs, cost }
        };
        let of_shared = |name: &'static str| {
            let table = document.get(name).cloned().unwrap_or_default();
            Group { name, knobs: probe(None).knobs(name, &table), cost: None }
        };
        Self { methods: served.map(of_method).collect(), shared: SHARED.into_iter().map(of_shared).collect() }
    }

    /// Requires a setting of a method or a group, and a number that is at most what its slider goes to.
    ///
    /// # Errors
    /// If it is neither.
    pub(crate) fn require(&self, key: &str, value: &Value) -> Result<(), Refusal> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let group = key.split('.').next().unwrap_or_default();
        let is_known = SHARED.contains(&group) || MethodId::named(group).is_some();
        if !is_known || key.len() > 80 || !key.bytes().all(is_plain) {
            let shown: String = key.chars().filter(|letter| !letter.is_control()).take(80).collect();
            return Err(Refusal::values(format!(
                "the setting {shown:?} is of no method and of none of {}; a key is such as lime.samples",
                SHARED.join(", ")
            )));
        }
        let all = self.methods.iter().chain(&self.shared).flat_map(|group| &group.knobs);
        let knob = all.into_iter().find(|knob| knob.key == key);
        let most = knob.and_then(|knob| knob.max);
        match (value.as_f64(), most) {
            (Some(found), Some(most)) if found > most => {
                Err(Refusal::values(format!("explain.{key} is {found}, expected at most {most} on this page")))
            }
            // what is too small is refused where it is known what else is asked for
            _ => Ok(()),
        }
    }
}

/// The keys without which no document is read.
fn required(document: &Map<String, Value>) -> Map<String, Value> {
    let keys = ["enabled", "batch_size", "images"];
    let kept = keys.into_iter().filter_map(|key| Some((key.to_owned(), document.get(key)?.clone())));
    kept.chain([("methods".to_owned(), json!([]))]).collect()
}

/// Tries values in place of settings.
struct Probe<'a> {
    explain: &'a ExplainConfig,
    at: &'a Circumstances,
    document: Map<String, Value>,
    /// The method whose settings these are; none for those that methods share.
    method: Option<MethodId>,
}

impl Probe<'_> {
    fn knobs(&self, group: &str, table: &Value) -> Vec<Knob> {
        let mut found = Vec::new();
        leaves(table, &mut Vec::new(), &mut |path, value| {
            found.extend(self.knob(group, table, path, value));
        });
        found
    }

    fn knob(&self, group: &str, table: &Value, path: &[String], default: &Value) -> Option<Knob> {
        let accepts = |value: Value| self.tried(group, table, path, value).is_ok();
        let words = |value: Value| words_of(&self.tried(group, table, path, value).err()?);
        let mut knob = Knob {
            key: format!("{group}.{}", path.join(".")),
            title: path.join(" ").replace('_', " "),
            kind: KnobKind::Boolean,
            default: default.clone(),
            min: None,
            max: None,
            step: None,
            scale: None,
            choices: Vec::new(),
        };
        match default {
            Value::Bool(_) => {}
            Value::String(_) => {
                (knob.kind, knob.choices) = (KnobKind::Choice, words(json!("?"))?);
                // a word that asks for other settings first is none to choose by itself
                knob.choices.retain(|word| accepts(json!(word)));
            }
            Value::Array(list) if list.iter().all(Value::is_string) && !list.is_empty() => {
                (knob.kind, knob.choices) = (KnobKind::Choices, words(json!(["?"]))?);
            }
            Value::Number(number) => {
                if let Some(default) = number.as_u64() {
                    let count = |value: f64| json!(value as u64);
                    (knob.min, knob.max) = range(whole_range(default), |value| accepts(count(value)))?;
                    let is_refused = |by: u64| !accepts(json!(default + by)) && accepts(json!(default + by + 1));
                    knob.step = Some(if is_refused(1) { 2.0 } else { 1.0 });
                    knob.kind = KnobKind::Integer;
                } else {
                    (knob.min, knob.max) = range(real_range(number.as_f64()?), |value| accepts(json!(value)))?;
                    knob.kind = KnobKind::Number;
                }
                let is_wide = knob.min > Some(0.0) && knob.max >= knob.min.map(|min| 30.0 * min);
                knob.scale = Some(if is_wide { "log" } else { "linear" });
            }
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        }
        Some(knob)
    }

    /// Reads and checks the settings with another value in one place.
    fn tried(&self, group: &str, table: &Value, path: &[String], value: Value) -> Result<(), String> {
        let mut table = table.clone();
        let place = path.iter().try_fold(&mut table, |table, key| table.get_mut(key)).ok_or("no such setting")?;
        *place = value;
        let mut document = self.document.clone();
        document.insert(group.to_owned(), table);
        let read: ExplainConfig = serde_json::from_value(Value::Object(document)).map_err(|error| error.to_string())?;
        let mut explain = self.explain.clone();
        let Some(method) = self.method else {
            match group {
                "segmentation" => explain.shared.segmentation = read.shared.segmentation,
                "fill" => explain.shared.fill = read.shared.fill,
                "baseline" => explain.shared.baseline = read.shared.baseline,
                _ => explain.shared.background = read.shared.background,
            }
            let methods: Vec<MethodId> =
                MethodId::all().filter(|method| self.at.given.serves(method.facts().needs)).collect();
            let checked = explain.validate().and_then(|()| explain.validate_methods(&methods, self.at));
            return checked.map_err(|error| error.to_string());
        };
        explain.tables.extend(read.tables);
        let checked = explain.validate().and_then(|()| explain.validate_methods(&[method], self.at));
        checked.map_err(|error| error.to_string())
    }
}

/// Calls `visit` with the path and the value of every setting that is no table.
fn leaves(value: &Value, path: &mut Vec<String>, visit: &mut impl FnMut(&[String], &Value)) {
    let Value::Object(table) = value else { return visit(path, value) };
    for (key, value) in table {
        path.push(key.clone());
        leaves(value, path, visit);
        path.pop();
    }
}

/// The words that an error says would have been accepted.
fn words_of(error: &str) -> Option<Vec<String>> {
    let (_, expected) = error.split_once("expected")?;
    let words: Vec<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    (words.len() > 1).then_some(words)
}

/// Values to try as the ends of a range, the widest first.
struct Ends {
    least: Vec<f64>,
    most: Vec<f64>,
}

fn whole_range(default: u64) -> Ends {
    let default = default as f64;
    let least = [0.0, 1.0, 2.0, 4.0, 10.0, 50.0, 200.0].into_iter().filter(|&value| value < default);
    let most = [8.0, 4.0, 3.0, 2.0, 1.5].into_iter().map(|factor| (factor * default.max(2.0)).floor());
    Ends { least: least.chain([default]).collect(), most: most.chain([default]).collect() }
}

fn real_range(default: f64) -> Ends {
    let least = [0.0, 0.01 * default, 0.1 * default, 0.25 * default, 0.5 * default];
    let most = if default < 1.0 {
        [1.0, 0.99, 0.9, 2.0 * default]
    } else {
        [10.0, 5.0, 2.0, 1.5].map(|factor| factor * default)
    };
    Ends { least: least.into_iter().chain([default]).collect(), most: most.into_iter().chain([default]).collect() }
}

type Range = (Option<f64>, Option<f64>);

/// The widest range whose ends are accepted; none for a setting that nobody could change.
fn range(ends: Ends, accepts: impl Fn(f64) -> bool) -> Option<Range> {
    let least = ends.least.into_iter().find(|&value| accepts(value))?;
    let most = ends.most.into_iter().find(|&value| accepts(value))?;
    (least < most).then_some((Some(least), Some(most)))
}

/// The cost of a method whose number of draws or steps is a setting.
fn cost(method: MethodId, table: &Value, explain: &ExplainConfig) -> Option<Cost> {
    let shared = &explain.shared;
    let players = shared.segmentation.grid.cells() as f64;
    // what one more of these asks of the model, at the most
    let known = [
        ("evaluations", 1.0, None),
        ("samples", 1.0, None),
        ("masks", 1.0, None),
        ("permutations", 2.0 * (players - 1.0), Some("segmentation")),
        ("maximum_steps", shared.baseline.kinds.len() as f64, Some("baseline")),
        ("maximum_strata", 4.0 * shared.background.images as f64, Some("background")),
    ];
    let (key, per_unit, shared, default) = known
        .into_iter()
        .find_map(|(key, per_unit, shared)| Some((key, per_unit, shared, table.get(key)?.as_f64()?)))?;
    let unit = match method.facts().needs {
        Needs::Gradients => "gradient",
        Needs::Scores | Needs::Attention | Needs::FeatureMaps | Needs::TokenEvidence => "evaluation",
    };
    Some(Cost { key: format!("{method}.{key}"), unit, count_at_default: per_unit * default, per_unit, shared })
}

#[cfg(test)]
mod tests {
    use tinylsa_model::TinyCnnLsaConfig;
    use tinylsa_model::networks::NetworkConfig;

    use super::*;

    fn knobs() -> Knobs {
        let config: NetworkConfig = TinyCnnLsaConfig::default().into();
        let settings = ExplainSettings::read(None, &[], None, None).unwrap().with_statistics_of(&config);
        Knobs::of(&settings, &Circumstances::of_network(&config, None, 0))
    }

    fn knob(knobs: &Knobs, key: &str) -> Knob {
        let all = knobs.methods.iter().chain(&knobs.shared).flat_map(|group| &group.knobs);
        all.into_iter().find(|knob| knob.key == key).unwrap_or_else(|| panic!("there is no {key}")).clone()
    }

    #[test]
    fn settings_have_ranges_that_their_checks_accept_and_words_that_may_stand_there() {
        let knobs = knobs();
        assert_eq!(knobs.methods.len(), MethodId::all().len());
        let masks = knob(&knobs, "rise.masks");
        assert_eq!((masks.kind, masks.min, masks.max), (KnobKind::Integer, Some(2.0), Some(32_000.0)));
        assert_eq!(knob(&knobs, "rise.rows").max, Some(28.0), "no more than the image has");
        assert_eq!(knob(&knobs, "rise.probability").max, Some(0.99));
        assert_eq!(knob(&knobs, "smooth-grad.kind").choices, ["mean", "square"]);
        assert_eq!(knob(&knobs, "smooth-grad.samples").step, Some(2.0), "an even number");
        assert_eq!(knob(&knobs, "segmentation.kind").choices, ["grid", "slic"]);
        assert_eq!(knob(&knobs, "baseline.kinds").kind, KnobKind::Choices);
        assert!(knob(&knobs, "fill.kind").choices.contains(&"segment-mean".to_owned()));
        assert_eq!(knob(&knobs, "grad-cam.rectify").kind, KnobKind::Boolean);
        let cost = |name: &str| knobs.methods.iter().find(|group| group.name == name).unwrap().cost.clone();
        assert_eq!(cost("kernel-shap").map(|cost| cost.count_at_default), Some(4096.0));
        assert_eq!(cost("smooth-grad").unwrap().unit, "gradient");
        assert_eq!(cost("self-attention"), None);
    }

    #[test]
    fn settings_beyond_their_sliders_and_of_nobody_are_refused() {
        let knobs = knobs();
        knobs.require("rise.masks", &json!(4000)).unwrap();
        knobs.require("fill.mean", &json!([0.5])).unwrap();
        let error = |key: &str, value: Value| knobs.require(key, &value).unwrap_err().error;
        assert_eq!(
            error("rise.masks", json!(10_000_000)),
            "explain.rise.masks is 10000000, expected at most 32000 on this page"
        );
        for key in ["images.random", "enabled", "run.seed", "lime.samples=1\nrun", ""] {
            assert!(error(key, json!(1)).contains("of no method"), "{key}");
        }
    }
}
