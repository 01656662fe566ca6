//! The layers that hold weights. Each is a thin module over one operation of `tinylsa_kernels`.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::{
    Activation, ConvNormParameters, LocalParameters, NormOptions, ResidualBlockOutput, batch_norm_eval,
    batch_norm_train, conv_norm_eval, conv3x3, depthwise3x3, layer_norm, linear, residual_block_train,
};

use crate::architecture::{ConvolutionSpec, DepthwiseSpec, LinearSpec, NormSpec};

/// What all normalisations add to a variance before its square root is taken.
pub const EPSILON: f64 = 1e-5;

/// Mean and variance of one batch, per channel, as one batch normalisation saw them.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// `[channels]`
    pub mean: Tensor<1>,
    /// `[channels]`, biased: with the number of values as divisor.
    pub variance: Tensor<1>,
}

/// Which statistics a batch normalisation uses.
pub(crate) enum Statistics<'a> {
    /// The running statistics: evaluation.
    Running,
    /// Those of the batch, which are also pushed here: training.
    Batch(&'a mut Vec<BatchStatistics>),
}

/// A 3×3 convolution without bias, batch normalisation, a rectifier, and 2×2 maximum pooling if the spec has it.
#[derive(Module, Debug)]
pub(crate) struct ConvNorm {
    /// `[out, in, 3, 3]`
    weight: Param<Tensor<4>>,
    /// `[out]`
    gamma: Param<Tensor<1>>,
    /// `[out]`
    beta: Param<Tensor<1>>,
    /// `[out]`
    running_mean: Param<Tensor<1>>,
    /// `[out]`
    running_variance: Param<Tensor<1>>,
    stride: usize,
    pool: bool,
}

impl ConvNorm {
    pub(crate) fn zeros(spec: &ConvolutionSpec, device: &Device) -> Self {
        let (inputs, outputs) = (spec.input.channels, spec.outputs);
        Self {
            weight: Param::from_tensor(Tensor::zeros([outputs, inputs, 3, 3], device)),
            gamma: Param::from_tensor(Tensor::ones([outputs], device)),
            beta: Param::from_tensor(Tensor::zeros([outputs], device)),
            running_mean: Param::from_tensor(Tensor::zeros([outputs], device)).set_require_grad(false),
            running_variance: Param::from_tensor(Tensor::ones([outputs], device)).set_require_grad(false),
            stride: spec.stride,
            pool: spec.pool,
        }
    }

    /// The residual is added before the rectifier.
    ///
    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - residual: `[batch, height / stride, width / stride, out]`
    /// - output: as the residual, halved again if pooled
    pub(crate) fn forward(
        &self,
        x: Tensor<4>,
        residual: Option<Tensor<4>>,
        statistics: &mut Statistics<'_>,
    ) -> Tensor<4> {
        let Self { gamma, beta, running_mean, running_variance, .. } = self;
        let norm = BatchNormTensors { gamma, beta, running_mean, running_variance };
        norm.apply_to_convolution(x, self.weight.val(), self.stride, residual, &self.options(), statistics)
    }

    /// What is learned.
    pub(crate) fn parameters(&self) -> ConvNormParameters {
        ConvNormParameters { weight: self.weight.val(), gamma: self.gamma.val(), beta: self.beta.val() }
    }

    /// How it normalises, and what follows.
    pub(crate) fn options(&self) -> NormOptions {
        NormOptions { epsilon: EPSILON, activation: Activation::Relu, pool: self.pool }
    }
}

/// A residual block with the statistics of the batch, which are pushed to those that were seen.
///
/// # Shapes
/// - x and output: `[batch, height, width, channels]`, the output halved if the options pool
pub(crate) fn train_residual_block(
    x: Tensor<4>,
    parts: [ConvNormParameters; 2],
    options: &NormOptions,
    seen: &mut Vec<BatchStatistics>,
) -> Tensor<4> {
    let ResidualBlockOutput { output, statistics } = residual_block_train(x, parts, options);
    seen.extend(statistics.map(|[mean, variance]| BatchStatistics { mean, variance }));
    output
}

/// The tensors of a batch normalisation, `[channels]` each.
pub(crate) struct BatchNormTensors<'a> {
    pub(crate) gamma: &'a Param<Tensor<1>>,
    pub(crate) beta: &'a Param<Tensor<1>>,
    pub(crate) running_mean: &'a Param<Tensor<1>>,
    pub(crate) running_variance: &'a Param<Tensor<1>>,
}

impl BatchNormTensors<'_> {
    /// To what a 3×3 convolution with a weight `[out, in, 3, 3]` gives.
    ///
    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - residual: `[batch, height / stride, width / stride, out]`
    pub(crate) fn apply_to_convolution(
        &self,
        x: Tensor<4>,
        weight: Tensor<4>,
        stride: usize,
        residual: Option<Tensor<4>>,
        options: &NormOptions,
        statistics: &mut Statistics<'_>,
    ) -> Tensor<4> {
        match statistics {
            Statistics::Running => {
                let parameters = ConvNormParameters { weight, gamma: self.gamma.val(), beta: self.beta.val() };
                let statistics = [self.running_mean.val(), self.running_variance.val()];
                conv_norm_eval(x, parameters, statistics, residual, stride, options)
            }
            Statistics::Batch(_) => self.apply(conv3x3(x, weight, stride), residual, options, statistics),
        }
    }

    /// The residual is added before the activation.
    ///
    /// # Shapes
    /// - x and residual: `[batch, height, width, channels]`
    pub(crate) fn apply(
        &self,
        x: Tensor<4>,
        residual: Option<Tensor<4>>,
        options: &NormOptions,
        statistics: &mut Statistics<'_>,
    ) -> Tensor<4> {
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        match statistics {
            Statistics::Running => {
                let (mean, variance) = (self.running_mean.val(), self.running_variance.val());
                batch_norm_eval(x, gamma, beta, mean, variance, residual, options)
            }
            Statistics::Batch(seen) => {
                let normed = batch_norm_train(x, gamma, beta, residual, options);
                seen.push(BatchStatistics { mean: normed.mean, variance: normed.variance });
                normed.output
            }
        }
    }
}

/// A linear layer, whose outputs are multiplied by a scale if the spec has one.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    /// `[in, out]`
    weight: Param<Tensor<2>>,
    /// `[out]`
    bias: Param<Tensor<1>>,
    /// `[out]`
    scale: Option<Param<Tensor<1>>>,
}

impl Linear {
    pub(crate) fn zeros(spec: &LinearSpec, device: &Device) -> Self {
        let &LinearSpec { inputs, outputs, scaled, .. } = spec;
        let scale = scaled.then(|| Param::from_tensor(Tensor::zeros([outputs], device)));
        Self { scale, ..Self::new(inputs, outputs, device) }
    }

    /// Without a scale.
    pub(crate) fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([inputs, outputs], device)),
            bias: Param::from_tensor(Tensor::zeros([outputs], device)),
            scale: None,
        }
    }

    /// # Shapes
    /// - x: `[…, in]`
    /// - output: `[…, out]`
    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>, activation: Activation) -> Tensor<D> {
        let (weight, bias) = self.parameters();
        linear(x, weight, Some(bias), activation)
    }

    /// Weight and bias, scaled.
    pub(crate) fn parameters(&self) -> (Tensor<2>, Tensor<1>) {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        match &self.scale {
            Some(scale) => (weight * scale.val().unsqueeze_dim(0), bias * scale.val()),
            None => (weight, bias),
        }
    }
}

/// A 3×3 convolution of each channel of a token grid by itself, with a bias; beyond the edge lie zeros.
#[derive(Module, Debug)]
pub(crate) struct Depthwise {
    /// `[1, 3, 3, width]`. With one of the first dimension it is no matrix, which Muon would make orthogonal.
    weight: Param<Tensor<4>>,
    /// `[width]`
    bias: Param<Tensor<1>>,
    rows: usize,
    columns: usize,
}

impl Depthwise {
    pub(crate) fn zeros(spec: &DepthwiseSpec, device: &Device) -> Self {
        let &DepthwiseSpec { rows, columns, width, .. } = spec;
        Self {
            weight: Param::from_tensor(Tensor::zeros([1, 3, 3, width], device)),
            bias: Param::from_tensor(Tensor::zeros([width], device)),
            rows,
            columns,
        }
    }

    /// Rows and columns of the tokens.
    pub(crate) fn grid(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Weight and bias.
    pub(crate) fn parameters(&self) -> LocalParameters {
        LocalParameters { weight: self.weight.val().squeeze_dim(0), bias: self.bias.val() }
    }

    /// # Shapes
    /// - tokens and output: `[batch, rows · columns, width]`
    pub(crate) fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let [batch, count, width] = tokens.dims();
        let grid = tokens.reshape([batch, self.rows, self.columns, width]);
        let LocalParameters { weight, bias } = self.parameters();
        depthwise3x3(grid, weight, bias).reshape([batch, count, width])
    }
}

/// Layer normalisation over the last dimension.
#[derive(Module, Debug)]
pub(crate) struct LayerNorm {
    /// `[width]`
    gamma: Param<Tensor<1>>,
    /// `[width]`
    beta: Param<Tensor<1>>,
    /// Added to the variance.
    epsilon: f64,
}

impl LayerNorm {
    pub(crate) fn ones(spec: &NormSpec, device: &Device) -> Self {
        Self::new(spec.width, EPSILON, device)
    }

    pub(crate) fn new(width: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            gamma: Param::from_tensor(Tensor::ones([width], device)),
            beta: Param::from_tensor(Tensor::zeros([width], device)),
            epsilon,
        }
    }

    /// # Shapes
    /// - x and output: `[batch, tokens, width]`
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let (gamma, beta) = self.parameters();
        layer_norm(x, gamma, beta, self.epsilon)
    }

    /// Scale and shift.
    pub(crate) fn parameters(&self) -> (Tensor<1>, Tensor<1>) {
        (self.gamma.val(), self.beta.val())
    }
}
