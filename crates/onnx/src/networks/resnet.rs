//! Residual networks.

use tinylsa_model::networks::{ResNetConfig, ResNetStem, Shortcut};
use tinylsa_model::{ConfigOfImages, EPSILON};

use super::written::Written;
use crate::error::OnnxError;
use crate::graph::{GraphBuilder, Window};
use crate::layers::{LOGITS, Map};

const STEM_POOLING: Window = Window { side: 3, stride: 2, padding: 1 };

pub(super) fn write(graph: &mut GraphBuilder<'_>, config: &ResNetConfig) -> Result<Written, OnnxError> {
    let images = graph.normalised_images(config.image_keys());
    let stride = if config.stem == ResNetStem::Large { 2 } else { 1 };
    let entered = graph.normed_convolution("entry", &images, stride, EPSILON)?;
    let mut map = graph.rectified("entry", &entered);
    if config.stem == ResNetStem::Large {
        map = graph.pooled("entry", &map, STEM_POOLING);
    }
    for (stage, blocks) in config.stages.iter().enumerate() {
        for index in 0..blocks.blocks {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            map = block(graph, &format!("stages.{stage}.{index}"), &map, stride, config.shortcut)?;
        }
    }
    let mean = graph.mean_of_channels("features", &map);
    Ok(Written::logits_alone(graph.linear("head", LOGITS, &mean)?))
}

/// Convolutions, and a way around them. Which there are is seen from the tensors.
fn block(
    graph: &mut GraphBuilder<'_>,
    name: &str,
    x: &Map,
    stride: usize,
    shortcut: Shortcut,
) -> Result<Map, OnnxError> {
    let part = |part: &str| format!("{name}.{part}");
    let mut inner = x.clone();
    let reduce = part("reduce");
    if graph.has(&format!("{reduce}.convolution.weight")) {
        let reduced = graph.normed_convolution(&reduce, x, 1, EPSILON)?;
        inner = graph.rectified(&reduce, &reduced);
    }
    let spatial = part("spatial");
    let convolved = graph.normed_convolution(&spatial, &inner, stride, EPSILON)?;
    inner = graph.rectified(&spatial, &convolved);
    let expanded = graph.normed_convolution(&part("expand"), &inner, 1, EPSILON)?;
    let around = match shortcut {
        Shortcut::Projection if graph.has(&part("shortcut.convolution.weight")) => {
            graph.normed_convolution(&part("shortcut"), x, stride, EPSILON)?.value
        }
        Shortcut::Projection => x.value.clone(),
        Shortcut::Padding => {
            let mut around = x.value.clone();
            if stride > 1 {
                around = graph.every(&part("shortcut.every"), &around, stride);
            }
            match expanded.shape.channels.saturating_sub(x.shape.channels) {
                0 => around,
                more => graph.pad_channels(&part("shortcut.padded"), &around, [more / 2, more - more / 2]),
            }
        }
    };
    let sum = expanded.with(graph.add(&part("sum"), &expanded.value, &around));
    Ok(graph.rectified(name, &sum))
}
