use super::{NormOptions, moments::Moments};
use crate::{
    Activation,
    arch::{LANES, Simd},
    profile::Cost,
};

/// Everything that the passes over the images of a normalisation share.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub relu: bool,
    pub pool: bool,
    /// `gamma / sqrt(variance + epsilon)`, padded to whole vectors like the other vectors of channels.
    pub scale: Vec<f32>,
    /// `beta − mean · scale`.
    pub shift: Vec<f32>,
    pub mean: Vec<f32>,
    /// `1 / sqrt(variance + epsilon)`.
    pub inverse_deviation: Vec<f32>,
}

impl Plan {
    pub(super) fn new(
        [batch, height, width, channels]: [usize; 4],
        moments: &Moments,
        gamma: &[f32],
        beta: &[f32],
        options: &NormOptions,
    ) -> Self {
        let padded = || vec![0.0; channels.next_multiple_of(LANES)];
        let mut plan = Self {
            batch,
            height,
            width,
            channels,
            relu: options.activation == Activation::Relu,
            pool: options.pool,
            scale: padded(),
            shift: padded(),
            mean: padded(),
            inverse_deviation: padded(),
        };
        for channel in 0..channels {
            let mean = f64::from(moments.mean[channel]);
            let inverse_deviation = 1.0 / (f64::from(moments.variance[channel]) + options.epsilon).sqrt();
            let scale = f64::from(gamma[channel]) * inverse_deviation;
            plan.scale[channel] = scale as f32;
            plan.shift[channel] = (f64::from(beta[channel]) - mean * scale) as f32;
            plan.mean[channel] = mean as f32;
            plan.inverse_deviation[channel] = inverse_deviation as f32;
        }
        plan
    }

    /// What a pass over all images costs that also reads or writes their outputs.
    pub(super) fn cost(&self, residual: Option<&[f32]>) -> Cost {
        let inputs = if residual.is_some() { 3 } else { 2 };
        Cost::elements(self.batch * (inputs * self.image() + self.output_image()))
    }

    /// Elements of an image.
    pub(super) fn image(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Elements of an image's output.
    pub(super) fn output_image(&self) -> usize {
        let [_, height, width, channels] = self.output_shape();
        height * width * channels
    }

    pub(super) fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.height, self.width, self.channels]
    }

    pub(super) fn output_shape(&self) -> [usize; 4] {
        let divisor = if self.pool { 2 } else { 1 };
        [self.batch, self.height / divisor, self.width / divisor, self.channels]
    }

    /// First element of the window of a pooled pixel.
    #[inline(always)]
    pub(super) fn corner(&self, row: usize, column: usize) -> usize {
        (2 * row * self.width + 2 * column) * self.channels
    }

    /// The four pixels of a window, from its corner.
    #[inline(always)]
    pub(super) fn window(&self) -> [usize; 4] {
        let row = self.width * self.channels;
        [0, self.channels, row, row + self.channels]
    }

    /// The value before the activation of the elements from `start` to `end`, whose first channel is `first`.
    #[inline(always)]
    pub(super) fn value<S: Simd, const RESIDUAL: bool>(
        &self,
        simd: S,
        x: &[f32],
        residual: &[f32],
        start: usize,
        end: usize,
        first: usize,
    ) -> S::Vector {
        let scale = simd.load(&self.scale[first..first + LANES]);
        let shift = simd.load(&self.shift[first..first + LANES]);
        let value = simd.multiply_add(simd.load(&x[start..end]), scale, shift);
        if RESIDUAL { simd.add(value, simd.load(&residual[start..end])) } else { value }
    }
}
