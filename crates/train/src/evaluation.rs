//! What a network gets right, and how sure it is, with intervals.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};

use crate::interval::{Interval, NORMAL_QUANTILE, wilson};
use crate::measure::{MeasureError, require_images};
use crate::prediction::Predictions;

/// Bins of the expected calibration error.
pub const CALIBRATION_BINS: usize = 15;

const BOOTSTRAP: Purpose = Purpose::new("train/bootstrap");
const BOOTSTRAP_SAMPLES: u64 = 1000;

/// What was measured on one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of images.
    pub images: usize,
    /// Share of images whose most probable class is theirs; Wilson's interval (1927).
    pub accuracy: Interval,
    /// Mean negative log-likelihood of the true class, in nats; the interval of the normal approximation.
    pub nll: Interval,
    /// Expected calibration error over equally wide bins of confidence (Guo et al. 2017, equation 3). The interval is that of
    /// the normal approximation, by the standard error over bootstrap samples: their percentiles lie too high, since drawing
    /// again adds noise to every bin, and noise is an error of calibration.
    pub ece: Interval,
    /// One entry a class, in the order of the labels.
    pub classes: Vec<ClassEvaluation>,
    /// `confusion[truth][prediction]`: numbers of images.
    pub confusion: Vec<Vec<u64>>,
    /// The bins of the calibration error, from confidence 0 to 1.
    pub calibration: Vec<CalibrationBin>,
}

/// What was measured on the images of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassEvaluation {
    /// Share of the images predicted as the class that are of it; `None` if none is predicted.
    pub precision: Option<Interval>,
    /// Share of the class's images that are predicted as it; `None` if there are none.
    pub recall: Option<Interval>,
    /// Harmonic mean of precision and recall; `None` if no image is of the class or predicted as it.
    pub f1: Option<f64>,
    /// Images of the class.
    pub support: u64,
}

/// The images whose confidence falls into one bin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Lower end of the bin.
    pub lower: f64,
    /// Upper end of the bin.
    pub upper: f64,
    /// Number of images.
    pub count: u64,
    /// Mean probability of the predicted class; 0 if the bin is empty.
    pub confidence: f64,
    /// Share of right predictions; 0 if the bin is empty.
    pub accuracy: f64,
}

/// Measures predictions. The bootstrap draws from `seed`; the same predictions give the same figures.
///
/// # Errors
/// [`MeasureError::TooFewImages`] if there is only one image, of which no figure has a spread.
pub fn evaluate(predictions: &Predictions, seed: u64) -> Result<Evaluation, MeasureError> {
    require_images(predictions.len(), 2, "figures with intervals")?;
    let outcomes: Vec<Outcome> = (0..predictions.len()).map(|index| Outcome::of(predictions, index)).collect();
    let confusion = confusion(predictions);
    let calibration = calibration(outcomes.iter());
    Ok(Evaluation {
        images: outcomes.len(),
        accuracy: predictions.accuracy_with_interval(),
        nll: mean_with_interval(&outcomes),
        ece: calibration_error_interval(&outcomes, calibration_error(&calibration), seed),
        classes: (0..predictions.classes()).map(|class| class_evaluation(&confusion, class)).collect(),
        confusion,
        calibration,
    })
}

struct Outcome {
    right: bool,
    confidence: f64,
    nll: f64,
}

impl Outcome {
    fn of(predictions: &Predictions, index: usize) -> Self {
        let row = predictions.row(index);
        let label = predictions.labels()[index] as usize;
        let predicted = predictions.predicted(index);
        Self { right: predicted == label, confidence: f64::from(row[predicted]), nll: predictions.nll_of(index) }
    }
}

fn confusion(predictions: &Predictions) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; predictions.classes()]; predictions.classes()];
    for (index, &label) in predictions.labels().iter().enumerate() {
        counts[label as usize][predictions.predicted(index)] += 1;
    }
    counts
}

fn class_evaluation(confusion: &[Vec<u64>], class: usize) -> ClassEvaluation {
    let right = confusion[class][class];
    let support = confusion[class].iter().sum();
    let predicted = confusion.iter().map(|row| row[class]).sum::<u64>();
    ClassEvaluation {
        precision: (predicted > 0).then(|| wilson(right, predicted)),
        recall: (support > 0).then(|| wilson(right, support)),
        f1: (support + predicted > 0).then(|| 2.0 * right as f64 / (support + predicted) as f64),
        support,
    }
}

fn mean_with_interval(outcomes: &[Outcome]) -> Interval {
    let n = outcomes.len() as f64;
    let mean = outcomes.iter().map(|outcome| outcome.nll).sum::<f64>() / n;
    let variance = outcomes.iter().map(|outcome| (outcome.nll - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = NORMAL_QUANTILE * (variance / n).sqrt();
    Interval { value: mean, low: mean - half, high: mean + half }
}

fn calibration<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Vec<CalibrationBin> {
    let width = 1.0 / CALIBRATION_BINS as f64;
    let mut bins: Vec<CalibrationBin> = (0..CALIBRATION_BINS)
        .map(|index| CalibrationBin {
            lower: index as f64 * width,
            upper: (index + 1) as f64 * width,
            count: 0,
            confidence: 0.0,
            accuracy: 0.0,
        })
        .collect();
    for outcome in outcomes {
        let bin = &mut bins[((outcome.confidence / width) as usize).min(CALIBRATION_BINS - 1)];
        bin.count += 1;
        bin.confidence += outcome.confidence;
        bin.accuracy += f64::from(u8::from(outcome.right));
    }
    for bin in bins.iter_mut().filter(|bin| bin.count > 0) {
        bin.confidence /= bin.count as f64;
        bin.accuracy /= bin.count as f64;
    }
    bins
}

fn calibration_error(bins: &[CalibrationBin]) -> f64 {
    let count = bins.iter().map(|bin| bin.count).sum::<u64>() as f64;
    bins.iter().map(|bin| bin.count as f64 / count * (bin.accuracy - bin.confidence).abs()).sum()
}

fn calibration_error_interval(outcomes: &[Outcome], value: f64, seed: u64) -> Interval {
    let errors: Vec<f64> = (0..BOOTSTRAP_SAMPLES)
        .map(|sample| {
            let mut generator = Draw { seed, purpose: BOOTSTRAP, epoch: 0, index: sample }.generator();
            let drawn = (0..outcomes.len()).map(|_| &outcomes[generator.random_range(0..outcomes.len())]);
            calibration_error(&calibration(drawn))
        })
        .collect();
    let samples = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / samples;
    let variance = errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / (samples - 1.0);
    let half = NORMAL_QUANTILE * variance.sqrt();
    Interval { value, low: (value - half).max(0.0), high: (value + half).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(rows: &[([f32; 2], u32)]) -> Predictions {
        let probabilities = rows.iter().flat_map(|(row, _)| *row).collect();
        Predictions::new(2, probabilities, rows.iter().map(|&(_, label)| label).collect()).unwrap()
    }

    #[test]
    fn a_hand_counted_case() {
        let rows = [([0.9, 0.1], 0), ([0.8, 0.2], 1), ([0.3, 0.7], 1), ([0.4, 0.6], 1)];
        let result = evaluate(&predictions(&rows), 0).unwrap();
        assert_eq!(result.images, 4);
        assert_eq!(result.confusion, [[1, 0], [1, 2]]);
        assert!((result.accuracy.value - 0.75).abs() < 1e-12);
        let expected = -(0.9_f64.ln() + 0.2_f64.ln() + 0.7_f64.ln() + 0.6_f64.ln()) / 4.0;
        assert!((result.nll.value - expected).abs() < 1e-7);
        // Four bins of one image each: |1 − .9|, |0 − .8|, |1 − .7|, |1 − .6|, a quarter of each.
        assert!((result.ece.value - (0.1 + 0.8 + 0.3 + 0.4) / 4.0).abs() < 1e-7);
        assert!((result.classes[0].precision.unwrap().value - 0.5).abs() < 1e-12);
        assert!((result.classes[0].recall.unwrap().value - 1.0).abs() < 1e-12);
        assert!((result.classes[1].f1.unwrap() - 0.8).abs() < 1e-12);
        assert_eq!(result.classes[1].support, 3);
    }

    #[test]
    fn wilson_of_a_published_case() {
        // 81 of 263 (Newcombe 1998, table I): 0.2553 to 0.3662.
        let interval = wilson(81, 263);
        assert!((interval.low - 0.2553).abs() < 5e-5, "{interval:?}");
        assert!((interval.high - 0.3662).abs() < 5e-5, "{interval:?}");
    }

    #[test]
    fn every_interval_holds_its_figure() {
        let rows: Vec<([f32; 2], u32)> = (0..200)
            .map(|index| {
                let sure = 0.5 + 0.45 * (index as f32 / 200.0);
                ([sure, 1.0 - sure], u32::from(index % 5 == 0))
            })
            .collect();
        let result = evaluate(&predictions(&rows), 1).unwrap();
        for interval in [result.accuracy, result.nll, result.ece] {
            assert!(interval.low < interval.value && interval.value < interval.high, "{interval:?}");
        }
        assert_eq!(result, evaluate(&predictions(&rows), 1).unwrap());
    }

    #[test]
    fn confidences_that_are_right_as_often_as_they_say_have_an_error_of_0_in_the_interval() {
        let rows: Vec<([f32; 2], u32)> = (0..400).map(|index| ([0.75, 0.25], u32::from(index % 4 == 0))).collect();
        let ece = evaluate(&predictions(&rows), 1).unwrap().ece;
        assert_eq!((ece.value, ece.low), (0.0, 0.0));
        assert!(ece.high > 0.0 && ece.high < 0.05, "{ece:?}");
    }

    #[test]
    fn what_there_is_nothing_of_has_no_figure() {
        // Class 1 is never predicted, class 2 neither predicted nor there.
        let probabilities = [[0.6, 0.3, 0.1], [0.5, 0.4, 0.1]].concat();
        let result = evaluate(&Predictions::new(3, probabilities, vec![0, 1]).unwrap(), 0).unwrap();
        let [first, second, third] = &result.classes[..] else { panic!("three classes") };
        assert!(first.precision.is_some() && first.recall.is_some() && first.f1.is_some());
        assert_eq!((second.precision, second.f1), (None, Some(0.0)));
        assert!(second.recall.unwrap().value.abs() < 1e-12);
        assert_eq!((third.precision, third.recall, third.f1, third.support), (None, None, None, 0));
    }

    #[test]
    fn one_image_has_no_spread() {
        let error = evaluate(&predictions(&[([0.9, 0.1], 0)]), 0).unwrap_err();
        assert_eq!(error.to_string(), "there is 1 image, expected at least 2 for figures with intervals");
        evaluate(&predictions(&[([0.9, 0.1], 0), ([0.9, 0.1], 1)]), 0).unwrap();
    }
}
