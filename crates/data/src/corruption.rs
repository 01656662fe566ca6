//! Images made worse on purpose, to see how much of it a classifier bears.

use std::fmt;
use std::sync::Arc;

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_shape::ImageShape;

use crate::dataset::{Dataset, to_unit};

const NOISE: Purpose = Purpose::new("data/corruption/gaussian-noise");
const DIRECTION: Purpose = Purpose::new("data/corruption/shift");
/// The kernel of a blur ends at this many standard deviations.
const BLUR_REACH: f64 = 4.0;

/// A way to make an image worse, in the manner of Hendrycks and Dietterich 2019, "Benchmarking neural network robustness
/// to common corruptions and perturbations". [`Corruption::strength`] says how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corruption {
    /// A number from the normal distribution is added to each value; what leaves the range 0 to 1 is cut off.
    GaussianNoise,
    /// The image is blurred by a normal distribution; outside it is black.
    GaussianBlur,
    /// The image is moved to one of the four sides, drawn for each image; what comes in is black.
    Shift,
    /// Every value is moved towards the mean of its channel.
    Contrast,
}

/// How strong a [`Corruption`] is, from 1 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Severity(u8);

/// One corrupted image: all that its noise and its direction depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorruptionKey {
    /// The seed of the run.
    pub seed: u64,
    /// The index of the image in its dataset.
    pub index: u64,
}

impl Severity {
    /// The five severities, the mildest first.
    pub const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// The severity with this number, if it is one from 1 to 5.
    pub fn new(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.0 == number)
    }

    /// The number, from 1 to 5.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl Corruption {
    /// All corruptions.
    pub const ALL: [Self; 4] = [Self::GaussianNoise, Self::GaussianBlur, Self::Shift, Self::Contrast];

    /// The name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::GaussianNoise => "Gaussian noise",
            Self::GaussianBlur => "Gaussian blur",
            Self::Shift => "shift",
            Self::Contrast => "contrast",
        }
    }

    /// What [`Corruption::strength`] counts.
    pub const fn measure(self) -> &'static str {
        match self {
            Self::GaussianNoise => "standard deviation, of 1 between black and white",
            Self::GaussianBlur => "standard deviation, in pixels",
            Self::Shift => "distance, in pixels",
            Self::Contrast => "share of the contrast that is left",
        }
    }

    /// How strong the corruption is at a severity. Noise and contrast are the steps of `ImageNet-C`; blur and shift are
    /// our own, in pixels, for images about 28 pixels high and wide.
    ///
    /// | severity | 1 | 2 | 3 | 4 | 5 |
    /// |---|---|---|---|---|---|
    /// | noise: standard deviation, of 1 between black and white | 0.08 | 0.12 | 0.18 | 0.26 | 0.38 |
    /// | blur: standard deviation, in pixels | 0.5 | 0.75 | 1 | 1.5 | 2 |
    /// | shift: distance, in pixels | 1 | 2 | 3 | 4 | 5 |
    /// | contrast: share that is left | 0.4 | 0.3 | 0.2 | 0.1 | 0.05 |
    pub fn strength(self, severity: Severity) -> f64 {
        let steps = match self {
            Self::GaussianNoise => [0.08, 0.12, 0.18, 0.26, 0.38],
            Self::GaussianBlur => [0.5, 0.75, 1.0, 1.5, 2.0],
            Self::Shift => [1.0, 2.0, 3.0, 4.0, 5.0],
            Self::Contrast => [0.4, 0.3, 0.2, 0.1, 0.05],
        };
        steps[usize::from(severity.0) - 1]
    }

    /// Corrupts one image of `[channels, height, width]` numbers from 0 to 1. Every channel is blurred and moved alike.
    /// The same key gives the same bits, and at every severity the same noise and direction, only stronger.
    ///
    /// # Panics
    /// If `image` does not have the values of `shape`.
    pub fn apply(
        self,
        severity: Severity,
        image: &[f32],
        shape: ImageShape,
        CorruptionKey { seed, index }: CorruptionKey,
    ) -> Vec<f32> {
        assert_eq!(image.len(), shape.values(), "the image has the values of its shape");
        let strength = self.strength(severity);
        match self {
            Self::GaussianNoise => {
                let generator = Draw { seed, purpose: NOISE, epoch: 0, index }.generator();
                let noise = Distribution::<f32>::sample_iter(StandardNormal, generator);
                image
                    .iter()
                    .zip(noise)
                    .map(|(value, noise)| (value + strength as f32 * noise).clamp(0.0, 1.0))
                    .collect()
            }
            Self::GaussianBlur => each_channel(image, shape, |channel| blur(channel, shape, strength)),
            Self::Shift => {
                let direction = Draw { seed, purpose: DIRECTION, epoch: 0, index }.generator().random_range(0..4);
                let pixels = strength as isize;
                let [down, right] = [[pixels, 0], [-pixels, 0], [0, pixels], [0, -pixels]][direction];
                each_channel(image, shape, |channel| shift(channel, shape, [down, right]))
            }
            Self::Contrast => each_channel(image, shape, |channel| {
                let mean = channel.iter().sum::<f32>() / channel.len() as f32;
                channel.iter().map(|value| mean + strength as f32 * (value - mean)).collect()
            }),
        }
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.title())
    }
}

/// The images with these indices, corrupted and rounded to bytes as a file would hold them, in the order of the
/// indices. Each keeps the noise and the direction of its index in `dataset`. Masks are left out.
///
/// # Panics
/// If an index is not one of the dataset.
pub fn corrupted(dataset: &Dataset, indices: &[u32], corruption: Corruption, severity: Severity, seed: u64) -> Dataset {
    let images = indices.par_iter().flat_map_iter(|&index| {
        let image = to_unit(dataset.image(index as usize));
        let corrupted =
            corruption.apply(severity, &image, dataset.shape, CorruptionKey { seed, index: u64::from(index) });
        corrupted.into_iter().map(|value| (255.0 * value).round() as u8)
    });
    Dataset {
        name: dataset.name.clone(),
        split: dataset.split,
        shape: dataset.shape,
        class_names: Arc::clone(&dataset.class_names),
        images: images.collect(),
        labels: indices.iter().map(|&index| dataset.label(index as usize)).collect(),
        masks: None,
    }
}

/// The image whose channels are those of `image` after `change`.
fn each_channel(image: &[f32], shape: ImageShape, change: impl Fn(&[f32]) -> Vec<f32>) -> Vec<f32> {
    // An empty image has no channel to change.
    image.chunks_exact(shape.pixels().max(1)).flat_map(change).collect()
}

/// Moves a channel down and to the right; what comes in is black.
fn shift(image: &[f32], ImageShape { height, width, .. }: ImageShape, [down, right]: [isize; 2]) -> Vec<f32> {
    let pixel = |position: usize| {
        let row = (position / width).checked_add_signed(-down).filter(|&row| row < height);
        let column = (position % width).checked_add_signed(-right).filter(|&column| column < width);
        row.zip(column).map_or(0.0, |(row, column)| image[row * width + column])
    };
    (0..image.len()).map(pixel).collect()
}

/// Along the rows, then along the columns.
fn blur(image: &[f32], shape: ImageShape, deviation: f64) -> Vec<f32> {
    let reach = (BLUR_REACH * deviation).ceil() as isize;
    let weights: Vec<f64> = (-reach..=reach).map(|step| (-0.5 * (step as f64 / deviation).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let along = |image: &[f32], step: &dyn Fn(isize) -> [isize; 2]| {
        let mut blurred = vec![0.0; image.len()];
        for (distance, weight) in (-reach..=reach).zip(&weights) {
            let weight = (weight / sum) as f32;
            for (target, pixel) in blurred.iter_mut().zip(shift(image, shape, step(distance))) {
                *target += weight * pixel;
            }
        }
        blurred
    };
    along(&along(image, &|distance| [0, distance]), &|distance| [distance, 0])
}

#[cfg(test)]
mod tests;
