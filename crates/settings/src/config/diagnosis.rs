//! From the messages of serde and toml to a [`Problem`] at a [`Place`](super::error::Place).

use std::string::FromUtf8Error;

use crate::InvalidSetting;
use toml::Value;

use super::document::{self, Document};
use super::error::{ConfigError, Problem};
use super::key_path::KeyPath;
use super::overrides::{Merged, Part};

/// How alike two names must be (Jaro-Winkler, 0 to 1) for one to be offered in place of the other.
const ALIKE: f64 = 0.7;
/// How alike a sibling must be to be offered rather than the same name in another table.
const VERY_ALIKE: f64 = 0.85;

/// The error of a file that is no text.
pub(crate) fn not_utf8(name: &str, error: &FromUtf8Error) -> ConfigError {
    let start = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes());
    let place = document::place(name, &text, start..start + char::REPLACEMENT_CHARACTER.len_utf8());
    ConfigError::invalid(place, Problem::NotUtf8)
}

/// The error of a text that is no TOML.
pub(crate) fn syntax(document: &Document<'_>, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or_default();
    let problem = match error.message() {
        "duplicate key" => Problem::DuplicateKey(duplicate_key(document, &span)),
        message => Problem::Syntax(message.to_owned()),
    };
    ConfigError::invalid(document.place(span), problem)
}

/// The full path of the key that ends at `span`, which the document has twice.
fn duplicate_key(document: &Document<'_>, span: &std::ops::Range<usize>) -> String {
    let line = document.line_around(span.start).trim();
    if line.starts_with('[') {
        let header = line.split(']').next().unwrap_or_default();
        return header.trim_start_matches('[').trim().to_owned();
    }
    format!("{}{}", document.table_around(span.start).prefix(), document.dotted_key_until(span.end))
}

/// The error of a value that is out of range.
pub(crate) fn out_of_range(merged: &Merged<'_>, setting: InvalidSetting) -> ConfigError {
    let place = merged.place(&KeyPath::from_dotted(&setting.key), Part::Value);
    let InvalidSetting { key, found, expected } = setting;
    ConfigError::invalid(place, Problem::OutOfRange { key, found, expected })
}

/// The error of a tree that serde cannot read: its message, and the path at which it was raised.
///
/// serde hands the parts of a mistake to the format's error type, and toml's keeps only the sentence that serde makes of
/// them by default, so the parts are taken out of that sentence again.
pub(crate) fn unreadable(merged: &Merged<'_>, path: &KeyPath, message: &str) -> ConfigError {
    let names = quoted_names(message);
    let key = path.to_string();
    let (path, part, problem) = match (message.split('`').next(), names.split_first()) {
        (Some("unknown field "), Some((field, valid))) => {
            let path = if path.last() == Some(field) { path.clone() } else { path.child(field) };
            let nearest = nearest_key(&merged.document, &path, valid);
            let problem = Problem::UnknownKey { key: path.to_string(), nearest, valid: valid.to_vec() };
            (path, Part::Key, problem)
        }
        (Some("missing field "), Some((field, _))) => {
            (path.clone(), Part::Value, Problem::MissingKey(path.child(field).to_string()))
        }
        (Some("unknown variant "), Some((found, valid))) => {
            let nearest = nearest_name(found, valid, ALIKE);
            (
                path.clone(),
                Part::Value,
                Problem::UnknownName { key, found: found.clone(), nearest, valid: valid.to_vec() },
            )
        }
        _ => (path.clone(), Part::Value, mismatch(merged, path, message)),
    };
    ConfigError::invalid(merged.place(&path, part), problem)
}

/// The names in backticks.
fn quoted_names(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A message of the form "invalid type: integer `3`, expected a string".
fn mismatch(merged: &Merged<'_>, path: &KeyPath, message: &str) -> Problem {
    let key = path.to_string();
    let Some((found, expected)) = message.strip_prefix("invalid ").and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return Problem::Other { key, message: message.to_owned() };
    };
    let value = merged.value(path);
    let expected = expected_in_words(expected);
    let is_unquoted = expected == "a string" && value.is_some_and(is_unquoted);
    let found = match value {
        _ if found.starts_with("length ") => format!("of {found}"),
        Some(Value::Table(_)) | None => "a table".to_owned(),
        Some(Value::Array(_)) => "an array".to_owned(),
        Some(value) => value.to_string(),
    };
    Problem::WrongType { key, found, expected, is_unquoted }
}

/// Whether quotes would make a string of the value as it is written.
fn is_unquoted(value: &Value) -> bool {
    match value {
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => true,
        // a date without quotes is read as a string
        Value::String(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => false,
    }
}

/// serde's name of a type in the words of TOML.
fn expected_in_words(expected: &str) -> String {
    let words = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "u128" | "usize" => "a whole number from 0 on",
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "string only" | "string or table" => "a name",
        "path string" => "a string",
        "a boolean" => "true or false",
        "a map" => "a table",
        "a sequence" => "an array",
        _ if expected.starts_with("struct ") => "a table",
        _ => expected,
    };
    words.to_owned()
}

/// The key that was probably meant by the unknown one at `path`: a sibling spelt alike, or a key of the same name in
/// another table of the file.
fn nearest_key(document: &Document<'_>, path: &KeyPath, siblings: &[String]) -> Option<String> {
    let name = path.last()?;
    let sibling = |alike| nearest_name(name, siblings, alike).map(|sibling| path.parent().child(sibling));
    let elsewhere = || document.keys_called(name).into_iter().find(|other| other != path);
    sibling(VERY_ALIKE).or_else(elsewhere).or_else(|| sibling(ALIKE)).map(|key| key.to_string())
}

/// The one of `names` that is spelt most alike.
fn nearest_name(name: &str, names: &[String], alike: f64) -> Option<String> {
    let spelling = |name: &str| name.to_lowercase().replace('-', "_");
    names
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&spelling(name), &spelling(candidate)), candidate))
        .filter(|(likeness, _)| *likeness >= alike)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate.clone())
}
