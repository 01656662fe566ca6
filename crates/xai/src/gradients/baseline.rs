use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require, require_within};

use crate::error::ExplainError;
use crate::execution::Execution;
use crate::image::Image;
use crate::masker::{channel_value, gaussian_blur, require_channel_values, require_given, require_no_negative};
use tinylsa_shape::ImageShape;

const NOISE: Purpose = Purpose::new("baseline noise");

/// What an image is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaselineKind {
    /// Black, a constant. Pixels that are black themselves get exactly 0.
    Black,
    /// White, a constant.
    White,
    /// The mean of the data set, a constant.
    Mean,
    /// The image itself behind a Gaussian blur.
    Blur,
    /// Gaussian noise around the mean of the data set, independent for every value.
    Noise,
}

/// Baselines, in the units that the model is fed with. A list with one number for each channel, or one number for all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaselineConfig {
    /// The baselines over which an explanation is averaged, at least one.
    pub kinds: Vec<BaselineKind>,
    /// The value of black. It is 0 only as long as the images are not normalised.
    pub black: Vec<f32>,
    /// The value of white.
    pub white: Vec<f32>,
    /// The mean of the data set, which [`BaselineKind::Mean`] and [`BaselineKind::Noise`] need and nobody else can know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f32>>,
    /// The standard deviation of the noise, which [`BaselineKind::Noise`] needs: the data set's, as a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<Vec<f32>>,
    /// Standard deviation of the blur, in pixels.
    pub blur_sigma: f64,
    /// How many images of noise [`BaselineKind::Noise`] stands for.
    pub noise_draws: usize,
}

impl Default for BaselineConfig {
    /// Black alone. Mean and deviation of the data set are not given.
    fn default() -> Self {
        Self {
            kinds: vec![BaselineKind::Black],
            black: vec![0.0],
            white: vec![1.0],
            mean: None,
            deviation: None,
            blur_sigma: 4.0,
            noise_draws: 4,
        }
    }
}

impl BaselineConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first one that is outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require("kinds", !self.kinds.is_empty(), || "empty".to_owned(), "at least one baseline")?;
        let given = [("mean", &self.mean), ("deviation", &self.deviation)];
        let given = given.into_iter().filter_map(|(key, list)| list.as_ref().map(|list| (key, list)));
        for (key, list) in [("black", &self.black), ("white", &self.white)].into_iter().chain(given) {
            require_channel_values(key, list)?;
        }
        require_no_negative("deviation", self.deviation.as_deref().unwrap_or_default())?;
        for kind in &self.kinds {
            match kind {
                BaselineKind::Black | BaselineKind::White | BaselineKind::Blur => {}
                BaselineKind::Mean => drop(self.given_mean()?),
                BaselineKind::Noise => drop((self.given_mean()?, self.given_deviation()?)),
            }
        }
        require_within("blur_sigma", self.blur_sigma, f64::MIN_POSITIVE..=1e4)?;
        require_within("noise_draws", self.noise_draws, 1..=10_000)
    }

    fn given_mean(&self) -> Result<&[f32], InvalidSetting> {
        require_given("mean", self.mean.as_deref())
    }

    fn given_deviation(&self) -> Result<&[f32], InvalidSetting> {
        require_given("deviation", self.deviation.as_deref())
    }

    /// The baselines of one image, in the order of `kinds`; noise is drawn from the seed of the execution.
    ///
    /// # Errors
    /// If a setting is out of range, a list fits neither one nor every channel, the noise would take more memory than is
    /// allowed, or the call is cancelled.
    pub fn images(&self, image: &Image, execution: &Execution) -> Result<Vec<Image>, ExplainError> {
        self.validate()?;
        let ImageShape { channels, height, width } = image.shape();
        let constant = |key: &str, list: &[f32]| -> Result<Vec<f32>, InvalidSetting> {
            let mut values = Vec::with_capacity(channels * height * width);
            for channel in 0..channels {
                let value = channel_value(key, list, channel, channels)?;
                values.extend(std::iter::repeat_n(value, height * width));
            }
            Ok(values)
        };
        let mut baselines = Vec::new();
        for kind in &self.kinds {
            match kind {
                BaselineKind::Black => baselines.push(constant("black", &self.black)?),
                BaselineKind::White => baselines.push(constant("white", &self.white)?),
                BaselineKind::Mean => baselines.push(constant("mean", self.given_mean()?)?),
                BaselineKind::Blur => baselines.push(gaussian_blur(image, self.blur_sigma)),
                BaselineKind::Noise => {
                    let (mean, deviation) =
                        (constant("mean", self.given_mean()?)?, constant("deviation", self.given_deviation()?)?);
                    execution.require_memory("noise baselines", "noise_draws", [self.noise_draws, mean.len()])?;
                    for index in 0..self.noise_draws {
                        execution.cancellation.check("noise baselines", index, self.noise_draws)?;
                        baselines.push(noise(&mean, &deviation, execution.seed, index));
                    }
                }
            }
        }
        baselines.into_iter().map(|values| Image::new(values, image.shape())).collect()
    }
}

fn noise(mean: &[f32], deviation: &[f32], seed: u64, index: usize) -> Vec<f32> {
    let draw = Draw { seed, purpose: NOISE, epoch: 0, index: index as u64 };
    let normals = Distribution::<f64>::sample_iter(StandardNormal, draw.generator());
    mean.iter()
        .zip(deviation)
        .zip(normals)
        .map(|((mean, deviation), normal)| mean + deviation * normal as f32)
        .collect()
}
