//! Variants beside a control, image by image.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use tinylsa_data::Dataset;
use tinylsa_model::load_predictor;
use tinylsa_model::networks::Network;
use tinylsa_train::{Logits, fit_temperature};
use tinylsa_xai::{MeanInterval, mean_interval};

/// How often the intervals are meant to cover the true difference.
const LEVEL: f64 = 0.95;
/// An accuracy that differs by this much decides, if its interval leaves out 0.
const DECISIVE_ACCURACY: f64 = 0.0025;
/// A likelihood that differs by this many nats decides, if its interval leaves out 0 and the accuracy does not point the
/// other way.
const DECISIVE_LIKELIHOOD: f64 = 0.004;

/// A variant beside the control of its sweep, on the same validation images and with the same seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The name of the variant.
    pub variant: String,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// How many images both were shown.
    pub images: usize,
    /// Of the share of images whose most probable class is theirs.
    pub accuracy: PairedDifference,
    /// Of the mean log-likelihood of the true class in nats, each network at the temperature that fits these images best.
    pub likelihood: PairedDifference,
    /// What the two say.
    pub verdict: Verdict,
}

/// The variant's figure less the control's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairedDifference {
    /// The mean over images and seeds, with its interval over the images: what other images of the kind would say of
    /// networks of these seeds.
    pub over_images: MeanInterval,
    /// The same with its interval over the seeds: what networks of other seeds would say of these images. Of two seeds it
    /// is wide, of one none.
    pub over_seeds: MeanInterval,
    /// The mean over the images, for each seed.
    pub of_each_seed: Vec<f64>,
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The variant is more accurate by 0.25 points or more, or more likely by 0.004 nats or more and no less accurate; an
    /// interval over the images leaves out 0.
    Better,
    /// The control is, by the same measure.
    Worse,
    /// Neither.
    Undecided,
}

/// What a network made of the validation images.
pub(super) struct Outcome {
    seed: u64,
    /// 1 for each image whose most probable class is its own, else 0.
    correct: Vec<f64>,
    /// The logarithm of the probability of its class, for each image.
    likelihood: Vec<f64>,
}

impl Outcome {
    /// Asks the network in a run directory.
    pub(super) fn of(seed: u64, run_dir: &Path, dataset: &Dataset, images: &[u32]) -> Result<Self> {
        let model = load_predictor::<Network>(&run_dir.join("model.safetensors"))
            .with_context(|| format!("the run in {} has no usable network", run_dir.display()))?;
        let logits = Logits::of(model.predictor.as_ref(), dataset, images)?;
        let predictions = logits.predictions(fit_temperature(&logits, 0)?.temperature)?;
        let of_label = |index: usize| predictions.row(index)[predictions.labels()[index] as usize];
        let is_right = |index: usize| predictions.predicted(index) == predictions.labels()[index] as usize;
        Ok(Self {
            seed,
            correct: (0..images.len()).map(|index| if is_right(index) { 1.0 } else { 0.0 }).collect(),
            likelihood: (0..images.len()).map(|index| f64::from(of_label(index).max(f32::MIN_POSITIVE)).ln()).collect(),
        })
    }
}

impl Comparison {
    /// A variant beside the control, by what the networks of each made of the same images.
    pub(super) fn of(variant: &str, outcomes: &[Outcome], controls: &[Outcome]) -> Result<Self> {
        let control_of = |outcome: &Outcome| controls.iter().find(|control| control.seed == outcome.seed);
        let pairs: Vec<(&Outcome, &Outcome)> =
            outcomes.iter().filter_map(|outcome| Some((outcome, control_of(outcome)?))).collect();
        let difference = |figure: fn(&Outcome) -> &[f64]| {
            let of_pair = |(variant, control): &(&Outcome, &Outcome)| -> Vec<f64> {
                figure(variant).iter().zip(figure(control)).map(|(variant, control)| variant - control).collect()
            };
            PairedDifference::of(&pairs.iter().map(of_pair).collect::<Vec<_>>())
        };
        let accuracy = difference(|outcome| &outcome.correct)?;
        let likelihood = difference(|outcome| &outcome.likelihood)?;
        Ok(Self {
            variant: variant.to_owned(),
            seeds: pairs.iter().map(|(variant, _)| variant.seed).collect(),
            images: pairs.first().map_or(0, |(variant, _)| variant.correct.len()),
            verdict: Verdict::of(&accuracy.over_images, &likelihood.over_images),
            accuracy,
            likelihood,
        })
    }
}

impl PairedDifference {
    /// Of a list of differences for each seed, one for each image.
    fn of(seeds: &[Vec<f64>]) -> Result<Self> {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let images = seeds.first().map_or(0, Vec::len);
        let of_image = |image: usize| mean(&seeds.iter().map(|seed| seed[image]).collect::<Vec<_>>());
        let of_each_seed: Vec<f64> = seeds.iter().map(|seed| mean(seed)).collect();
        Ok(Self {
            over_images: mean_interval(&(0..images).map(of_image).collect::<Vec<_>>(), LEVEL)?,
            over_seeds: mean_interval(&of_each_seed, LEVEL)?,
            of_each_seed,
        })
    }
}

impl Verdict {
    fn of(accuracy: &MeanInterval, likelihood: &MeanInterval) -> Self {
        let is_ahead = |sign: f64| {
            let by = |interval: &MeanInterval, least: f64| sign * interval.mean >= least && interval.excludes(0.0);
            by(accuracy, DECISIVE_ACCURACY) || (by(likelihood, DECISIVE_LIKELIHOOD) && sign * accuracy.mean >= 0.0)
        };
        match (is_ahead(1.0), is_ahead(-1.0)) {
            (true, false) => Self::Better,
            (false, true) => Self::Worse,
            (true, true) | (false, false) => Self::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An outcome of 1000 images of which `wrong` are.
    fn outcome(seed: u64, wrong: impl Fn(usize) -> bool, likelihood: f64) -> Outcome {
        Outcome {
            seed,
            correct: (0..1000).map(|image| if wrong(image) { 0.0 } else { 1.0 }).collect(),
            likelihood: (0..1000_u32).map(|image| likelihood - 0.1 * f64::from(image % 7)).collect(),
        }
    }

    #[test]
    fn pairs_of_the_same_seed_are_compared_image_by_image() {
        let controls = [outcome(0, |image| image % 10 == 0, -0.2), outcome(1, |image| image % 10 == 0, -0.3)];
        let outcomes = [
            outcome(0, |image| image % 20 == 0, -0.2),
            outcome(1, |image| image % 10 == 0, -0.3),
            outcome(2, |image| image < 900, -9.0),
        ];
        let Comparison { seeds, images, accuracy, likelihood, verdict, .. } =
            Comparison::of("wide", &outcomes, &controls).unwrap();
        assert_eq!((seeds.as_slice(), images, verdict), ([0, 1].as_slice(), 1000, Verdict::Better));
        assert!((accuracy.over_images.mean - 0.025).abs() < 1e-12, "{accuracy:?}");
        assert!((accuracy.of_each_seed[0] - 0.05).abs() < 1e-12 && accuracy.of_each_seed[1] == 0.0);
        // 50 images differ by 1 / 2 on average over the seeds
        let error = (0.05_f64 * 0.25 - 0.025 * 0.025).sqrt() / 1000_f64.sqrt();
        let half = f64::midpoint(-accuracy.over_images.low, accuracy.over_images.high);
        assert!((half / (1.96 * error) - 1.0).abs() < 0.05, "{half} {error}");
        assert!(accuracy.over_seeds.low < 0.0, "two seeds leave it open");
        assert!(likelihood.over_images.mean.abs() < 1e-12);
    }

    #[test]
    fn a_verdict_needs_a_difference_that_counts_and_an_interval_without_zero() {
        let verdict = |accuracy: f64, likelihood: f64, half: f64| {
            let interval =
                |mean: f64, half| MeanInterval { mean, low: mean - half, high: mean + half, level: LEVEL, count: 9 };
            Verdict::of(&interval(accuracy, half), &interval(likelihood, half))
        };
        assert_eq!(verdict(0.003, 0.0, 0.001), Verdict::Better);
        assert_eq!(verdict(-0.003, 0.0, 0.001), Verdict::Worse);
        assert_eq!(verdict(0.003, 0.0, 0.004), Verdict::Undecided);
        assert_eq!(verdict(0.002, 0.001, 0.0005), Verdict::Undecided);
        assert_eq!(verdict(0.001, 0.005, 0.001), Verdict::Better);
        assert_eq!(verdict(-0.001, 0.005, 0.001), Verdict::Undecided);
        assert_eq!(verdict(-0.003, 0.005, 0.001), Verdict::Worse);
    }
}
