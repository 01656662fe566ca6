//! MobileNetV3 (Howard et al. 2019, "Searching for MobileNetV3").

mod config;

use burn::module::Module;
use burn::tensor::activation::{hard_sigmoid, relu};
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::{Activation, NormOptions, mean_tokens};

use config::BlockShape;
pub use config::{InvertedResidualConfig, MobileNetConfig, Nonlinearity};

use super::convolution::Convolution;
use super::dropped;
use super::implement_model_config;
use super::norm::NormedConvolution;
use crate::classifier::{Classifier, TrainingOutput};
use crate::layers::{BatchStatistics, Linear, Statistics};
use crate::running::with_running_towards;

/// A normalisation with nothing behind it. What it adds to a variance is torchvision's.
const NORM: NormOptions = NormOptions { epsilon: 1e-3, activation: Activation::Identity, pool: false };

implement_model_config!(MobileNetConfig, MobileNet, "mobilenet-v3");

/// Inverted residual blocks, then two linear layers on the mean of the last map.
#[derive(Module, Debug)]
pub struct MobileNet {
    entry: NormedConvolution,
    blocks: Vec<Block>,
    last: NormedConvolution,
    hidden: Linear,
    head: Linear,
    #[module(skip)]
    config: MobileNetConfig,
}

/// The fields are in the order of the forward pass.
#[derive(Module, Debug)]
struct Block {
    expand: Option<NormedConvolution>,
    spatial: NormedConvolution,
    /// The two layers of the gate are there together or not at all.
    squeeze: Option<Convolution>,
    excite: Option<Convolution>,
    project: NormedConvolution,
    #[module(skip)]
    nonlinearity: Nonlinearity,
    adds_input: bool,
}

/// `min(max(x + 3, 0), 6) / 6`.
fn hard_gate<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    hard_sigmoid(x, 1.0 / 6.0, 0.5)
}

/// `x · min(max(x + 3, 0), 6) / 6`.
fn hard_swish<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.clone() * hard_gate(x)
}

impl Nonlinearity {
    /// A convolution and its normalisation with this behind them.
    fn behind(self, layer: &NormedConvolution, x: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<4> {
        match self {
            Self::Relu => layer.forward(x, None, &NormOptions { activation: Activation::Relu, ..NORM }, statistics),
            Self::HardSwish => hard_swish(layer.forward(x, None, &NORM, statistics)),
        }
    }
}

impl Block {
    fn zeros(shape: &BlockShape, nonlinearity: Nonlinearity, device: &Device) -> Self {
        let gate = |index: usize| shape.gate.as_ref().map(|gate| Convolution::new(&gate[index], true, device));
        Self {
            expand: shape.expand.as_ref().map(|expand| NormedConvolution::new(expand, device)),
            spatial: NormedConvolution::new(&shape.spatial, device),
            squeeze: gate(0),
            excite: gate(1),
            project: NormedConvolution::new(&shape.project, device),
            nonlinearity,
            adds_input: shape.adds_input,
        }
    }

    fn forward(&self, x: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<4> {
        let residual = self.adds_input.then(|| x.clone());
        let expanded = match &self.expand {
            Some(expand) => self.nonlinearity.behind(expand, x, statistics),
            None => x,
        };
        let mut spatial = self.nonlinearity.behind(&self.spatial, expanded, statistics);
        if let (Some(squeeze), Some(excite)) = (&self.squeeze, &self.excite) {
            let [batch, _, _, channels] = spatial.dims();
            let mean = mean_of(spatial.clone()).reshape([batch, 1, 1, channels]);
            spatial = spatial * hard_gate(excite.forward(relu(squeeze.forward(mean))));
        }
        self.project.forward(spatial, residual, &NORM, statistics)
    }
}

/// The mean of a map: `[batch, channels]`.
fn mean_of(map: Tensor<4>) -> Tensor<2> {
    let [batch, height, width, channels] = map.dims();
    mean_tokens(map.reshape([batch, height * width, channels]))
}

impl MobileNet {
    fn zeros(config: &MobileNetConfig, device: &Device) -> Self {
        let shapes = config.block_shapes();
        let blocks =
            shapes.iter().zip(&config.blocks).map(|(shape, block)| Block::zeros(shape, block.nonlinearity, device));
        let last = config.last();
        Self {
            entry: NormedConvolution::new(&config.entry(), device),
            blocks: blocks.collect(),
            last: NormedConvolution::new(&last, device),
            hidden: Linear::new(last.outputs, config.hidden, device),
            head: Linear::new(config.hidden, config.classes, device),
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
    /// - map: as [`MobileNet::feature_map`] gives it
    /// - output: `[batch, classes]`
    pub fn forward_from_features(&self, map: Tensor<4>) -> Tensor<2> {
        self.classify(map.permute([0, 2, 3, 1]), 0.0)
    }

    /// `[batch, height', width', channels']`
    fn features(&self, images: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<4> {
        let images = self.config.images().normalised(images);
        let entered = Nonlinearity::HardSwish.behind(&self.entry, images, statistics);
        let x = self.blocks.iter().fold(entered, |x, block| block.forward(x, statistics));
        Nonlinearity::HardSwish.behind(&self.last, x, statistics)
    }

    fn classify(&self, map: Tensor<4>, dropout: f64) -> Tensor<2> {
        let hidden = hard_swish(self.hidden.forward(mean_of(map), Activation::Identity));
        self.head.forward(dropped(hidden, dropout), Activation::Identity)
    }
}

impl Classifier for MobileNet {
    type Config = MobileNetConfig;

    fn config(&self) -> &MobileNetConfig {
        &self.config
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.classify(self.features(images, &mut Statistics::Running), 0.0)
    }

    fn forward_training(&self, images: Tensor<4>) -> TrainingOutput {
        let mut seen = Vec::new();
        let map = self.features(images, &mut Statistics::Batch(&mut seen));
        TrainingOutput { logits: self.classify(map, self.config.dropout), statistics: seen }
    }

    fn update_running(self, statistics: Vec<BatchStatistics>, momentum: f64) -> Self {
        with_running_towards(self, statistics, momentum)
    }

    fn draws_random_numbers(&self) -> bool {
        self.config.dropout > 0.0
    }
}
