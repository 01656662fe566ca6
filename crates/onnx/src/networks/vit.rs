//! Vision Transformer.

use tinylsa_model::ConfigOfImages;
use tinylsa_model::networks::VitConfig;

use super::encoder::{Projections, finished, projections};
use super::written::{AttentionOutput, Written, attention_name};
use crate::error::OnnxError;
use crate::graph::{GraphBuilder, Value};
use crate::layers::{Heads, LOGITS};

/// What the normalisations add to a variance, as in the network itself.
const EPSILON: f64 = 1e-6;

pub(super) fn write(graph: &mut GraphBuilder<'_>, config: &VitConfig, shown: bool) -> Result<Written, OnnxError> {
    let images = graph.normalised_images(config.image_keys());
    let patches = graph.convolution("patches", "patches", &images, [config.patch, 0])?;
    let patches = graph.tokens_of("patches", &patches);
    let class = class_token(graph, &patches, config.width)?;
    let tokens = graph.concatenate("tokens", &[&class, &patches], 1);
    let positions = graph.tensor("positions")?;
    let mut x = graph.add("positions.added", &tokens, &positions);
    let grid = config.grid();
    let heads = Heads { count: config.heads, tokens: 1 + grid.iter().product::<usize>() };
    let mut attention = Vec::new();
    for index in 0..config.blocks {
        let name = format!("blocks.{index}");
        let written = block(graph, &name, &x, config, &heads, index)?;
        x = written.tokens;
        if shown {
            let (value, Heads { count, tokens }) = (written.attention, heads);
            attention.push(AttentionOutput { value, block: name, heads: count, tokens, prefix: 1 });
        }
    }
    let first = graph.integers("class.number", &[], &[0]);
    let class = graph.gather("class", &x, &first, 1);
    let normalised = graph.layer_norm("norm", &class, EPSILON)?;
    let logits = graph.linear("head", LOGITS, &normalised)?;
    Ok(Written { attention, grid, ..Written::logits_alone(logits) })
}

/// The token of the class for each image: `[batch, 1, width]`.
fn class_token(graph: &mut GraphBuilder<'_>, patches: &Value, width: usize) -> Result<Value, OnnxError> {
    let token = graph.tensor("class_token")?;
    let batch = graph.batch_of("class_token.batch", patches);
    let one = graph.integers("class_token.one", &[2], &[1, width as i64]);
    let shape = graph.concatenate("class_token.shape", &[&batch, &one], 0);
    Ok(graph.expand("class_token.expanded", &token, &shape))
}

/// What a block gives.
struct BlockOutput {
    tokens: Value,
    attention: Value,
}

fn block(
    graph: &mut GraphBuilder<'_>,
    name: &str,
    x: &Value,
    config: &VitConfig,
    heads: &Heads,
    index: usize,
) -> Result<BlockOutput, OnnxError> {
    let part = |part: &str| format!("{name}.{part}");
    let columns = config.width / config.heads.max(1);
    let normalised = graph.layer_norm(&part("attention_norm"), x, EPSILON)?;
    let Projections { queries, keys, values } = projections(graph, name, &normalised, config.width, heads)?;
    let scores = graph.scores(&part("attention"), &queries, &keys, columns);
    let attention = graph.softmax(&attention_name(index), &scores);
    let context = graph.matmul(&part("attention.context"), &attention, &values);
    let context = graph.joined_heads(&part("attention"), &context, heads, columns);
    Ok(BlockOutput { tokens: finished(graph, name, x, &context, EPSILON)?, attention })
}
