//! What every network is given and asked for.

use std::ops::RangeInclusive;

use burn::tensor::{Tensor, TensorData};
use tinylsa_settings::{InvalidSetting, counted, require, require_within};
use tinylsa_shape::ImageShape;

/// The images and classes of a config.
#[derive(Clone, Copy)]
pub(crate) struct Images<'a> {
    pub(crate) input: ImageShape,
    pub(crate) classes: usize,
    /// Of each channel over the training images.
    pub(crate) mean: &'a [f32],
    /// Of each channel over the training images.
    pub(crate) deviation: &'a [f32],
}

impl Images<'_> {
    /// Checks the ranges of `input`, `classes`, `input_mean` and `input_deviation`.
    pub(crate) fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("input.channels", self.input.channels, 1..=256)?;
        require_within("input.height", self.input.height, 4..=1024)?;
        require_within("input.width", self.input.width, 4..=1024)?;
        require_within("classes", self.classes, 2..=10_000)?;
        self.require_each_channel("input_mean", self.mean, 0.0..=1.0)?;
        self.require_each_channel("input_deviation", self.deviation, 1e-3..=10.0)
    }

    fn require_each_channel(
        &self,
        key: &str,
        values: &[f32],
        range: RangeInclusive<f32>,
    ) -> Result<(), InvalidSetting> {
        let channels = self.input.channels;
        require(
            key,
            values.len() == channels,
            || format!("a list of {}", values.len()),
            &format!("one number for each of the {}", counted(channels, "channel")),
        )?;
        values
            .iter()
            .enumerate()
            .try_for_each(|(index, &value)| require_within(&format!("{key}.{index}"), value, range.clone()))
    }

    /// Takes off the mean and divides by the deviation of each channel.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - output: `[batch, height, width, channels]`
    ///
    /// # Panics
    /// If the images have another shape than the config's.
    pub(crate) fn normalised(&self, images: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = images.dims();
        let (found, expected) = (ImageShape { channels, height, width }, self.input);
        assert_eq!(found, expected, "the network was made for images of {expected}, found {found}");
        if let ([mean], [deviation]) = (self.mean, self.deviation) {
            // One channel: channels first and channels last are the same memory.
            return (images.reshape([batch, height, width, 1]) - *mean) / *deviation;
        }
        let device = images.device();
        let of_channels =
            |values: &[f32]| Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, 1, channels]), &device);
        (images.permute([0, 2, 3, 1]) - of_channels(self.mean)) / of_channels(self.deviation)
    }
}
