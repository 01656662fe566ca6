//! What the large networks cost that a tiny one stands against.

mod convolutional;
mod input;
mod transformer;

use tinylsa_settings::InvalidSetting;

pub use input::BaselineInput;

use crate::cost::Cost;

/// A large image classifier, as its paper and the reference implementations define it.
///
/// Only what it costs is here: parameters and multiply-accumulate operations of every layer, counted in the same way as
/// [`TinyCnnLsaConfig::cost`](crate::TinyCnnLsaConfig::cost).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Baseline {
    /// Simonyan and Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", table 1,
    /// column E.
    Vgg19,
    /// He et al. 2016, "Deep residual learning for image recognition", table 1, with the stride of a bottleneck in its
    /// 3 × 3 convolution, as the reference implementations have it.
    ResNet50,
    /// Dosovitskiy et al. 2021, "An image is worth 16x16 words", table 1, Base with patches of 16 × 16.
    VitB16,
    /// Liu et al. 2021, "Swin Transformer", section 3.3, Tiny.
    SwinT,
}

impl Baseline {
    /// Every baseline, in the order of their papers.
    pub const ALL: [Self; 4] = [Self::Vgg19, Self::ResNet50, Self::VitB16, Self::SwinT];

    /// The name under which the field knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vgg19 => "VGG-19",
            Self::ResNet50 => "ResNet-50",
            Self::VitB16 => "ViT-B/16",
            Self::SwinT => "Swin-T",
        }
    }

    /// Counts the parameters and the multiply-accumulate operations, layer by layer.
    ///
    /// # Errors
    /// If the input is not one that the network takes.
    pub fn cost(self, input: &BaselineInput) -> Result<Cost, InvalidSetting> {
        input.validate()?;
        let layers = match self {
            Self::Vgg19 => convolutional::vgg19(input),
            Self::ResNet50 => convolutional::resnet50(input),
            Self::VitB16 => transformer::vit_b16(input),
            Self::SwinT => transformer::swin_t(input),
        };
        Ok(Cost { layers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts that torchvision documents for its models.
    #[test]
    fn parameters_are_those_of_the_reference_implementations() {
        let count = |baseline: Baseline| baseline.cost(&BaselineInput::default()).unwrap().parameters();
        assert_eq!(count(Baseline::Vgg19), 143_667_240);
        assert_eq!(count(Baseline::ResNet50), 25_557_032);
        assert_eq!(count(Baseline::VitB16), 86_567_656);
        assert_eq!(count(Baseline::SwinT), 28_288_354);
    }

    /// torchvision documents operations in units of 10⁹: 19.63, 4.09, 17.56 and 4.49. Attention products are counted
    /// here and left out there.
    #[test]
    fn operations_are_those_of_the_reference_implementations() {
        let giga = |baseline: Baseline| baseline.cost(&BaselineInput::default()).unwrap().macs() as f64 / 1e9;
        assert!((giga(Baseline::Vgg19) - 19.63).abs() < 0.03, "{}", giga(Baseline::Vgg19));
        assert!((giga(Baseline::ResNet50) - 4.09).abs() < 0.01, "{}", giga(Baseline::ResNet50));
        assert!((giga(Baseline::VitB16) - 17.56).abs() < 0.05, "{}", giga(Baseline::VitB16));
        assert!((giga(Baseline::SwinT) - 4.49).abs() < 0.05, "{}", giga(Baseline::SwinT));
    }

    #[test]
    fn a_head_for_ten_classes_has_fewer_parameters_and_small_images_cost_less() {
        let input = BaselineInput { image_size: 32, channels: 1, classes: 10 };
        for baseline in Baseline::ALL {
            let small = baseline.cost(&input).unwrap();
            let large = baseline.cost(&BaselineInput::default()).unwrap();
            assert!(small.parameters() < large.parameters());
            assert!(small.macs() < large.macs() / 4);
        }
        let error = Baseline::SwinT.cost(&BaselineInput { image_size: 28, ..input }).unwrap_err();
        assert!(error.to_string().contains("image_size"), "{error}");
    }
}
