//! The networks, a file each: the operations of the forward pass in evaluation, in its order.

mod encoder;
mod mobilenet;
mod resnet;
mod swin;
mod tinycnn_lsa;
mod vgg;
mod vit;
mod windows;
mod written;

use tinylsa_model::networks::NetworkConfig;

use crate::error::OnnxError;
use crate::graph::GraphBuilder;
pub(crate) use written::{AttentionOutput, Written};

/// Writes the network of a config, with its attention and evidence if they are asked for.
pub(crate) fn write(
    graph: &mut GraphBuilder<'_>,
    config: &NetworkConfig,
    attention: bool,
) -> Result<Written, OnnxError> {
    match config {
        NetworkConfig::TinyCnnLsa(config) => tinycnn_lsa::write(graph, config, attention),
        NetworkConfig::Vgg(config) => vgg::write(graph, config),
        NetworkConfig::ResNet(config) => resnet::write(graph, config),
        NetworkConfig::MobileNet(config) => mobilenet::write(graph, config),
        NetworkConfig::Vit(config) => vit::write(graph, config, attention),
        NetworkConfig::Swin(config) => swin::write(graph, config, attention),
    }
}
