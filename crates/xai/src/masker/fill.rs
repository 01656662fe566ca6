use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require, require_within};

use crate::error::ExplainError;
use crate::execution::Execution;
use crate::image::Image;
use crate::segmentation::Segmentation;
use tinylsa_shape::ImageShape;

const NOISE: Purpose = Purpose::new("masker noise");

/// What is put in place of what is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// The mean of the segment that is hidden, as in `lime_image`.
    #[default]
    SegmentMean,
    /// The mean of the data set, a constant.
    DatasetMean,
    /// Black, a constant.
    Black,
    /// The image itself behind a Gaussian blur.
    Blur,
    /// Gaussian noise around the mean of the data set, independent for every value.
    Noise,
}

/// How hidden pixels are filled, in the units that the model is fed with. A list with one number for each channel, or
/// one number for all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FillConfig {
    /// Which fill is used.
    pub kind: Fill,
    /// The value of black. It is 0 only as long as the images are not normalised.
    pub black: Vec<f32>,
    /// The mean of the data set, which [`Fill::DatasetMean`] and [`Fill::Noise`] need and nobody else can know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f32>>,
    /// The standard deviation of the data set, which is also that of the noise; [`Fill::Noise`] needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<Vec<f32>>,
    /// Standard deviation of the blur, in pixels.
    pub blur_sigma: f64,
    /// How many noise images the scores are averaged over.
    pub noise_draws: usize,
}

impl Default for FillConfig {
    /// The segment mean. Mean and deviation of the data set are not given.
    fn default() -> Self {
        Self { kind: Fill::SegmentMean, black: vec![0.0], mean: None, deviation: None, blur_sigma: 4.0, noise_draws: 4 }
    }
}

impl FillConfig {
    /// Checks every range, and that what the kind needs is given.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting that is missing or outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate_for(self.kind)
    }

    /// As [`FillConfig::validate`], for another kind than that of the config.
    ///
    /// # Errors
    /// As [`FillConfig::validate`].
    pub fn validate_for(&self, kind: Fill) -> Result<(), InvalidSetting> {
        let given = [("mean", &self.mean), ("deviation", &self.deviation)];
        let given = given.into_iter().filter_map(|(key, list)| list.as_ref().map(|list| (key, list)));
        for (key, list) in std::iter::once(("black", &self.black)).chain(given) {
            require_channel_values(key, list)?;
        }
        require_no_negative("deviation", self.deviation.as_deref().unwrap_or_default())?;
        match kind {
            Fill::SegmentMean | Fill::Black | Fill::Blur => {}
            Fill::DatasetMean => drop(self.given_mean()?),
            Fill::Noise => drop((self.given_mean()?, self.given_deviation()?)),
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

    /// The images whose pixels stand in for hidden ones: `noise_draws` of them for noise, else one.
    ///
    /// # Errors
    /// If a setting is out of range, a list fits neither one nor every channel, the noise would take more memory than is
    /// allowed, or the call is cancelled.
    pub(crate) fn replacements(
        &self,
        image: &Image,
        segmentation: &Segmentation,
        execution: &Execution,
    ) -> Result<Vec<Image>, ExplainError> {
        self.validate()?;
        let ImageShape { channels, height, width } = image.shape();
        let pixels = height * width;
        let constant = |list: &[f32], key: &str| -> Result<Vec<f32>, InvalidSetting> {
            let values: Result<Vec<f32>, _> =
                (0..channels).map(|channel| channel_value(key, list, channel, channels)).collect();
            Ok(values?.into_iter().flat_map(|value| std::iter::repeat_n(value, pixels)).collect())
        };
        let images = match self.kind {
            Fill::SegmentMean => {
                let means = segmentation.means(image.values())?;
                let count = segmentation.count();
                let plane = |channel: usize| segmentation.labels().iter().map(move |label| channel * count + label);
                vec![(0..channels).flat_map(plane).map(|index| means[index]).collect()]
            }
            Fill::DatasetMean => vec![constant(self.given_mean()?, "mean")?],
            Fill::Black => vec![constant(&self.black, "black")?],
            Fill::Blur => vec![gaussian_blur(image, self.blur_sigma)],
            Fill::Noise => {
                let mean = constant(self.given_mean()?, "mean")?;
                let deviation = constant(self.given_deviation()?, "deviation")?;
                execution.require_memory("noise images", "noise_draws", [self.noise_draws, mean.len()])?;
                let draw = |index: usize| {
                    execution.cancellation.check("noise images", index, self.noise_draws)?;
                    Ok(noise(&mean, &deviation, execution.seed, index as u64))
                };
                (0..self.noise_draws).map(draw).collect::<Result<_, ExplainError>>()?
            }
        };
        images.into_iter().map(|values| Image::new(values, image.shape())).collect()
    }
}

/// Requires a list of one finite number or more.
pub(crate) fn require_channel_values(key: &str, list: &[f32]) -> Result<(), InvalidSetting> {
    let finite = !list.is_empty() && list.iter().all(|value| value.is_finite());
    require(key, finite, || format!("{list:?}"), "one finite number, or one for each channel")
}

/// Requires no number of a list to be negative.
pub(crate) fn require_no_negative(key: &str, list: &[f32]) -> Result<(), InvalidSetting> {
    require(key, list.iter().all(|&value| value >= 0.0), || format!("{list:?}"), "no negative number")
}

/// Requires what is known of the data set alone.
pub(crate) fn require_given<'a>(key: &str, list: Option<&'a [f32]>) -> Result<&'a [f32], InvalidSetting> {
    let expected = "the data set's, in the units of the images: one number, or one for each channel";
    require(key, list.is_some(), || "nothing".to_owned(), expected)?;
    Ok(list.unwrap_or_default())
}

/// The value for one channel of a list that holds one for all or one for each.
pub(crate) fn channel_value(key: &str, list: &[f32], channel: usize, channels: usize) -> Result<f32, InvalidSetting> {
    let expected = format!("1 or {channels} numbers, as many as the image has channels");
    require(key, list.len() == 1 || list.len() == channels, || format!("{} numbers", list.len()), &expected)?;
    Ok(if list.len() == 1 { list[0] } else { list[channel] })
}

/// Independent Gaussian values.
fn noise(mean: &[f32], deviation: &[f32], seed: u64, index: u64) -> Vec<f32> {
    let draw = Draw { seed, purpose: NOISE, epoch: 0, index };
    let normals = Distribution::<f64>::sample_iter(StandardNormal, draw.generator());
    mean.iter()
        .zip(deviation)
        .zip(normals)
        .map(|((mean, deviation), normal)| mean + deviation * normal as f32)
        .collect()
}

/// A Gaussian blur of every channel, separable, cut off at three standard deviations, with the border pixels repeated.
pub(crate) fn gaussian_blur(image: &Image, sigma: f64) -> Vec<f32> {
    let ImageShape { height, width, .. } = image.shape();
    let reach = ((3.0 * sigma).ceil() as usize).clamp(1, height.max(width));
    let weights: Vec<f64> = (0..=reach).map(|distance| (-0.5 * (distance as f64 / sigma).powi(2)).exp()).collect();
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    let line = |values: &[f64]| -> Vec<f64> {
        let last = values.len() - 1;
        let blurred = |centre: usize| {
            let pair =
                |distance: usize| values[centre.saturating_sub(distance)] + values[(centre + distance).min(last)];
            let sides: f64 = (1..=reach).map(|distance| weights[distance] * pair(distance)).sum();
            (weights[0] * values[centre] + sides) / total
        };
        (0..values.len()).map(blurred).collect()
    };
    let mut result = Vec::with_capacity(image.values().len());
    for plane in image.values().chunks_exact(height * width) {
        let rows: Vec<f64> = plane
            .chunks_exact(width)
            .flat_map(|row| line(&row.iter().copied().map(f64::from).collect::<Vec<_>>()))
            .collect();
        let columns: Vec<Vec<f64>> = (0..width)
            .map(|column| line(&(0..height).map(|row| rows[row * width + column]).collect::<Vec<_>>()))
            .collect();
        result.extend((0..height).flat_map(|row| columns.iter().map(move |column| column[row] as f32)));
    }
    result
}
