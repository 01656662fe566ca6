//! The ten classes drawn instead of photographed, with the pixels that decide each.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_shape::ImageShape;
use tinylsa_system::available_memory;

use crate::dataset::{Dataset, DatasetName, Split, shared_names};
use crate::source::FASHION_MNIST_CLASSES;
use garments::{Variation, cut};
use size::{PIXELS, SIDE};
use studio::photograph;

mod garments;
mod outline;
mod size;
mod studio;
#[cfg(test)]
mod tests;

const TRAIN: Purpose = Purpose::new("data/synthetic-train");
const TEST: Purpose = Purpose::new("data/synthetic-test");
/// The classes are those of Fashion-MNIST.
const CLASSES: usize = FASHION_MNIST_CLASSES.len();
/// A bound on the time to draw them, where the memory would allow for more.
const MOST_IMAGES: usize = 1 << 24;
/// Pixels, mask and label.
const BYTES_PER_IMAGE: u64 = 2 * PIXELS as u64 + 4;

/// How many synthetic garments are drawn, and which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticConfig {
    /// Images of the training split.
    pub train: usize,
    /// Images of the test split.
    pub test: usize,
    /// Which images: every one depends on the seed, its split and its index alone.
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
        require_within("train", self.train, CLASSES..=MOST_IMAGES)?;
        require_within("test", self.test, CLASSES..=MOST_IMAGES)
    }

    /// Checks that the images fit into `available` bytes of memory. The split that needs more is the one to blame.
    fn require_memory(&self, available: u64) -> Result<(), InvalidSetting> {
        let needed = (self.train + self.test) as u64 * BYTES_PER_IMAGE;
        let (key, images, others) =
            if self.train >= self.test { ("train", self.train, self.test) } else { ("test", self.test, self.train) };
        let most = (available / BYTES_PER_IMAGE).saturating_sub(others as u64);
        let expected = format!(
            "at most {most}: {} are available on this machine, and both splits need {}",
            gibibytes(available),
            gibibytes(needed)
        );
        require(key, needed <= available, || images.to_string(), &expected)
    }
}

/// Both splits of the synthetic garments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticGarments {
    /// The images to train on.
    pub train: Dataset,
    /// The images of the test.
    pub test: Dataset,
}

/// Draws the synthetic garments. Image `i` is of class `i % 10`, so the classes are balanced.
///
/// The ten classes of Fashion-MNIST are cut from outlines with random measures, hung in a random pose (mirrored,
/// turned, sheared, stretched, off centre), woven in a random pattern, lit from a random side with the
/// garment brighter or darker than its background, and strewn with clutter and noise. What tells the classes apart is
/// always wholly visible and marked in [`Dataset::masks`]: sleeves of a T-shirt and a pullover, collar and buttons of
/// a shirt, lapels and open front of a coat, skirt of a dress, gap between the legs of trousers, straps of a sandal,
/// laces and low opening of a sneaker, shaft of an ankle boot, handle of a bag.
///
/// The images are the same at any number of threads.
///
/// # Errors
/// The first setting of `config` outside its range, or beyond the memory of this machine.
pub fn synthetic_garments(config: &SyntheticConfig) -> Result<SyntheticGarments, InvalidSetting> {
    config.validate()?;
    if let Some(available) = available_memory() {
        config.require_memory(available)?;
    }
    Ok(SyntheticGarments {
        train: draw_split(config.seed, Split::Train, config.train),
        test: draw_split(config.seed, Split::Test, config.test),
    })
}

fn draw_split(seed: u64, split: Split, len: usize) -> Dataset {
    let purpose = match split {
        Split::Train => TRAIN,
        Split::Test => TEST,
    };
    let mut images = vec![0; len * PIXELS];
    let mut masks = vec![0; len * PIXELS];
    let each = images.par_chunks_exact_mut(PIXELS).zip(masks.par_chunks_exact_mut(PIXELS)).enumerate();
    each.for_each(|(index, (image, mask))| {
        let mut random = Variation(Draw { seed, purpose, epoch: 0, index: index as u64 }.generator());
        let parts = cut(class_of(index), &mut random);
        let photograph = photograph(&parts, &mut random);
        image.copy_from_slice(&photograph.image);
        mask.copy_from_slice(&photograph.mask);
    });
    Dataset {
        name: DatasetName::SYNTHETIC_GARMENTS,
        split,
        shape: ImageShape::grey(SIDE, SIDE),
        class_names: shared_names(&FASHION_MNIST_CLASSES),
        images,
        labels: (0..len).map(|index| u32::from(class_of(index))).collect(),
        masks: Some(masks),
    }
}

fn class_of(index: usize) -> u8 {
    (index % CLASSES) as u8
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64)
}
