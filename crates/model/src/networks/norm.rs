//! Batch normalisation, and a convolution with one.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::{Activation, ConvNormParameters, NormOptions};

use super::convolution::{Convolution, ConvolutionShape};
use crate::layers::{BatchNormTensors, Statistics};

/// Batch normalisation of each channel.
#[derive(Module, Debug)]
pub(super) struct BatchNorm {
    /// `[channels]`
    gamma: Param<Tensor<1>>,
    /// `[channels]`
    beta: Param<Tensor<1>>,
    /// `[channels]`
    running_mean: Param<Tensor<1>>,
    /// `[channels]`
    running_variance: Param<Tensor<1>>,
}

/// What the kernels take for a normalisation with a rectifier behind it; with nothing behind it that is the default.
pub(super) const RELU: NormOptions = NormOptions { epsilon: 1e-5, activation: Activation::Relu, pool: false };

impl BatchNorm {
    pub(super) fn new(channels: usize, device: &Device) -> Self {
        Self {
            gamma: Param::from_tensor(Tensor::ones([channels], device)),
            beta: Param::from_tensor(Tensor::zeros([channels], device)),
            running_mean: Param::from_tensor(Tensor::zeros([channels], device)).set_require_grad(false),
            running_variance: Param::from_tensor(Tensor::ones([channels], device)).set_require_grad(false),
        }
    }

    /// The residual is added before the activation.
    ///
    /// # Shapes
    /// - x and residual: `[batch, height, width, channels]`
    pub(super) fn forward(
        &self,
        x: Tensor<4>,
        residual: Option<Tensor<4>>,
        options: &NormOptions,
        statistics: &mut Statistics<'_>,
    ) -> Tensor<4> {
        self.tensors().apply(x, residual, options, statistics)
    }

    fn tensors(&self) -> BatchNormTensors<'_> {
        let Self { gamma, beta, running_mean, running_variance } = self;
        BatchNormTensors { gamma, beta, running_mean, running_variance }
    }
}

/// A convolution, then batch normalisation.
#[derive(Module, Debug)]
pub(super) struct NormedConvolution {
    convolution: Convolution,
    norm: BatchNorm,
}

impl NormedConvolution {
    pub(super) fn new(shape: &ConvolutionShape, device: &Device) -> Self {
        Self { convolution: Convolution::new(shape, false, device), norm: BatchNorm::new(shape.outputs, device) }
    }

    /// What is learned.
    pub(super) fn parameters(&self) -> ConvNormParameters {
        let BatchNorm { gamma, beta, .. } = &self.norm;
        ConvNormParameters { weight: self.convolution.weight(), gamma: gamma.val(), beta: beta.val() }
    }

    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - residual and output: `[batch, height', width', out]`, the output halved if pooled
    pub(super) fn forward(
        &self,
        x: Tensor<4>,
        residual: Option<Tensor<4>>,
        options: &NormOptions,
        statistics: &mut Statistics<'_>,
    ) -> Tensor<4> {
        match self.convolution.fused() {
            Some(stride) => {
                let weight = self.convolution.weight();
                self.norm.tensors().apply_to_convolution(x, weight, stride, residual, options, statistics)
            }
            None => self.norm.forward(self.convolution.forward(x), residual, options, statistics),
        }
    }
}
