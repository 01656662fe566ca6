//! The networks that a program knows by their names as models that can be explained.

use burn::module::Module;
use burn::tensor::Tensor;
use tinylsa_model::networks::{AnyNetwork, MobileNet, Network, NetworkConfig, ResNet, Swin, Vgg, Vit};
use tinylsa_model::{Classifier, ModelConfig};
use tinylsa_xai::{AttentionTap, TokenGrid};

use crate::circumstances::Circumstances;
use crate::classifier::ExplainedClassifier;
use crate::explainable::Explainable;
use crate::needs::Given;
use crate::tinycnn_lsa::ExplainedTinyCnnLsa;

const PERCEPTRON: &str = "a perceptron on each token";

/// A network in evaluation as a model that can be explained, with all that its kind gives.
pub fn explained(network: &Network) -> Box<dyn Explainable> {
    match network.any() {
        AnyNetwork::TinyCnnLsa(network) => Box::new(ExplainedTinyCnnLsa::from(network.valid())),
        AnyNetwork::Vgg(network) => {
            Box::new(ExplainedClassifier::new(network).with_feature_maps(Vgg::feature_map, Vgg::forward_from_features))
        }
        AnyNetwork::ResNet(network) => Box::new(
            ExplainedClassifier::new(network).with_feature_maps(ResNet::feature_map, ResNet::forward_from_features),
        ),
        AnyNetwork::MobileNet(network) => Box::new(
            ExplainedClassifier::new(network)
                .with_feature_maps(MobileNet::feature_map, MobileNet::forward_from_features),
        ),
        AnyNetwork::Vit(network) => {
            let explained = ExplainedClassifier::new(network).with_attention(grid_of(network), tapped_vit);
            Box::new(explained.with_beside(&[PERCEPTRON]))
        }
        AnyNetwork::Swin(network) => Box::new(
            ExplainedClassifier::new(network)
                .with_feature_maps(Swin::feature_map, Swin::forward_from_features)
                .with_attention(last_grid_of(network), tapped_swin)
                .with_beside(&["the stages on finer grids before", PERCEPTRON]),
        ),
    }
}

/// The patches, behind the token of the class.
fn grid_of(network: &Vit) -> TokenGrid {
    let [rows, columns] = network.config().grid();
    TokenGrid::new(rows, columns).with_prefix(1)
}

fn tapped_vit(network: &Vit, images: Tensor<4>, tap: &mut AttentionTap) -> Tensor<2> {
    network.forward_attended(images, |attention| tap.record(attention))
}

/// The tokens of the last stage, whose layers alone have maps of one grid. What lies before is to them what the stem is to our
/// own network.
fn last_grid_of(network: &Swin) -> TokenGrid {
    let [rows, columns] = network.config().last_grid();
    TokenGrid::new(rows, columns)
}

fn tapped_swin(network: &Swin, images: Tensor<4>, tap: &mut AttentionTap) -> Tensor<2> {
    network.forward_attended(images, |attention| tap.record(attention))
}

impl Circumstances {
    /// Those of a network, and of the images that it is trained and tested on.
    pub fn of_network(config: &NetworkConfig, training: Option<usize>, test: usize) -> Self {
        let (given, tokens) = match config {
            NetworkConfig::TinyCnnLsa(config) => {
                let attention = config.attention.blocks > 0;
                let given = Given { attention, feature_maps: true, token_evidence: true };
                (given, config.tokens())
            }
            NetworkConfig::Vgg(_) | NetworkConfig::ResNet(_) | NetworkConfig::MobileNet(_) => {
                (Given { feature_maps: true, ..Given::default() }, 0)
            }
            NetworkConfig::Swin(config) => {
                (Given { attention: true, feature_maps: true, ..Given::default() }, config.last_grid().iter().product())
            }
            NetworkConfig::Vit(config) => {
                (Given { attention: true, ..Given::default() }, config.grid().iter().product())
            }
        };
        Self { image: config.input().dims(), classes: config.classes(), tokens, given, training, test }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use tinylsa_model::networks::NetworkKind;
    use tinylsa_model::{ConfigOfImages, ImageKeys, ImageShape};

    use super::*;

    #[test]
    fn what_is_said_of_a_config_is_what_its_network_gives() {
        for &kind in NetworkKind::ALL {
            let config = kind.small().with_image_keys(ImageKeys {
                input: Some(ImageShape::grey(28, 28)),
                classes: Some(3),
                mean: Some(vec![0.5]),
                deviation: Some(vec![0.5]),
            });
            let network = config.init(&Device::flex()).unwrap();
            let explained = explained(&network);
            let said = Circumstances::of_network(&config, None, 0);
            assert_eq!(said.given, Given::by(explained.as_ref()), "{}", kind.name());
            assert_eq!(explained.scores(Tensor::zeros([2, 1, 28, 28], &Device::flex())).dims(), [2, 3]);
            let trace = explained.attention().map(|source| source.trace(Tensor::ones([1, 1, 28, 28], &Device::flex())));
            let tokens = trace.map_or(0, |trace| {
                let grid = trace.unwrap().grid;
                grid.rows * grid.columns
            });
            assert_eq!(said.tokens, tokens, "{}", kind.name());
        }
    }
}
