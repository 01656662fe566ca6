use serde::{Deserialize, Serialize};
use thiserror::Error;
use tinylsa_settings::require;

use super::error::ModelFileError;
use super::format::TEMPERATURES;
use crate::classifier::ModelConfig;
use crate::config::TinyCnnLsaConfig;

/// The description in the metadata of a model file, beside the kind of the network and the checksum. `C` is the config
/// of the network, that of [`TinyCnnLsa`](crate::TinyCnnLsa) unless another one is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelMetadata<C = TinyCnnLsaConfig> {
    /// The config that the network is made from.
    pub config: C,
    /// The names of the classes, in the order of the logits.
    pub class_names: Vec<String>,
    /// What the weights were trained on, such as `fashion-mnist`.
    pub dataset: String,
    /// The number by which logits are divided to give calibrated probabilities, if one was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Which training images the network was not trained on, if that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<HeldOut>,
}

/// The training images that were held out, as `tinylsa_data::stratified_split` finds them again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// How many.
    pub images: usize,
    /// The seed of the split.
    pub seed: u64,
    /// A digest of the training set that was split, if it was recorded: another set is split into other images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_set: Option<String>,
}

/// Logits that have no probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum LogitError {
    /// There is no whole number of rows.
    #[error("there are {found} logits, expected {classes} for each image")]
    Count {
        /// Logits there are.
        found: usize,
        /// Logits of an image.
        classes: usize,
    },
    /// A logit is NaN or infinite.
    #[error("the logit of class {class} of image {row} is {value}, expected a finite number")]
    NotFinite {
        /// The image, counted from 0.
        row: usize,
        /// The class.
        class: usize,
        /// The logit.
        value: f32,
    },
}

impl<C> ModelMetadata<C> {
    /// The same with another form of the config.
    ///
    /// # Errors
    /// That of `convert`.
    pub fn with_config<D, E>(self, convert: impl FnOnce(C) -> Result<D, E>) -> Result<ModelMetadata<D>, E> {
        let Self { config, class_names, dataset, temperature, held_out } = self;
        Ok(ModelMetadata { config: convert(config)?, class_names, dataset, temperature, held_out })
    }
}

impl<C: ModelConfig> ModelMetadata<C> {
    /// The description of a network that was not calibrated, and of which it is not known what was held out.
    pub fn new(config: &C, class_names: &[impl AsRef<str>], dataset: &str) -> Self {
        Self {
            config: config.clone(),
            class_names: class_names.iter().map(|name| name.as_ref().to_owned()).collect(),
            dataset: dataset.to_owned(),
            temperature: None,
            held_out: None,
        }
    }

    /// Checks that the description is one of a network: the ranges of its config, a name of its own for each class, and
    /// a temperature within [`TEMPERATURES`].
    ///
    /// # Errors
    /// [`ModelFileError`] names the first thing that is wrong.
    pub fn validate(&self) -> Result<(), ModelFileError> {
        self.config.validate()?;
        self.require_class_names()?;
        if let Some(found) = self.temperature.filter(|temperature| !TEMPERATURES.contains(temperature)) {
            return Err(ModelFileError::Temperature { found });
        }
        if let Some(held_out) = &self.held_out {
            require("held_out.images", held_out.images > 0, || "0".to_owned(), "at least 1")?;
        }
        Ok(())
    }

    fn require_class_names(&self) -> Result<(), ModelFileError> {
        let (names, expected) = (&self.class_names, self.config.classes());
        if names.len() != expected {
            return Err(ModelFileError::ClassCount { found: names.len(), expected });
        }
        for (class, name) in names.iter().enumerate() {
            let wrong = |expected| Err(ModelFileError::ClassName { class, name: name.clone(), expected });
            if name.trim().is_empty() {
                return wrong("a name that is not empty");
            }
            if name.chars().any(char::is_control) {
                return wrong("a name without control characters");
            }
            if names[..class].contains(name) {
                return wrong("a name that no other class has");
            }
        }
        Ok(())
    }

    /// The number by which logits are divided to give calibrated probabilities; 1 if none was fitted.
    pub fn temperature(&self) -> f64 {
        self.temperature.unwrap_or(1.0)
    }

    /// The calibrated probabilities of some images, whose logits lie one row after the other: the softmax of the logits
    /// divided by the [temperature](Self::temperature). Without a temperature these are the network's own.
    ///
    /// # Errors
    /// [`LogitError`] if there is no whole number of rows, or if a logit is not finite.
    pub fn probabilities(&self, logits: &[f32]) -> Result<Vec<f32>, LogitError> {
        let classes = self.config.classes();
        if !logits.len().is_multiple_of(classes) {
            return Err(LogitError::Count { found: logits.len(), classes });
        }
        if let Some(position) = logits.iter().position(|logit| !logit.is_finite()) {
            let (row, class) = (position / classes, position % classes);
            return Err(LogitError::NotFinite { row, class, value: logits[position] });
        }
        let temperature = self.temperature();
        let rows = logits.chunks_exact(classes).flat_map(|row| {
            let highest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let exponentials: Vec<f64> =
                row.iter().map(|&logit| ((f64::from(logit) - highest) / temperature).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            exponentials.into_iter().map(move |value| (value / sum) as f32)
        });
        Ok(rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(temperature: Option<f64>) -> ModelMetadata {
        let config = TinyCnnLsaConfig { classes: 2, ..TinyCnnLsaConfig::default() };
        ModelMetadata { temperature, ..ModelMetadata::new(&config, &["bag", "boot"], "made up") }
    }

    #[test]
    fn probabilities_are_the_softmax_of_the_logits_over_the_temperature() {
        let logits = [0.0, 2.0 * 3.0_f32.ln(), 1000.0, 0.0];
        for (temperature, expected) in [(None, [0.1, 0.9, 1.0, 0.0]), (Some(2.0), [0.25, 0.75, 1.0, 0.0])] {
            let found = metadata(temperature).probabilities(&logits).unwrap();
            assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6), "{found:?}");
        }
        assert_eq!(metadata(None).probabilities(&[]).unwrap(), [0.0; 0]);
    }

    #[test]
    fn logits_without_probabilities_are_refused() {
        let probabilities = |logits: &[f32]| metadata(Some(0.01)).probabilities(logits);
        assert_eq!(probabilities(&[1.0; 3]), Err(LogitError::Count { found: 3, classes: 2 }));
        let error = probabilities(&[0.0, 1.0, 2.0, f32::NAN]).unwrap_err();
        assert_eq!(error.to_string(), "the logit of class 1 of image 1 is NaN, expected a finite number");
        assert!(probabilities(&[f32::NEG_INFINITY, 0.0]).is_err());
        assert_eq!(probabilities(&[f32::MAX, f32::MIN]).unwrap(), [1.0, 0.0]);
    }

    #[test]
    fn a_class_has_a_name_of_its_own() {
        let refused = |names: &[&str]| {
            let class_names = names.iter().map(|&name| name.to_owned()).collect();
            ModelMetadata { class_names, ..metadata(None) }.validate().unwrap_err().to_string()
        };
        assert_eq!(refused(&["bag"]), "the metadata names 1 classes, but the model has 2");
        assert_eq!(refused(&["bag", ""]), "the metadata names class 1 \"\", expected a name that is not empty");
        assert_eq!(
            refused(&["bag", "bag"]),
            "the metadata names class 1 \"bag\", expected a name that no other class has"
        );
        let escape = refused(&["\u{1b}[31mbag", "boot"]);
        assert_eq!(escape, "the metadata names class 0 \"\\u{1b}[31mbag\", expected a name without control characters");
        metadata(None).validate().unwrap();
    }

    #[test]
    fn a_temperature_is_within_its_range() {
        for temperature in [0.01, 1.0, 100.0] {
            metadata(Some(temperature)).validate().unwrap();
        }
        for temperature in [1e-300, 0.0, -1.0, 0.009, 101.0, f64::INFINITY, f64::NAN, 5e-324] {
            let error = metadata(Some(temperature)).validate().unwrap_err();
            assert!(matches!(error, ModelFileError::Temperature { .. }), "{error}");
        }
        let error = metadata(Some(1e-300)).validate().unwrap_err();
        assert_eq!(error.to_string(), "the temperature in the metadata is 1e-300, expected 0.01 to 100");
    }
}
