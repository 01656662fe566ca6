//! One number that makes a network as sure as it is right.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tinylsa_data::{Dataset, to_unit};
use tinylsa_model::{Predictor, TEMPERATURES};

use crate::evaluation::evaluate;
use crate::interval::Interval;
use crate::measure::{MeasureError, require_images, require_scores};
use crate::prediction::{BATCH, Predictions, finite_logits, labels_for};

/// Images that a temperature is fitted to, at least. With fewer, one label more or less moves it by a large part of
/// itself.
const LEAST_IMAGES: usize = 20;
/// Halvings of the logarithm of [`TEMPERATURES`]; what is left is below the precision of the numbers.
const HALVINGS: usize = 64;

/// The logits of every class for some images: of one image at least, all of them finite, each with the label of one of
/// the classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    classes: usize,
    values: Vec<f32>,
    labels: Vec<u32>,
}

/// How far the probabilities of a network can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Mean negative log-likelihood of the true class, in nats.
    pub nll: f64,
    /// Expected calibration error, as in [`Evaluation`](crate::Evaluation).
    pub ece: Interval,
}

/// The temperature of some images, and what it does to them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemperatureFit {
    /// The number by which logits are divided.
    pub temperature: f64,
    /// Images that it was fitted to.
    pub images: usize,
    /// The same images at temperature 1.
    pub before: Calibration,
    /// The same images at the fitted temperature.
    pub after: Calibration,
}

/// Images that have no temperature.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum TemperatureError {
    /// The images are too few, or cannot be measured.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The likelihood rises to an end of the range: every image is correct, the logits tell nothing of the classes, or their
    /// scale is far off.
    #[error(
        "the likelihood has no maximum at a temperature between {} and {}: {}",
        TEMPERATURES.start(),
        TEMPERATURES.end(),
        if *all_right {
            "every image is correct, or the logits are far too small"
        } else {
            "the logits do not favour the true classes, or are far too large"
        }
    )]
    NoMinimum {
        /// Whether colder were always better.
        all_right: bool,
    },
}

impl Logits {
    /// Logits from elsewhere: a row of `classes` for each label.
    ///
    /// # Errors
    /// [`MeasureError`] if there are none, if they do not belong together, or if one is not finite.
    pub fn new(classes: usize, values: Vec<f32>, labels: Vec<u32>) -> Result<Self, MeasureError> {
        require_scores("logit", classes, &values, &labels)?;
        Ok(Self { classes, values, labels })
    }

    /// What a network, in evaluation, says of the images with these indices.
    ///
    /// # Errors
    /// As [`predict`](crate::predict).
    pub fn of(model: &dyn Predictor, dataset: &Dataset, indices: &[u32]) -> Result<Self, MeasureError> {
        let labels = labels_for(model, dataset, indices)?;
        let classes = model.classes();
        let mut values = Vec::with_capacity(indices.len() * classes);
        for (batch, first) in indices.chunks(BATCH).zip((0..).step_by(BATCH)) {
            let pixels: Vec<f32> = batch.iter().flat_map(|&index| to_unit(dataset.image(index as usize))).collect();
            values.extend(finite_logits(model, &pixels, first)?);
        }
        Self::new(classes, values, labels)
    }

    /// A row of logits for each image.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The probabilities at a temperature: the softmax of the logits divided by it. The most probable class is the same
    /// at any.
    ///
    /// # Errors
    /// [`MeasureError::NotFinite`] if the temperature makes a probability of them that is not finite.
    pub fn predictions(&self, temperature: f64) -> Result<Predictions, MeasureError> {
        let probabilities = self.values.chunks_exact(self.classes).flat_map(|row| {
            let row = Row { logits: row, inverse: 1.0 / temperature };
            let normaliser = row.log_normaliser();
            row.scaled().map(|logit| (logit - normaliser).exp() as f32).collect::<Vec<_>>()
        });
        Predictions::new(self.classes, probabilities.collect(), self.labels.clone())
    }

    /// How far the probabilities at a temperature can be relied on; the bootstrap draws from `seed`.
    ///
    /// # Errors
    /// As [`Logits::predictions`] and [`evaluate`].
    pub fn calibration(&self, temperature: f64, seed: u64) -> Result<Calibration, MeasureError> {
        let rows = self.rows(1.0 / temperature);
        let sum: f64 = rows.map(|(row, label)| row.log_normaliser() - row.inverse * f64::from(row.logits[label])).sum();
        let nll = sum / self.labels.len() as f64;
        Ok(Calibration { nll, ece: evaluate(&self.predictions(temperature)?, seed)?.ece })
    }

    /// The derivative of the mean negative log-likelihood with respect to the inverse temperature: the mean over the
    /// images of the expected logit less the true class's. It only rises, since the second derivative is the mean
    /// variance of the logits.
    fn slope(&self, inverse: f64) -> f64 {
        let sum: f64 = self.rows(inverse).map(|(row, label)| row.expected_logit() - f64::from(row.logits[label])).sum();
        sum / self.labels.len() as f64
    }

    fn rows(&self, inverse: f64) -> impl Iterator<Item = (Row<'_>, usize)> {
        let rows = self.values.chunks_exact(self.classes).map(move |logits| Row { logits, inverse });
        rows.zip(self.labels.iter().map(|&label| label as usize))
    }
}

/// The logits of one image, and what they are multiplied by.
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
/// let values = [3.0 * 3.0_f32.ln(), 0.0].repeat(20);
/// let fit = fit_temperature(&Logits::new(2, values, [0, 0, 0, 1].repeat(5))?, 0)?;
/// assert!((fit.temperature - 3.0).abs() < 1e-6);
/// # Ok::<(), tinylsa_train::TemperatureError>(())
/// ```
///
/// # Errors
/// [`TemperatureError`] if there are fewer than 20 images, or if no temperature is the best.
pub fn fit_temperature(logits: &Logits, seed: u64) -> Result<TemperatureFit, TemperatureError> {
    require_images(logits.labels.len(), LEAST_IMAGES, "a temperature")?;
    let [mut low, mut high] = [TEMPERATURES.end().recip(), TEMPERATURES.start().recip()];
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
        before: logits.calibration(1.0, seed)?,
        after: logits.calibration(temperature, seed)?,
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
                    logits.labels.push(class as u32);
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
            assert!((fit.after.nll - calibrated().calibration(1.0, 0).unwrap().nll).abs() < 1e-6, "{fit:?}");
        }
    }

    #[test]
    fn the_likelihood_never_falls_and_the_accuracy_stays() {
        for factor in [0.2, 1.0, 5.0] {
            let logits = scaled(factor);
            let fit = fit_temperature(&logits, 0).unwrap();
            assert!(fit.after.nll <= fit.before.nll + 1e-14, "{fit:?}");
            let [before, after] = [1.0, fit.temperature].map(|temperature| logits.predictions(temperature).unwrap());
            assert!((before.accuracy() - after.accuracy()).abs() < 1e-12);
            assert!((after.nll() - fit.after.nll).abs() < 1e-6);
            // No other temperature is better.
            for other in [0.5, 0.9, 0.999, 1.001, 1.1, 2.0] {
                assert!(logits.calibration(other * fit.temperature, 0).unwrap().nll > fit.after.nll);
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
        let refused = |change: &dyn Fn(&mut Logits)| {
            let mut logits = calibrated();
            change(&mut logits);
            fit_temperature(&logits, 0).unwrap_err()
        };
        let few = refused(&|logits| {
            logits.values.truncate(3 * 19);
            logits.labels.truncate(19);
        });
        assert_eq!(few.to_string(), "there are 19 images, expected at least 20 for a temperature");
        let negated = refused(&|logits| logits.values.iter_mut().for_each(|value| *value = -*value));
        assert!(negated.to_string().contains("do not favour"), "{negated}");
        let right = Logits::new(2, [1.0, 0.0, 0.0, 1.0].repeat(10), [0, 1].repeat(10)).unwrap();
        assert_eq!(fit_temperature(&right, 0), Err(TemperatureError::NoMinimum { all_right: true }));
    }

    #[test]
    fn logits_belong_together_and_are_finite() {
        let refused = |classes: usize, values: &[f32], labels: &[u32]| {
            Logits::new(classes, values.to_vec(), labels.to_vec()).unwrap_err().to_string()
        };
        assert!(refused(3, &[], &[]).starts_with("there are 0 images"));
        assert!(refused(0, &[], &[0]).starts_with("there are 0 scores for 1 images"));
        assert!(refused(3, &[0.0; 5], &[0, 1]).starts_with("there are 5 scores for 2 images"));
        assert!(refused(3, &[0.0; 3], &[3]).starts_with("image 0 has label 3"));
        let expected = "the logit of class 1 of image 1 is -inf, expected a finite number";
        assert_eq!(refused(2, &[0.0, 0.0, 0.0, f32::NEG_INFINITY], &[0, 0]), expected);
    }

    #[test]
    fn a_temperature_that_leaves_no_probabilities_is_an_error() {
        let error = calibrated().predictions(0.0).unwrap_err();
        assert!(matches!(error, MeasureError::NotFinite { score: "probability", .. }), "{error}");
    }
}
