//! The network: two convolutions, then the mean of each feature map.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation::relu};
use serde::{Deserialize, Serialize};
use tinylsa_model::{Classifier, ImageShape, InvalidSetting, ModelConfig};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CnnConfig {
    pub input: ImageShape,
    pub classes: usize,
    pub dropout: f64,
}

#[derive(Module, Debug)]
pub struct Cnn {
    first: Conv2d,
    norm: BatchNorm,
    second: Conv2d,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    config: CnnConfig,
}

impl ModelConfig for CnnConfig {
    type Model = Cnn;
    const KIND: &'static str = "own-cnn";

    fn input(&self) -> ImageShape {
        self.input
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn init(&self, device: &Device) -> Result<Cnn, InvalidSetting> {
        let convolution = |channels| {
            let convolution = Conv2dConfig::new(channels, [3, 3]).with_stride([2, 2]);
            convolution.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
        };
        Ok(Cnn {
            first: convolution([self.input.channels, 16]),
            norm: BatchNormConfig::new(16).init(device),
            second: convolution([16, 32]),
            dropout: DropoutConfig::new(self.dropout).init(),
            head: LinearConfig::new(32, self.classes).init(device),
            config: self.clone(),
        })
    }
}

impl Classifier for Cnn {
    type Config = CnnConfig;

    fn config(&self) -> &CnnConfig {
        &self.config
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.scores(self.features(images))
    }
}

impl Cnn {
    /// `[batch, 3, 32, 32]` to the feature maps `[batch, 32, 8, 8]` that Grad-CAM weighs.
    pub fn features(&self, images: Tensor<4>) -> Tensor<4> {
        relu(self.second.forward(relu(self.norm.forward(self.first.forward(images)))))
    }

    /// Feature maps to logits `[batch, classes]`.
    pub fn scores(&self, maps: Tensor<4>) -> Tensor<2> {
        self.head.forward(self.dropout.forward(maps.mean_dims(&[2, 3]).flatten::<2>(1, 3)))
    }
}
