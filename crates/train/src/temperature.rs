//! One number that makes a network as sure as it is right.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tinylsa_data::{Dataset, to_unit};
use tinylsa_model::InferenceModel;

use crate::evaluation::{Interval, evaluate};
use crate::prediction::{BATCH, Predictions};

/// The least and the largest temperature that is looked for.
const RANGE: [f64; 2] = [1e-3, 1e3];
/// Halvings of the logarithm of [`RANGE`]; what is left is below the precision of the numbers.
const HALVINGS: usize = 64;

/// The logits of every class for some pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    /// Number of classes.
    pub classes: usize,
    /// A row of `classes` logits for each picture.
    pub values: Vec<f32>,
    /// The true class of each picture.
    pub labels: Vec<u8>,
}

/// How far the probabilities of a network can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Mean negative log-likelihood of the true class, in nats.
    pub nll: f64,
    /// Expected calibration error, as in [`Evaluation`](crate::Evaluation).
    pub ece: Interval,
}

/// The temperature of some pictures, and what it does to them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemperatureFit {
    /// The number by which logits are divided.
    pub temperature: f64,
    /// Pictures that it was fitted to.
    pub images: usize,
    /// The same pictures at temperature 1.
    pub before: Calibration,
    /// The same pictures at the fitted temperature.
    pub after: Calibration,
}

/// Pictures that have no temperature.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum TemperatureError {
    /// There is nothing to fit to.
    #[error("there is no picture to fit a temperature to")]
    NoPictures,
    /// The parts of the logits do not belong together.
    #[error("there are {values} logits for {pictures} pictures, expected {classes} for each")]
    Shape {
        /// Logits there are.
        values: usize,
        /// Labels there are.
        pictures: usize,
        /// Logits of a picture.
        classes: usize,
    },
    /// A picture is of a class that the logits do not have.
    #[error("picture {index} has label {label}, expected less than {classes}")]
    Label {
        /// The picture.
        index: usize,
        /// Its label.
        label: u8,
        /// Number of classes.
        classes: usize,
    },
    /// A logit is not a finite number.
    #[error("a logit of picture {index} is {value}, expected a finite number")]
    NotFinite {
        /// The picture.
        index: usize,
        /// The logit.
        value: f32,
    },
    /// The likelihood rises to an end of the range: every picture is right, or the logits tell nothing of the classes.
    #[error(
        "the likelihood has no maximum at a temperature between {} and {}: {}",
        RANGE[0],
        RANGE[1],
        if *all_right { "every picture is right" } else { "the logits do not favour the true classes" }
    )]
    NoMinimum {
        /// Whether colder were always better.
        all_right: bool,
    },
}

impl Logits {
    /// What a network, in evaluation, says of the pictures with these indices.
    ///
    /// # Panics
    /// If an index is not one of the dataset, or its pictures have not the network's size.
    pub fn of(model: &InferenceModel, dataset: &Dataset, indices: &[u32]) -> Self {
        let classes = model.config().classes;
        let mut values = Vec::with_capacity(indices.len() * classes);
        for batch in indices.chunks(BATCH) {
            let pixels: Vec<f32> = batch.iter().flat_map(|&index| to_unit(dataset.image(index as usize))).collect();
            values.extend(model.logits(&pixels).expect("the pixels are those of whole pictures"));
        }
        Self { classes, values, labels: indices.iter().map(|&index| dataset.label(index as usize)).collect() }
    }

    /// The probabilities at a temperature: the softmax of the logits divided by it. The most probable class is the same
    /// at any.
    pub fn predictions(&self, temperature: f64) -> Predictions {
        let probabilities = self.values.chunks_exact(self.classes).flat_map(|row| {
            let row = Row { logits: row, inverse: 1.0 / temperature };
            let normaliser = row.log_normaliser();
            row.scaled().map(|logit| (logit - normaliser).exp() as f32).collect::<Vec<_>>()
        });
        Predictions { classes: self.classes, probabilities: probabilities.collect(), labels: self.labels.clone() }
    }

    /// How far the probabilities at a temperature can be relied on; the bootstrap draws from `seed`.
    pub fn calibration(&self, temperature: f64, seed: u64) -> Calibration {
        let rows = self.rows(1.0 / temperature);
        let sum: f64 = rows.map(|(row, label)| row.log_normaliser() - row.inverse * f64::from(row.logits[label])).sum();
        let nll = sum / self.labels.len().max(1) as f64;
        Calibration { nll, ece: evaluate(&self.predictions(temperature), seed).ece }
    }

    /// The derivative of the mean negative log-likelihood with respect to the inverse temperature: the mean over the
    /// pictures of the expected logit less the true class's. It only rises, since the second derivative is the mean
    /// variance of the logits.
    fn slope(&self, inverse: f64) -> f64 {
        let sum: f64 = self.rows(inverse).map(|(row, label)| row.expected_logit() - f64::from(row.logits[label])).sum();
        sum / self.labels.len() as f64
    }

    fn rows(&self, inverse: f64) -> impl Iterator<Item = (Row<'_>, usize)> {
        let rows = self.values.chunks_exact(self.classes).map(move |logits| Row { logits, inverse });
        rows.zip(self.labels.iter().map(|&label| usize::from(label)))
    }

    fn check(&self) -> Result<(), TemperatureError> {
        let Self { classes, values, labels } = self;
        if labels.is_empty() {
            return Err(TemperatureError::NoPictures);
        }
        if *classes == 0 || values.len() != labels.len() * classes {
            let (values, pictures) = (values.len(), labels.len());
            return Err(TemperatureError::Shape { values, pictures, classes: *classes });
        }
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            return Err(TemperatureError::NotFinite { index: position / classes, value: values[position] });
        }
        match labels.iter().position(|&label| usize::from(label) >= *classes) {
            Some(index) => Err(TemperatureError::Label { index, label: labels[index], classes: *classes }),
            None => Ok(()),
        }
    }
}

/// The logits of one picture, and what they are multiplied by.
struct Row<'a> {
    logits: &'a [f32],
    inverse: f64,
}

impl Row<'_> {
    fn scaled(&self) -> impl Iterator<Item = f64> {
        self.logits.iter().map(|&logit| self.inverse * f64::from(logit))
    }

    /// The logarithm of the sum of the exponentials.
    fn log_normaliser(&self) -> f64 {
        let largest = self.scaled().fold(f64::NEG_INFINITY, f64::max);
        largest + self.scaled().map(|logit| (logit - largest).exp()).sum::<f64>().ln()
    }

    fn expected_logit(&self) -> f64 {
        let normaliser = self.log_normaliser();
        self.scaled().zip(self.logits).map(|(scaled, &logit)| (scaled - normaliser).exp() * f64::from(logit)).sum()
    }
}

/// Fits the temperature that makes the labels most likely (Guo et al. 2017, "On calibration of modern neural networks",
/// section 4.2). The likelihood is concave in the inverse temperature, so there is at most one; its derivative is
/// bisected in 64-bit numbers. The bootstrap of the calibration errors draws from `seed`.
///
/// ```
/// use tinylsa_train::{Logits, fit_temperature};
///
/// // Three of four are right, which is what logits of ln 3 and 0 say. These say it three times as loudly.
/// let values = [3.0 * 3.0_f32.ln(), 0.0].repeat(4);
/// let fit = fit_temperature(&Logits { classes: 2, values, labels: vec![0, 0, 0, 1] }, 0)?;
/// assert!((fit.temperature - 3.0).abs() < 1e-6);
/// # Ok::<(), tinylsa_train::TemperatureError>(())
/// ```
///
/// # Errors
/// [`TemperatureError`] if there are no pictures, if the logits are not finite, or if no temperature is the best.
pub fn fit_temperature(logits: &Logits, seed: u64) -> Result<TemperatureFit, TemperatureError> {
    logits.check()?;
    let [mut low, mut high] = [RANGE[1].recip(), RANGE[0].recip()];
    if logits.slope(low) >= 0.0 {
        return Err(TemperatureError::NoMinimum { all_right: false });
    }
    if logits.slope(high) <= 0.0 {
        return Err(TemperatureError::NoMinimum { all_right: true });
    }
    for _ in 0..HALVINGS {
        let middle = (low * high).sqrt();
        if logits.slope(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let temperature = (low * high).sqrt().recip();
    Ok(TemperatureFit {
        temperature,
        images: logits.labels.len(),
        before: logits.calibration(1.0, seed),
        after: logits.calibration(temperature, seed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of logits whose labels fall exactly as often as their softmax says, so that the temperature is 1.
    fn calibrated() -> Logits {
        let mut logits = Logits { classes: 3, values: Vec::new(), labels: Vec::new() };
        for counts in [[6_u8, 3, 1], [1, 1, 8], [2, 5, 3]] {
            for (class, &count) in counts.iter().enumerate() {
                for _ in 0..count {
                    logits.values.extend(counts.map(|count| f32::from(count).ln() + 0.3));
                    logits.labels.push(class as u8);
                }
            }
        }
        logits
    }

    fn scaled(factor: f32) -> Logits {
        let mut logits = calibrated();
        logits.values.iter_mut().for_each(|value| *value *= factor);
        logits
    }

    #[test]
    fn a_known_factor_is_found_again() {
        for factor in [0.2, 0.9, 1.0, 1.7, 40.0] {
            let fit = fit_temperature(&scaled(factor), 0).unwrap();
            let error = (fit.temperature / f64::from(factor) - 1.0).abs();
            assert!(error < 1e-6, "{factor}: {fit:?}");
            assert!((fit.after.nll - calibrated().calibration(1.0, 0).nll).abs() < 1e-6, "{fit:?}");
        }
    }

    #[test]
    fn the_likelihood_never_falls_and_the_accuracy_stays() {
        for factor in [0.2, 1.0, 5.0] {
            let logits = scaled(factor);
            let fit = fit_temperature(&logits, 0).unwrap();
            assert!(fit.after.nll <= fit.before.nll + 1e-14, "{fit:?}");
            let [before, after] = [1.0, fit.temperature].map(|temperature| logits.predictions(temperature));
            assert!((before.accuracy() - after.accuracy()).abs() < 1e-12);
            assert!((after.nll() - fit.after.nll).abs() < 1e-6);
            // No other temperature is better.
            for other in [0.5, 0.9, 0.999, 1.001, 1.1, 2.0] {
                assert!(logits.calibration(other * fit.temperature, 0).nll > fit.after.nll);
            }
            assert_eq!(fit, fit_temperature(&logits, 0).unwrap());
        }
    }

    #[test]
    fn overconfidence_is_taken_back() {
        let fit = fit_temperature(&scaled(4.0), 0).unwrap();
        assert!(fit.after.ece.value < 1e-6 && fit.before.ece.value > 0.1, "{fit:?}");
    }

    #[test]
    fn what_has_no_temperature_is_refused() {
        let check = |change: &dyn Fn(&mut Logits), expected: &str| {
            let mut logits = calibrated();
            change(&mut logits);
            let error = fit_temperature(&logits, 0).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&|logits| *logits = Logits { classes: 3, values: vec![], labels: vec![] }, "no picture");
        check(&|logits| logits.values[4] = f32::NAN, "a logit of picture 1 is NaN");
        check(&|logits| logits.labels[2] = 3, "picture 2 has label 3");
        check(&|logits| logits.values.truncate(89), "89 logits for 30 pictures");
        check(&|logits| logits.values.iter_mut().for_each(|value| *value = -*value), "do not favour");
        let right = Logits { classes: 2, values: vec![1.0, 0.0, 0.0, 1.0], labels: vec![0, 1] };
        assert_eq!(fit_temperature(&right, 0), Err(TemperatureError::NoMinimum { all_right: true }));
    }
}
