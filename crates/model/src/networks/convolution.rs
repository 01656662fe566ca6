//! A convolution of any size on channels-last maps, by the quickest operation that there is for it.

use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::{Activation, conv3x3, linear};
use tinylsa_shape::ImageShape;

use crate::cost::LayerCost;

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConvolutionShape {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Rows and columns of its kernels.
    pub(super) side: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    /// Into how many parts the channels are cut, each convolved by itself.
    pub(super) groups: usize,
}

impl ConvolutionShape {
    /// With as much padding as keeps the size at stride 1.
    pub(super) fn new(inputs: usize, outputs: usize, side: usize, stride: usize) -> Self {
        Self { inputs, outputs, side, stride, padding: side / 2, groups: 1 }
    }

    /// Patches that neither overlap nor leave anything out.
    pub(super) fn patches(inputs: usize, outputs: usize, side: usize) -> Self {
        Self { inputs, outputs, side, stride: side, padding: 0, groups: 1 }
    }

    /// Each channel by itself.
    pub(super) fn depthwise(channels: usize, side: usize, stride: usize) -> Self {
        Self { groups: channels, ..Self::new(channels, channels, side, stride) }
    }

    /// What becomes of a map.
    pub(super) fn output(&self, map: ImageShape) -> ImageShape {
        let length = |length: usize| (length + 2 * self.padding).saturating_sub(self.side) / self.stride + 1;
        ImageShape { channels: self.outputs, height: length(map.height), width: length(map.width) }
    }

    /// What it costs on a map, with `further` parameters for each output: 1 for a bias, 2 for a batch normalisation.
    pub(super) fn cost(&self, name: &str, map: ImageShape, further: usize) -> LayerCost {
        let ImageShape { channels, height, width } = self.output(map);
        let weights = self.side * self.side * self.inputs / self.groups * self.outputs;
        LayerCost::new(name, &[height, width, channels], weights + further * channels, height * width * weights)
    }
}

/// A convolution.
#[derive(Module, Debug)]
pub(super) struct Convolution {
    /// `[out, in / groups, side, side]`
    weight: Param<Tensor<4>>,
    /// `[out]`
    bias: Option<Param<Tensor<1>>>,
    stride: usize,
    padding: usize,
    groups: usize,
}

impl Convolution {
    pub(super) fn new(shape: &ConvolutionShape, has_bias: bool, device: &Device) -> Self {
        let &ConvolutionShape { inputs, outputs, side, stride, padding, groups } = shape;
        Self {
            weight: Param::from_tensor(Tensor::zeros([outputs, inputs / groups, side, side], device)),
            bias: has_bias.then(|| Param::from_tensor(Tensor::zeros([outputs], device))),
            stride,
            padding,
            groups,
        }
    }

    /// The stride, if it is a convolution of `tinylsa_kernels` and nothing else.
    pub(super) fn fused(&self) -> Option<usize> {
        let [_, _, side, _] = self.weight.dims();
        let suits = side == 3 && self.padding == 1 && self.groups == 1 && self.stride <= 2 && self.bias.is_none();
        suits.then_some(self.stride)
    }

    /// `[out, in / groups, side, side]`
    pub(super) fn weight(&self) -> Tensor<4> {
        self.weight.val()
    }

    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - output: `[batch, height', width', out]`
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.val();
        let [outputs, _, side, _] = weight.dims();
        let bias = self.bias.as_ref().map(Param::val);
        let &Self { stride, padding, groups, .. } = self;
        match (side, padding, groups) {
            (3, 1, 1) if stride <= 2 => {
                let convolved = conv3x3(x, weight, stride);
                match bias {
                    Some(bias) => convolved + bias.reshape([1, 1, 1, outputs]),
                    None => convolved,
                }
            }
            (1, 0, 1) => in_patches(every(x, stride), weight, bias),
            (_, 0, 1) if stride == side => in_patches(x, weight, bias),
            _ => {
                let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], groups);
                conv2d(x.permute([0, 3, 1, 2]), weight, bias, options).permute([0, 2, 3, 1])
            }
        }
    }
}

/// Every `step`-th row and column.
pub(super) fn every(x: Tensor<4>, step: usize) -> Tensor<4> {
    if step == 1 {
        return x;
    }
    let [batch, height, width, channels] = x.dims();
    let (rows, columns) = (height.div_ceil(step), width.div_ceil(step));
    // a padding makes whole steps of the last ones
    let padded = x.pad([(0, rows * step - height), (0, columns * step - width), (0, 0)], 0.0);
    padded
        .reshape([batch, rows, step, columns, step * channels])
        .slice([0..batch, 0..rows, 0..1, 0..columns, 0..channels])
        .reshape([batch, rows, columns, channels])
}

/// A linear layer on each patch of as many rows and columns as the kernels have.
fn in_patches(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    let [outputs, _, side, _] = weight.dims();
    let (rows, columns, values) = (height / side, width / side, side * side * channels);
    let patches = if side == 1 {
        x
    } else {
        x.reshape([batch, rows, side, columns, side, channels])
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([batch, rows, columns, values])
    };
    let weight = weight.permute([2, 3, 1, 0]).reshape([values, outputs]);
    linear(patches, weight, bias, Activation::Identity)
}
