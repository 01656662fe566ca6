//! What every network is given and asked for.

use std::ops::RangeInclusive;

use burn::tensor::{Tensor, TensorData};
use tinylsa_settings::{InvalidSetting, counted, require, require_within};
use tinylsa_shape::ImageShape;

/// What a config says of its images. A config file may leave it out, for the images themselves say it, too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageKeys {
    /// Channels, height and width of an image.
    pub input: Option<ImageShape>,
    /// Number of classes.
    pub classes: Option<usize>,
    /// Mean of each channel over the training images.
    pub mean: Option<Vec<f32>>,
    /// Standard deviation of each channel over the training images.
    pub deviation: Option<Vec<f32>>,
}

impl ImageKeys {
    /// The same, with what is left out taken from others.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            input: self.input.or(others.input),
            classes: self.classes.or(others.classes),
            mean: self.mean.or(others.mean),
            deviation: self.deviation.or(others.deviation),
        }
    }
}

/// A config of whose keys four are about its images: `input`, `classes`, `input_mean` and `input_deviation`. One that is
/// left out is 0 or empty, which no network can be made of.
pub trait ConfigOfImages: Sized {
    /// What it says of its images.
    fn image_keys(&self) -> ImageKeys;

    /// The same network for other images.
    #[must_use]
    fn with_image_keys(self, keys: ImageKeys) -> Self;
}

/// Adds the four keys that are about the images to a config.
macro_rules! config_of_images {
    ($(#[$about:meta])* pub struct $config:ident { $($keys:tt)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $config {
            /// Channels, height and width of an image.
            #[serde(default = "crate::images::no_shape", skip_serializing_if = "crate::images::is_no_shape")]
            pub input: tinylsa_shape::ImageShape,
            /// Number of classes, the length of the logits.
            #[serde(default, skip_serializing_if = "crate::images::is_zero")]
            pub classes: usize,
            /// Mean of each channel over the training images, on a scale from 0 to 1. The network subtracts it from its
            /// input.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub input_mean: Vec<f32>,
            /// Standard deviation of each channel over the training images. The network divides its input by it.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub input_deviation: Vec<f32>,
            $($keys)*
        }

        impl $config {
            /// What the network is given and asked for.
            pub(crate) fn images(&self) -> crate::images::Images<'_> {
                let Self { input, classes, input_mean, input_deviation, .. } = self;
                crate::images::Images { input: *input, classes: *classes, mean: input_mean, deviation: input_deviation }
            }
        }

        impl crate::images::ConfigOfImages for $config {
            fn image_keys(&self) -> crate::images::ImageKeys {
                self.images().keys()
            }

            fn with_image_keys(self, keys: crate::images::ImageKeys) -> Self {
                let crate::images::ImageKeys { input, classes, mean, deviation } = keys;
                Self {
                    input: input.unwrap_or_else(crate::images::no_shape),
                    classes: classes.unwrap_or_default(),
                    input_mean: mean.unwrap_or_default(),
                    input_deviation: deviation.unwrap_or_default(),
                    ..self
                }
            }
        }
    };
}

pub(crate) use config_of_images;

/// Stands for a shape that is left out.
pub(crate) const fn no_shape() -> ImageShape {
    ImageShape { channels: 0, height: 0, width: 0 }
}

pub(crate) fn is_no_shape(shape: &ImageShape) -> bool {
    *shape == no_shape()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn is_zero(number: &usize) -> bool {
    *number == 0
}

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
    pub(crate) fn keys(&self) -> ImageKeys {
        let given = |values: &[f32]| (!values.is_empty()).then(|| values.to_vec());
        ImageKeys {
            input: (!is_no_shape(&self.input)).then_some(self.input),
            classes: (self.classes > 0).then_some(self.classes),
            mean: given(self.mean),
            deviation: given(self.deviation),
        }
    }

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
