//! The pages of the methods give the defaults of the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tinylsa_explain::{ExplainConfig, MethodId};

/// The page of a method whose name is another than the method's.
const OTHER_PAGES: [(&str, &str); 5] = [
    ("self-attention", "multi-head-attention"),
    ("gradient-rollout", "attention-rollout"),
    ("smooth-grad", "gradient-controls"),
    ("input-gradient", "gradient-controls"),
    ("input-times-gradient", "gradient-controls"),
];

fn page(method: &str) -> PathBuf {
    let name = OTHER_PAGES.iter().find(|(other, _)| *other == method).map_or(method, |(_, page)| page);
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../xai/docs/methods").join(format!("{name}.md"))
}

/// The texts between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Every key with a default that the tables of settings on a page give.
fn documented(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut is_inside = false;
    for line in text.lines() {
        is_inside = if line.starts_with("| setting | default |") { true } else { is_inside && line.starts_with('|') };
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if !is_inside || cells.len() < 4 {
            continue;
        }
        let defaults = cells[2].split(',').map(|default| default.trim().trim_matches('`').to_owned());
        found.extend(quoted(cells[1]).into_iter().map(str::to_owned).zip(defaults));
    }
    found
}

/// Numbers, names and switches of a config, with the path of their keys; lists are left out.
fn settings(value: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                settings(value, &path, found);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.insert(path.to_owned(), value.clone());
        }
        Value::Null | Value::Array(_) => {}
    }
}

fn is_same(documented: &str, value: &Value) -> bool {
    match value {
        Value::Number(number) => documented.parse().ok() == number.as_f64(),
        Value::String(name) => documented == name,
        Value::Bool(is_on) => documented == if *is_on { "true" } else { "false" },
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[track_caller]
fn check(what: &str, value: &Value, text: &str) -> usize {
    let (documented, mut expected) = (documented(text), BTreeMap::new());
    settings(value, "", &mut expected);
    for (key, value) in &expected {
        let found = documented.get(key).unwrap_or_else(|| panic!("the page of {what} has no default of {key}"));
        assert!(is_same(found, value), "the page of {what} says that {key} is {found}, the program has {value}");
    }
    expected.len()
}

#[test]
fn every_default_of_a_method_is_on_its_page() {
    let config = ExplainConfig::default();
    let mut compared = 0;
    for method in MethodId::all() {
        let path = page(method.name());
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        compared += check(method.name(), &serde_json::to_value(config.method(method).as_ref()).unwrap(), &text);
    }
    assert!(compared >= 35, "{compared} settings were compared");
    let slic = serde_json::to_value(&config.shared.segmentation.slic).unwrap();
    assert_eq!(check("segmentation", &slic, &fs::read_to_string(page("segmentation")).unwrap()), 4);
}
