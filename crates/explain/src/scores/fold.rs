//! The scores of single images, put together into a table.

use serde::{Deserialize, Serialize};
use tinylsa_settings::counted;

use super::collected::{Collected, Making};
use super::measure::{Curves, Measured};
use super::table::{ImageSample, ScoreTable};
use crate::config::ScoresConfig;
use crate::error::Result;
use crate::methods::InputGradient;
use crate::needs::Needs;
use crate::registry::MethodId;

/// The controls that no model has a part in.
pub(crate) const RANDOM: &str = "random";
pub(crate) const SOBEL: &str = "sobel";

/// What one image scored: a part of a table that may be made elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageScores {
    /// The place of the image among all, from 0.
    pub(super) place: usize,
    /// In the order of the table.
    pub(super) methods: Vec<MethodScores>,
}

/// What one method scored on one image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MethodScores {
    pub(super) method: String,
    pub(super) scores: Vec<Measured>,
    pub(super) curves: Vec<Curves>,
}

/// The scores of images as they come. The same images in the same order give the same table, wherever they were scored.
pub struct ScoreFold {
    collected: Collected,
    sample: ImageSample,
    /// How many images came.
    images: usize,
    /// On how many of all images max-sensitivity and the randomisation of parameters are measured.
    sensitive: usize,
    randomisable: usize,
}

impl ScoreFold {
    /// For this many images, which somebody chose unless [`of`](Self::of) says otherwise.
    pub fn new(config: &ScoresConfig, images: usize) -> Self {
        Self {
            collected: Collected::default(),
            sample: ImageSample::Chosen,
            images: 0,
            sensitive: config.sensitivity_images.min(images),
            randomisable: config.randomisation_images.min(images),
        }
    }

    /// Says what the images are.
    #[must_use]
    pub fn of(self, sample: ImageSample) -> Self {
        Self { sample, ..self }
    }

    /// How many images came so far.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Takes in the next image.
    pub fn add(&mut self, scores: ImageScores) {
        let ImageScores { place, methods } = scores;
        for MethodScores { method, scores, curves } in methods {
            self.collected.add(&method, place, scores, curves);
        }
        self.images += 1;
    }

    /// The means over the images, their intervals, the ranks of the methods and their differences to the controls.
    ///
    /// # Errors
    /// If a mean is not finite.
    pub fn table(self, config: &ScoresConfig) -> Result<ScoreTable> {
        self.collected.table(Making {
            sample: self.sample,
            images: self.images,
            level: config.level,
            controls: &[RANDOM, SOBEL, MethodId::of::<InputGradient>().name()],
            notes: notes(config, self.sample, self.sensitive, self.randomisable),
        })
    }
}

/// `count` places among `of`, spread evenly from the first on; all of them if there are no more.
pub(super) fn spread(of: usize, count: usize) -> Vec<usize> {
    let count = count.min(of);
    (0..count).map(|place| place * of / count).collect()
}

/// What a reader of the table must know. These words are part of `scores.json`, and so of the digest of a run.
fn notes(
    config: &ScoresConfig,
    sample: ImageSample,
    sensitivity_images: usize,
    randomisation_images: usize,
) -> Vec<String> {
    let rerun = &config.rerun;
    let shares_tokens = |method: &MethodId| method.facts().needs == Needs::Attention && method.facts().is_scored;
    let attention: Vec<&str> = MethodId::all().filter(shares_tokens).map(MethodId::title).collect();
    let left_out: Vec<&str> = rerun.skip.iter().map(|method| method.title()).collect();
    let sample = match sample {
        ImageSample::Random => {
            "The images were drawn at random: means and intervals hold for the images that they were drawn from."
        }
        ImageSample::Chosen => {
            "The images were chosen and are no sample: means and intervals say nothing of other images."
        }
    };
    vec![
        sample.to_owned(),
        format!(
            "The maps of {} are over tokens: every pixel takes an equal share of its token, and no number has a sign. \
             Fixed-query maps are no map of a class and have no score.",
            attention.join(", ")
        ),
        format!(
            "Max-sensitivity is measured on {} with {} within {}, the randomisation of parameters on {}.",
            counted(sensitivity_images, "image"),
            counted(config.max_sensitivity.draws, "change"),
            config.max_sensitivity.radius,
            counted(randomisation_images, "image")
        ),
        format!(
            "For these two, methods run with smaller budgets: {} of Integrated Gradients, {}, {}, {}, {}; {} left out.",
            counted(rerun.steps, "step"),
            counted(rerun.background, "background image"),
            counted(rerun.noisy, "noisy image"),
            counted(rerun.coalitions, "coalition"),
            counted(rerun.permutations, "permutation"),
            if left_out.is_empty() { "none".to_owned() } else { left_out.join(", ") }
        ),
        "Infidelity is that of the optimal scale, and blind to the sign: a map and its negative have the same. So are \
         max-sensitivity, sparseness, complexity and the randomisation of parameters."
            .to_owned(),
        "The randomisation of parameters is the magnitude of a rank correlation, 0 is best; on the lit pixels it is not of \
         the black ground's making. A random map and edges depend on no parameter and have 1; the random map does not \
         depend on the image either and has a max-sensitivity of 0."
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_spread_evenly() {
        assert_eq!(spread(10, 3), [0, 3, 6]);
        assert_eq!(spread(2, 5), [0, 1]);
        assert!(spread(4, 0).is_empty());
    }
}
