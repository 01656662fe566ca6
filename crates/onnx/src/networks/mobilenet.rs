//! MobileNetV3.

use tinylsa_model::ConfigOfImages;
use tinylsa_model::networks::{InvertedResidualConfig, MobileNetConfig, Nonlinearity};

use super::written::Written;
use crate::error::OnnxError;
use crate::graph::GraphBuilder;
use crate::layers::{LOGITS, Map};

/// What the normalisations add to a variance, as in the network itself.
const EPSILON: f64 = 1e-3;

pub(super) fn write(graph: &mut GraphBuilder<'_>, config: &MobileNetConfig) -> Result<Written, OnnxError> {
    let images = graph.normalised_images(config.image_keys());
    let mut map = activated(graph, "entry", &images, config.entry_stride, Nonlinearity::HardSwish)?;
    for (index, shape) in config.blocks.iter().enumerate() {
        map = block(graph, &format!("blocks.{index}"), &map, shape)?;
    }
    let last = activated(graph, "last", &map, 1, Nonlinearity::HardSwish)?;
    let mean = graph.mean_of_channels("features", &last);
    let hidden = graph.linear("hidden", "hidden", &mean)?;
    let hidden = graph.hard_swish("hidden.hard_swish", &hidden);
    Ok(Written::logits_alone(graph.linear("head", LOGITS, &hidden)?))
}

/// A convolution, its normalisation, and what follows it.
fn activated(
    graph: &mut GraphBuilder<'_>,
    name: &str,
    x: &Map,
    stride: usize,
    nonlinearity: Nonlinearity,
) -> Result<Map, OnnxError> {
    let normed = graph.normed_convolution(name, x, stride, EPSILON)?;
    Ok(match nonlinearity {
        Nonlinearity::Relu => graph.rectified(name, &normed),
        Nonlinearity::HardSwish => normed.with(graph.hard_swish(&format!("{name}.hard_swish"), &normed.value)),
    })
}

fn block(graph: &mut GraphBuilder<'_>, name: &str, x: &Map, config: &InvertedResidualConfig) -> Result<Map, OnnxError> {
    let &InvertedResidualConfig { nonlinearity, stride, .. } = config;
    let part = |part: &str| format!("{name}.{part}");
    let mut map = x.clone();
    // without a convolution before it, as many channels come in as the depthwise one has
    if graph.has(&part("expand.convolution.weight")) {
        map = activated(graph, &part("expand"), x, 1, nonlinearity)?;
    }
    map = activated(graph, &part("spatial"), &map, stride, nonlinearity)?;
    if config.gate {
        map = gated(graph, name, &map)?;
    }
    let projected = graph.normed_convolution(&part("project"), &map, 1, EPSILON)?;
    if stride == 1 && projected.shape == x.shape {
        return Ok(projected.with(graph.add(&part("sum"), &projected.value, &x.value)));
    }
    Ok(projected)
}

/// Each channel multiplied by what two layers make of the means of all.
fn gated(graph: &mut GraphBuilder<'_>, name: &str, x: &Map) -> Result<Map, OnnxError> {
    let part = |part: &str| format!("{name}.{part}");
    let mut pixel = x.clone();
    pixel.value = graph.mean_of_map(&part("squeeze.mean"), &x.value);
    (pixel.shape.height, pixel.shape.width) = (1, 1);
    let squeezed = graph.same_convolution(&part("squeeze"), &part("squeeze"), &pixel, 1)?;
    let squeezed = graph.rectified(&part("squeeze"), &squeezed);
    let excited = graph.same_convolution(&part("excite"), &part("excite"), &squeezed, 1)?;
    let gate = graph.hard_sigmoid(&part("gate"), &excited.value);
    Ok(x.with(graph.multiply(&part("gated"), &x.value, &gate)))
}
