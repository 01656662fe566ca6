//! The ten classes drawn instead of photographed, with the pixels that decide each.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};

use crate::dataset::{CLASSES, Dataset, DatasetName, PICTURE_SIDE, Split};
use garments::{Variation, cut};
use studio::{Photograph, photograph};

mod garments;
mod outline;
mod studio;
#[cfg(test)]
mod tests;

const TRAIN: Purpose = Purpose::new("data/synthetic-train");
const TEST: Purpose = Purpose::new("data/synthetic-test");
/// No more can be numbered by the 32-bit indices of a loader, and long before that memory ends.
const MOST_PICTURES: usize = 1 << 24;

/// How many synthetic garments are drawn, and which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticConfig {
    /// Pictures of the training half.
    pub train: usize,
    /// Pictures of the test half.
    pub test: usize,
    /// Which pictures: every one depends on the seed, its half and its index alone.
    pub seed: u64,
}

impl Default for SyntheticConfig {
    fn default() -> Self {
        Self { train: 12_000, test: 2_000, seed: 0 }
    }
}

impl SyntheticConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// The first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("train", self.train, CLASSES..=MOST_PICTURES)?;
        require_within("test", self.test, CLASSES..=MOST_PICTURES)
    }
}

/// Both halves of the synthetic garments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticGarments {
    /// The pictures to learn from.
    pub train: Dataset,
    /// The pictures of the test.
    pub test: Dataset,
}

/// Draws the synthetic garments. Picture `i` is of class `i % 10`, so the classes are balanced.
///
/// The ten classes of Fashion-MNIST are cut from outlines with random measures, hung in a random pose (mirrored,
/// turned, sheared, stretched, off centre), woven in a random pattern, lit from a random side with the
/// garment brighter or darker than its background, and strewn with clutter and noise. What tells the classes apart is
/// always wholly visible and marked in [`Dataset::masks`]: sleeves of a T-shirt and a pullover, collar and buttons of
/// a shirt, lapels and open front of a coat, skirt of a dress, gap between the legs of trousers, straps of a sandal,
/// laces and low opening of a sneaker, shaft of an ankle boot, handle of a bag.
///
/// The pictures are the same at any number of threads.
///
/// # Errors
/// The first setting of `config` outside its range.
pub fn synthetic_garments(config: &SyntheticConfig) -> Result<SyntheticGarments, InvalidSetting> {
    config.validate()?;
    Ok(SyntheticGarments {
        train: draw_half(config.seed, Split::Train, config.train),
        test: draw_half(config.seed, Split::Test, config.test),
    })
}

fn draw_half(seed: u64, split: Split, len: usize) -> Dataset {
    let purpose = match split {
        Split::Train => TRAIN,
        Split::Test => TEST,
    };
    let photographs: Vec<Photograph> = (0..len)
        .into_par_iter()
        .map(|index| {
            let mut random = Variation(Draw { seed, purpose, epoch: 0, index: index as u64 }.generator());
            let parts = cut(class_of(index), &mut random);
            photograph(&parts, &mut random)
        })
        .collect();
    Dataset {
        name: DatasetName::SyntheticGarments,
        split,
        height: PICTURE_SIDE,
        width: PICTURE_SIDE,
        images: photographs.iter().flat_map(|photograph| photograph.image.iter().copied()).collect(),
        labels: (0..len).map(class_of).collect(),
        masks: Some(photographs.iter().flat_map(|photograph| photograph.mask.iter().copied()).collect()),
    }
}

fn class_of(index: usize) -> u8 {
    (index % CLASSES) as u8
}
