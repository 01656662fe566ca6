//! The settings of a request: those of `configs/base.toml`, changed as `--set` of the command changes them.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::Value;
use tinylsa_experiment::explain_settings::ExplainSettings;
use tinylsa_explain::{Circumstances, MethodId};
use tinylsa_xai::SegmentationKind;

use crate::app::App;
use crate::limits::{SEGMENTS, SETTINGS};
use crate::refusal::Refusal;

/// Keys below `[explain]` and their values.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct SettingsArgument(BTreeMap<String, Value>);

impl SettingsArgument {
    /// The settings as `--set` takes them, in the order of their keys.
    ///
    /// # Errors
    /// If a key is none that the page offers, or a value outside what it offers.
    pub(crate) fn overrides(&self, app: &App) -> Result<Vec<String>, Refusal> {
        if self.0.len() > SETTINGS {
            return Err(Refusal::values(format!("there are {} settings, expected at most {SETTINGS}", self.0.len())));
        }
        let one = |(key, value): (&String, &Value)| {
            app.knobs.require(key, value)?;
            Ok(format!("explain.{key}={}", toml(key, value)?))
        };
        self.0.iter().map(one).collect()
    }

    /// The settings for these methods, checked against the images and the model as the command checks them.
    ///
    /// # Errors
    /// The first setting that does not fit, or the method that the model does not serve.
    pub(crate) fn fitted(
        &self,
        app: &App,
        methods: Vec<MethodId>,
        seed: Option<u64>,
    ) -> Result<ExplainSettings, Refusal> {
        let at = app.circumstances();
        let overrides = self.overrides(app)?;
        let settings = if overrides.is_empty() {
            // those that were read when the program started
            let mut settings = app.settings.clone();
            settings.seed = seed.unwrap_or(settings.seed);
            settings.methods = methods;
            at.given.require(&settings.methods)?;
            settings
        } else {
            let read = ExplainSettings::read(None, &overrides, Some(methods), seed)?;
            read.with_statistics_of(&app.metadata.config).of_methods_for(at.given)?
        };
        require_few_segments(&settings, &at)?;
        let fits = settings.explain.validate_methods(&settings.methods, &at);
        // said at the place of the mistake, where that is known
        fits.map_err(|error| settings.check(&at, false).err().map_or_else(|| error.into(), Refusal::from))?;
        Ok(settings)
    }
}

/// Requires the segments to be no more than one page can show.
fn require_few_segments(settings: &ExplainSettings, at: &Circumstances) -> Result<(), Refusal> {
    let segmentation = &settings.explain.shared.segmentation;
    let (key, found) = match segmentation.kind {
        SegmentationKind::Grid => ("segmentation.grid", segmentation.grid.cells()),
        SegmentationKind::Slic => ("segmentation.slic.segments", segmentation.slic.segments),
    };
    let most = SEGMENTS.min(at.image[1] * at.image[2]);
    if found > most {
        return Err(Refusal::values(format!("explain.{key} makes {found} segments, expected at most {most}")));
    }
    Ok(())
}

/// A value as TOML.
fn toml(key: &str, value: &Value) -> Result<String, Refusal> {
    match value {
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(quoted(text)),
        Value::Array(list) if list.len() <= SETTINGS => {
            let parts: Result<Vec<String>, Refusal> = list.iter().map(|value| toml(key, value)).collect();
            Ok(format!("[{}]", parts?.join(", ")))
        }
        Value::Null | Value::Object(_) | Value::Array(_) => {
            Err(Refusal::values(format!("explain.{key} is no number, word, yes or no, or short list of them")))
        }
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || "-_ .".contains(letter) {
            quoted.push(letter);
        } else {
            // nothing fails when a string is written to
            let _ = write!(quoted, "\\U{:08x}", u32::from(letter));
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_toml() {
        for (value, expected) in [
            (json!(true), "true"),
            (json!(0.25), "0.25"),
            (json!(7), "7"),
            (json!("segment-mean"), "\"segment-mean\""),
            (json!(["black", "white"]), "[\"black\", \"white\"]"),
            (json!("a\"\n"), "\"a\\U00000022\\U0000000a\""),
        ] {
            assert_eq!(toml("key", &value).unwrap(), expected);
        }
        for value in [json!(null), json!({}), json!([[[{}]]])] {
            toml("key", &value).unwrap_err();
        }
    }
}
