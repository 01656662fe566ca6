//! The networks that a tiny one stands against, after their papers and after torchvision, whose weights they take, and the
//! forms that they have for small images.
//!
//! Each is a file of its own: a config, the module that it makes, what the layers cost, and the names that the tensors
//! have in torchvision.

mod convolution;
mod mobilenet;
mod norm;
mod registry;
mod resnet;
mod swin;
mod torchvision;
mod transformer;
mod vgg;
mod vit;
mod windows;

pub use mobilenet::{InvertedResidualConfig, MobileNet, MobileNetConfig, Nonlinearity};
pub use registry::{AnyNetwork, Network, NetworkConfig, NetworkKind};
pub use resnet::{ResNet, ResNetBlock, ResNetConfig, ResNetStageConfig, ResNetStem, Shortcut};
pub use swin::{Swin, SwinConfig, SwinStageConfig};
pub use torchvision::{Torchvision, TorchvisionConfig, TorchvisionError, TorchvisionTensor};
pub use vgg::{Vgg, VggConfig};
pub use vit::{Vit, VitConfig, VitTrace};

pub use crate::config::TinyCnnLsaConfig;
pub use crate::network::TinyCnnLsa;

use burn::tensor::{Distribution, Tensor};

/// Makes a [`ModelConfig`](crate::ModelConfig) of a config with the functions `check` and `cost`, whose network has a function
/// `zeros`.
macro_rules! implement_model_config {
    ($config:ident, $network:ident, $kind:literal) => {
        impl crate::classifier::ModelConfig for $config {
            type Model = $network;

            const KIND: &'static str = $kind;

            fn input(&self) -> tinylsa_shape::ImageShape {
                self.input
            }

            fn classes(&self) -> usize {
                self.classes
            }

            fn init(&self, device: &burn::tensor::Device) -> Result<$network, tinylsa_settings::InvalidSetting> {
                self.check()?;
                Ok(crate::initial::with_initial_weights($network::zeros(self, device), 0))
            }

            fn validate(&self) -> Result<(), tinylsa_settings::InvalidSetting> {
                self.check()
            }

            fn init_with_seed(
                &self,
                seed: u64,
                device: &burn::tensor::Device,
            ) -> Result<$network, crate::init_error::InitError> {
                Ok(crate::initial::with_initial_weights(self.init_for_loading(device)?, seed))
            }

            fn init_for_loading(
                &self,
                device: &burn::tensor::Device,
            ) -> Result<$network, crate::init_error::InitError> {
                self.check()?;
                Ok($network::zeros(self, device))
            }

            fn known_cost(&self) -> Option<crate::cost::Cost> {
                Some(self.cost())
            }
        }
    };
}

use implement_model_config;

/// Each value is 0 with a probability, and the others are larger by as much as keeps the mean.
fn dropped<const D: usize>(x: Tensor<D>, probability: f64) -> Tensor<D> {
    if probability == 0.0 {
        return x;
    }
    let kept = Tensor::random(x.shape(), Distribution::Bernoulli(1.0 - probability), &x.device());
    x * kept / (1.0 - probability)
}
