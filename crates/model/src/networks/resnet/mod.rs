//! Residual networks (He et al. 2016, "Deep residual learning for image recognition").

mod config;

use burn::module::Module;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::{Activation, NormOptions, mean_tokens};

use config::BlockShape;
pub use config::{ResNetBlock, ResNetConfig, ResNetStageConfig, ResNetStem, Shortcut};

use super::convolution::{ConvolutionShape, every};
use super::implement_model_config;
use super::norm::{NormedConvolution, RELU};
use crate::classifier::{Classifier, TrainingOutput};
use crate::layers::{BatchStatistics, Linear, Statistics, train_residual_block};
use crate::running::with_running_towards;

implement_model_config!(ResNetConfig, ResNet, "resnet");

/// Convolutions around each pair or three of which the input of the first is added to the output of the last, then the mean
/// of the map and a linear layer.
#[derive(Module, Debug)]
pub struct ResNet {
    entry: NormedConvolution,
    stages: Vec<Vec<Block>>,
    head: Linear,
    #[module(skip)]
    config: ResNetConfig,
}

/// Convolutions, and a way around them. The fields are in the order of the forward pass.
#[derive(Module, Debug)]
struct Block {
    shortcut: Option<NormedConvolution>,
    reduce: Option<NormedConvolution>,
    spatial: NormedConvolution,
    expand: NormedConvolution,
    stride: usize,
    /// Channels that leave the block.
    outputs: usize,
}

impl Block {
    fn zeros(shape: &BlockShape, device: &Device) -> Self {
        let optional =
            |shape: &Option<ConvolutionShape>| shape.as_ref().map(|shape| NormedConvolution::new(shape, device));
        Self {
            shortcut: optional(&shape.shortcut),
            reduce: optional(&shape.reduce),
            spatial: NormedConvolution::new(&shape.spatial, device),
            expand: NormedConvolution::new(&shape.expand, device),
            stride: shape.spatial.stride,
            outputs: shape.expand.outputs,
        }
    }

    fn forward(&self, x: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<4> {
        match statistics {
            Statistics::Batch(seen) if self.keeps_shape(&x) => {
                let parts = [self.spatial.parameters(), self.expand.parameters()];
                train_residual_block(x, parts, &RELU, seen)
            }
            Statistics::Batch(_) | Statistics::Running => self.forward_in_parts(x, statistics),
        }
    }

    /// Whether it is two 3×3 convolutions with the unchanged input around them.
    fn keeps_shape(&self, x: &Tensor<4>) -> bool {
        self.shortcut.is_none() && self.reduce.is_none() && self.stride == 1 && x.dims()[3] == self.outputs
    }

    fn forward_in_parts(&self, x: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<4> {
        let around = match &self.shortcut {
            Some(projection) => projection.forward(x.clone(), None, &NormOptions::default(), statistics),
            None => self.padded(x.clone()),
        };
        let reduced = match &self.reduce {
            Some(reduce) => reduce.forward(x, None, &RELU, statistics),
            None => x,
        };
        let inner = self.spatial.forward(reduced, None, &RELU, statistics);
        self.expand.forward(inner, Some(around), &RELU, statistics)
    }

    /// As many rows, columns and channels as leave the block.
    fn padded(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, _, inputs] = x.dims();
        let more = self.outputs - inputs;
        let every = every(x, self.stride);
        if more == 0 { every } else { every.pad([(0, 0), (0, 0), (more / 2, more - more / 2)], 0.0) }
    }
}

impl ResNet {
    fn zeros(config: &ResNetConfig, device: &Device) -> Self {
        let blocks = |blocks: &Vec<BlockShape>| blocks.iter().map(|block| Block::zeros(block, device)).collect();
        Self {
            entry: NormedConvolution::new(&config.entry(), device),
            stages: config.block_shapes().iter().map(blocks).collect(),
            head: Linear::new(config.outputs(), config.classes, device),
            config: config.clone(),
        }
    }

    /// The last map, before its mean is taken.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    /// - output: `[batch, channels', height', width']`
    pub fn feature_map(&self, images: Tensor<4>) -> Tensor<4> {
        self.features(images, &mut Statistics::Running).permute([0, 3, 1, 2])
    }

    /// From the last map to the logits.
    ///
    /// # Shapes
    /// - map: as [`ResNet::feature_map`] gives it
    /// - output: `[batch, classes]`
    pub fn forward_from_features(&self, map: Tensor<4>) -> Tensor<2> {
        self.classify(map.permute([0, 2, 3, 1]))
    }

    /// `[batch, height', width', channels']`
    fn features(&self, images: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<4> {
        let mut x = self.entry.forward(self.config.images().normalised(images), None, &RELU, statistics);
        if self.config.stem == ResNetStem::Large {
            let pooling = MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_padding([1, 1]);
            x = max_pool2d(x.permute([0, 3, 1, 2]), pooling).permute([0, 2, 3, 1]);
        }
        self.stages.iter().flatten().fold(x, |x, block| block.forward(x, statistics))
    }

    fn classify(&self, map: Tensor<4>) -> Tensor<2> {
        let [batch, height, width, channels] = map.dims();
        let mean = mean_tokens(map.reshape([batch, height * width, channels]));
        self.head.forward(mean, Activation::Identity)
    }
}

impl Classifier for ResNet {
    type Config = ResNetConfig;

    fn config(&self) -> &ResNetConfig {
        &self.config
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.classify(self.features(images, &mut Statistics::Running))
    }

    fn forward_training(&self, images: Tensor<4>) -> TrainingOutput {
        let mut seen = Vec::new();
        let map = self.features(images, &mut Statistics::Batch(&mut seen));
        TrainingOutput { logits: self.classify(map), statistics: seen }
    }

    fn update_running(self, statistics: Vec<BatchStatistics>, momentum: f64) -> Self {
        with_running_towards(self, statistics, momentum)
    }

    fn draws_random_numbers(&self) -> bool {
        false
    }
}
