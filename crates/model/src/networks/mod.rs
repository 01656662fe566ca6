//! The networks that a tiny one stands against, after their papers and after torchvision, whose weights they take, and the
//! forms that they have for small images.
//!
//! Each is a file of its own: a config, the module that it makes, what the layers cost, and the names that the tensors
//! have in torchvision.

mod convolution;
mod mobilenet;
mod norm;
mod resnet;
mod swin;
mod torchvision;
mod transformer;
mod vgg;
mod vit;
mod windows;

pub use mobilenet::{InvertedResidualConfig, MobileNet, MobileNetConfig, Nonlinearity};
pub use resnet::{ResNet, ResNetBlock, ResNetConfig, ResNetStageConfig, ResNetStem, Shortcut};
pub use swin::{Swin, SwinConfig, SwinStageConfig};
pub use torchvision::{Torchvision, TorchvisionConfig, TorchvisionError, TorchvisionTensor};
pub use vgg::{Vgg, VggConfig};
pub use vit::{Vit, VitConfig, VitTrace};

use burn::tensor::{Distribution, Tensor};

/// Each value is 0 with a probability, and the others are larger by as much as keeps the mean.
fn dropped<const D: usize>(x: Tensor<D>, probability: f64) -> Tensor<D> {
    if probability == 0.0 {
        return x;
    }
    let kept = Tensor::random(x.shape(), Distribution::Bernoulli(1.0 - probability), &x.device());
    x * kept / (1.0 - probability)
}
