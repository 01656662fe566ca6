use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_shape::ImageShape;

use crate::dataset::unit;

mod affine;
mod light;

const AUGMENTATION: Purpose = Purpose::new("data/augmentation");
const AFFINE: Purpose = Purpose::new("data/augmentation/affine");
const LIGHT: Purpose = Purpose::new("data/augmentation/light");
const ALTERNATING_FLIP: Purpose = Purpose::new("data/alternating-flip");
/// Random erasing tries this often to place a rectangle (algorithm 1 of the paper loops until it fits).
const ERASING_ATTEMPTS: usize = 100;
/// A bound for images whose size is not known yet.
const LARGEST_PADDING: usize = 1 << 15;

/// How a training image is varied from epoch to epoch, all of its channels alike.
///
/// The order is turn and scale, flip, crop, levels, erase. The default is the recipe of `configs/base.toml`, but for flips at
/// random instead of alternating ones: flip every second image, pad by one pixel and crop, erase a rectangle in every fourth image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentationConfig {
    /// Probability of a horizontal flip, 0 to 1; without effect while `alternating_flip` is on.
    pub flip_probability: f64,
    /// Flips every image in every other epoch instead of at random; a fixed random bit of the image says in which.
    /// Two epochs running then always show both sides (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU").
    pub alternating_flip: bool,
    /// The image is padded by this many black pixels on each side and cropped to its size at a random place.
    pub crop_padding: usize,
    /// The image is turned by up to this many degrees to either side.
    pub rotation: f64,
    /// The image is made larger or smaller by up to this share of itself.
    pub scaling: f64,
    /// Probability that the light changes as the next four settings say, 0 to 1.
    pub light_probability: f64,
    /// All levels are multiplied by a factor of up to this share more or less than 1.
    pub brightness: f64,
    /// All levels are raised to a power between 1 / (1 + gamma) and 1 + gamma.
    pub gamma: f64,
    /// All levels move towards the mean of their channel, by up to this share of the way.
    pub contrast: f64,
    /// Normal noise of a standard deviation of up to this is added to all levels, of which 0 is black and 1 white.
    pub noise: f64,
    /// Probability of random erasing, 0 to 1 (Zhong et al. 2017, "Random erasing data augmentation").
    pub erasing_probability: f64,
    /// Least and largest area of the erased rectangle as a fraction of the image.
    pub erasing_area: [f64; 2],
    /// Least and largest ratio of its height to its width.
    pub erasing_aspect: [f64; 2],
    /// What is put into the erased rectangle.
    pub erasing_fill: ErasingFill,
}

/// What is put into an erased rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErasingFill {
    /// Black.
    Zero,
    /// The mean of each channel of the image.
    Mean,
    /// Its own random level for every value, uniform between 0 and 1.
    Random,
}

impl Default for AugmentationConfig {
    fn default() -> Self {
        Self {
            flip_probability: 0.5,
            alternating_flip: false,
            crop_padding: 1,
            rotation: 0.0,
            scaling: 0.0,
            light_probability: 0.0,
            brightness: 0.0,
            gamma: 0.0,
            contrast: 0.0,
            noise: 0.0,
            erasing_probability: 0.25,
            erasing_area: [0.02, 0.33],
            erasing_aspect: [0.3, 3.3],
            erasing_fill: ErasingFill::Random,
        }
    }
}

impl AugmentationConfig {
    /// The setting that changes nothing.
    pub fn none() -> Self {
        Self { flip_probability: 0.0, crop_padding: 0, erasing_probability: 0.0, ..Self::default() }
    }

    /// Checks every range that does not depend on the images.
    ///
    /// # Errors
    /// The first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("flip_probability", self.flip_probability, 0.0..=1.0)?;
        require_within("crop_padding", self.crop_padding, 0..=LARGEST_PADDING)?;
        require_within("rotation", self.rotation, 0.0..=180.0)?;
        require_within("scaling", self.scaling, 0.0..=0.9)?;
        require_within("light_probability", self.light_probability, 0.0..=1.0)?;
        require_within("brightness", self.brightness, 0.0..=1.0)?;
        require_within("gamma", self.gamma, 0.0..=9.0)?;
        require_within("contrast", self.contrast, 0.0..=1.0)?;
        require_within("noise", self.noise, 0.0..=1.0)?;
        require_within("erasing_probability", self.erasing_probability, 0.0..=1.0)?;
        let [least, largest] = self.erasing_area;
        let area_holds = 0.0 < least && least <= largest && largest <= 1.0;
        require("erasing_area", area_holds, || format!("[{least}, {largest}]"), "more than 0, ascending, at most 1")?;
        let [least, largest] = self.erasing_aspect;
        let aspect_holds = 0.0 < least && least <= largest && largest.is_finite();
        require("erasing_aspect", aspect_holds, || format!("[{least}, {largest}]"), "more than 0, ascending, finite")
    }

    /// Checks every range for images of this shape.
    ///
    /// # Errors
    /// The first setting outside its range. The padding is at most one half of the shorter side, so that a crop always
    /// shows a part of the image.
    pub fn validate_for(&self, shape: ImageShape) -> Result<(), InvalidSetting> {
        self.validate()?;
        let most = shape.height.min(shape.width) / 2;
        let expected = format!("at most {most}, one half of the shorter side of images of {shape}");
        require("crop_padding", self.crop_padding <= most, || self.crop_padding.to_string(), &expected)
    }
}

/// One image in one epoch: all that its variation depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AugmentationKey {
    /// The seed of the run.
    pub seed: u64,
    /// The epoch.
    pub epoch: u64,
    /// The index of the image in its dataset.
    pub index: u64,
}

/// Varies one image of `[channels, height, width]` levels and scales it to 0 to 1. Every channel is moved, mirrored and
/// erased alike. The same key gives the same bits.
///
/// # Panics
/// If `image` does not have the values of `shape`.
pub fn augment(image: &[u8], shape: ImageShape, config: &AugmentationConfig, key: AugmentationKey) -> Vec<f32> {
    assert_eq!(image.len(), shape.values(), "the image has the values of its shape");
    let ImageShape { height, width, .. } = shape;
    let AugmentationKey { seed, epoch, index } = key;
    let mut generator = Draw { seed, purpose: AUGMENTATION, epoch, index }.generator();

    let random_flip = generator.random_bool(config.flip_probability);
    let is_flipped = if config.alternating_flip { alternating_flip(key) } else { random_flip };
    let top = generator.random_range(0..=2 * config.crop_padding);
    let left = generator.random_range(0..=2 * config.crop_padding);

    let random = |purpose| Draw { seed, purpose, epoch, index }.generator();
    let mut turned: Vec<f32> = image.iter().copied().map(unit).collect();
    if config.rotation > 0.0 || config.scaling > 0.0 {
        let bounds = affine::Bounds { rotation: config.rotation, scaling: config.scaling };
        turned = affine::turned_and_scaled(&turned, shape, &bounds, &mut random(AFFINE));
    }
    let mut varied = vec![0.0; image.len()];
    for (varied, channel) in varied.chunks_exact_mut(shape.pixels()).zip(turned.chunks_exact(shape.pixels())) {
        for row in 0..height {
            let Some(source_row) = (row + top).checked_sub(config.crop_padding).filter(|&row| row < height) else {
                continue;
            };
            for column in 0..width {
                let source = (column + left).checked_sub(config.crop_padding).filter(|&column| column < width);
                let Some(source) = source else { continue };
                let source_column = if is_flipped { width - 1 - source } else { source };
                varied[row * width + column] = channel[source_row * width + source_column];
            }
        }
    }
    if config.light_probability > 0.0 {
        let mut random = random(LIGHT);
        if random.random_bool(config.light_probability) {
            let AugmentationConfig { brightness, gamma, contrast, noise, .. } = *config;
            light::change(&mut varied, shape, &light::Bounds { brightness, gamma, contrast, noise }, &mut random);
        }
    }
    if generator.random_bool(config.erasing_probability) {
        erase(&mut varied, shape, config, &mut generator);
    }
    varied
}

/// Whether the image is flipped in this epoch: its own fixed bit, turned over with every epoch.
fn alternating_flip(AugmentationKey { seed, epoch, index }: AugmentationKey) -> bool {
    let bit = Draw { seed, purpose: ALTERNATING_FLIP, epoch: 0, index }.generator().next_u64() & 1;
    (bit ^ (epoch & 1)) == 1
}

/// Random erasing: the area is uniform, the ratio of the sides too, and a rectangle that does not fit is drawn again.
fn erase(image: &mut [f32], shape: ImageShape, config: &AugmentationConfig, generator: &mut impl Rng) {
    let ImageShape { height, width, .. } = shape;
    let [least_area, largest_area] = config.erasing_area;
    let [least_aspect, largest_aspect] = config.erasing_aspect;
    for _ in 0..ERASING_ATTEMPTS {
        let area = generator.random_range(least_area..=largest_area) * shape.pixels() as f64;
        let aspect = generator.random_range(least_aspect..=largest_aspect);
        let erased_height = (area * aspect).sqrt().round() as usize;
        let erased_width = (area / aspect).sqrt().round() as usize;
        if erased_height == 0 || erased_width == 0 || erased_height > height || erased_width > width {
            continue;
        }
        let top = generator.random_range(0..=height - erased_height);
        let left = generator.random_range(0..=width - erased_width);
        for channel in image.chunks_exact_mut(shape.pixels()) {
            let mean = channel.iter().sum::<f32>() / channel.len() as f32;
            for row in top..top + erased_height {
                for value in &mut channel[row * width + left..][..erased_width] {
                    *value = match config.erasing_fill {
                        ErasingFill::Zero => 0.0,
                        ErasingFill::Mean => mean,
                        ErasingFill::Random => generator.random(),
                    };
                }
            }
        }
        return;
    }
}

#[cfg(test)]
mod tests;
