//! Batch normalisation, and a convolution with one.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::{Activation, NormOptions, batch_norm_eval, batch_norm_train};

use super::convolution::{Convolution, ConvolutionShape};
use crate::layers::{BatchStatistics, Statistics};

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

/// What follows a normalisation.
#[derive(Clone, Copy)]
pub(super) struct Behind {
    pub(super) activation: Activation,
    /// 2×2 maximum pooling.
    pub(super) pool: bool,
    /// What the normalisation adds to a variance.
    pub(super) epsilon: f64,
}

impl Behind {
    /// What torchvision adds to a variance where it says nothing else.
    const EPSILON: f64 = 1e-5;

    pub(super) const NOTHING: Self = Self { activation: Activation::Identity, pool: false, epsilon: Self::EPSILON };
    pub(super) const RELU: Self = Self { activation: Activation::Relu, ..Self::NOTHING };
}

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
        behind: Behind,
        statistics: &mut Statistics<'_>,
    ) -> Tensor<4> {
        let Behind { activation, pool, epsilon } = behind;
        let options = NormOptions { epsilon, activation, pool };
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        match statistics {
            Statistics::Running => {
                let (mean, variance) = (self.running_mean.val(), self.running_variance.val());
                batch_norm_eval(x, gamma, beta, mean, variance, residual, &options)
            }
            Statistics::Batch(seen) => {
                let normed = batch_norm_train(x, gamma, beta, residual, &options);
                seen.push(BatchStatistics { mean: normed.mean, variance: normed.variance });
                normed.output
            }
        }
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

    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - residual and output: `[batch, height', width', out]`, the output halved if pooled
    pub(super) fn forward(
        &self,
        x: Tensor<4>,
        residual: Option<Tensor<4>>,
        behind: Behind,
        statistics: &mut Statistics<'_>,
    ) -> Tensor<4> {
        self.norm.forward(self.convolution.forward(x), residual, behind, statistics)
    }
}
