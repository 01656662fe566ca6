//! Our own network, as `docs/model.md` has it.

use tinylsa_model::{AttentionConfig, ConfigOfImages, EPSILON, HeadKind, HostTensor, TinyCnnLsaConfig};

use super::written::{AttentionOutput, Written, attention_name};
use crate::attention::{Attended, Mixing};
use crate::error::OnnxError;
use crate::graph::{GraphBuilder, Value, Window};
use crate::layers::{Heads, LOGITS, Map};

const POOLING: Window = Window { side: 2, stride: 2, padding: 0 };

pub(super) fn write(
    graph: &mut GraphBuilder<'_>,
    config: &TinyCnnLsaConfig,
    shown: bool,
) -> Result<Written, OnnxError> {
    let mut map = graph.normalised_images(config.image_keys());
    for (index, stage) in config.stages.iter().enumerate() {
        let name = format!("stages.{index}");
        map = normed(graph, &format!("{name}.entry"), &map, stage.stride, None)?;
        for block in 0..stage.residual_blocks {
            map = residual(graph, &format!("{name}.residual.{block}"), &map)?;
        }
        if stage.pool {
            map = graph.pooled(&name, &map, POOLING);
        }
    }
    let grid = map.shape;
    let mut tokens = graph.tokens_of("stages", &map);
    if config.positions {
        let positions = graph.tensor("positions")?;
        tokens = graph.add("positions.added", &tokens, &positions);
    }
    let mut attention = Vec::new();
    for index in 0..config.attention.blocks {
        let name = format!("blocks.{index}");
        let written = block(graph, &name, &config.attention, &map.with(tokens), index, shown)?;
        tokens = written.tokens;
        let (heads, count) = (config.attention.heads, grid.pixels());
        let output = |value| AttentionOutput { value, block: name, heads, tokens: count, prefix: 0 };
        attention.extend(written.attention.map(output));
    }
    if config.closing_blocks > 0 {
        let mut map = graph.map_of("blocks", &tokens, grid);
        for block in 0..config.closing_blocks {
            map = residual(graph, &format!("closing.{block}"), &map)?;
        }
        tokens = graph.tokens_of("closing", &map);
    }
    let normalised = graph.layer_norm("norm", &tokens, EPSILON)?;
    let Head { logits, class_attention, class_evidence } = head(graph, config, &normalised, shown)?;
    let grid = [grid.height, grid.width];
    Ok(Written { logits, attention, class_attention, class_evidence, grid })
}

/// A convolution, its batch normalisation, the sum with a residual, and a rectifier.
fn normed(
    graph: &mut GraphBuilder<'_>,
    name: &str,
    x: &Map,
    stride: usize,
    residual: Option<&Map>,
) -> Result<Map, OnnxError> {
    let convolved = graph.same_convolution(name, &format!("{name}.convolution"), x, stride)?;
    let mut map = graph.batch_norm(name, &format!("{name}.norm"), &convolved, EPSILON)?;
    if let Some(residual) = residual {
        map = map.with(graph.add(&format!("{name}.sum"), &map.value, &residual.value));
    }
    Ok(graph.rectified(name, &map))
}

/// Two convolutions; the second adds the input of the first.
fn residual(graph: &mut GraphBuilder<'_>, name: &str, x: &Map) -> Result<Map, OnnxError> {
    let hidden = normed(graph, &format!("{name}.first"), x, 1, None)?;
    normed(graph, &format!("{name}.second"), &hidden, 1, Some(x))
}

/// What a block gives.
struct BlockOutput {
    tokens: Value,
    attention: Option<Value>,
}

/// A block on the tokens of a grid, `[batch, tokens, width]` with the shape of their map.
fn block(
    graph: &mut GraphBuilder<'_>,
    name: &str,
    config: &AttentionConfig,
    x: &Map,
    index: usize,
    shown: bool,
) -> Result<BlockOutput, OnnxError> {
    let &AttentionConfig { heads, kind, feature_map, .. } = config;
    let (shape, width, part) = (x.shape, x.shape.channels, |part: &str| format!("{name}.{part}"));
    let value_width = width / heads.max(1);
    let key_width = config.key_width.unwrap_or(value_width);
    let normalised = graph.layer_norm(&part("attention_norm"), &x.value, EPSILON)?;
    let projected = graph.linear(&part("query_key_value"), &part("query_key_value"), &normalised)?;
    let keys = heads * key_width;
    let sizes = [("queries", keys), ("keys", keys), ("values", width)];
    let [queries, keys, values] = graph.split(&part("query_key_value.parts"), &projected, 2, sizes);
    let heads = Heads { count: heads, tokens: shape.pixels() };
    let mixing = Mixing { heads, key_width, value_width, kind, feature_map };
    let of = [&queries, &keys, &values];
    let Attended { context, attention } = graph.attend(&part("attention"), &attention_name(index), &mixing, of, shown);
    let mut mixed = context;
    if config.local {
        let local = local(graph, &part("local"), &x.with(values))?;
        mixed = graph.add(&part("local.sum"), &mixed, &local);
    }
    if config.gate {
        let gate = graph.linear(&part("gate"), &part("gate"), &normalised)?;
        let sigmoid = graph.sigmoid(&part("gate.sigmoid"), &gate);
        let silu = graph.multiply(&part("gate.silu"), &gate, &sigmoid);
        mixed = graph.multiply(&part("gated"), &mixed, &silu);
    }
    let projection = graph.linear(&part("projection"), &part("projection"), &mixed)?;
    let mut tokens = graph.add(&part("projection.sum"), &x.value, &projection);
    if config.mlp_width > 0 {
        let normalised = graph.layer_norm(&part("mlp_norm"), &tokens, EPSILON)?;
        let contracted = graph.perceptron([&part("expand"), &part("contract")], &normalised)?;
        tokens = graph.add(&part("contract.sum"), &tokens, &contracted);
    }
    Ok(BlockOutput { tokens, attention })
}

/// The convolution of each column of the values by itself.
fn local(graph: &mut GraphBuilder<'_>, name: &str, values: &Map) -> Result<Value, OnnxError> {
    // `[1, 3, 3, width]` as `[width, 1, 3, 3]`
    let weight = graph.tensor_as(&format!("{name}.weight"), |HostTensor { shape, values }| {
        let width = shape.last().copied().unwrap_or(1);
        let of_column = |column: usize| values.iter().skip(column).step_by(width).copied();
        HostTensor { shape: vec![width, 1, 3, 3], values: (0..width).flat_map(of_column).collect() }
    })?;
    let bias = graph.tensor(&format!("{name}.bias"))?;
    let map = graph.map_of(&format!("{name}.values"), &values.value, values.shape);
    let window = Window { side: 3, stride: 1, padding: 1 };
    let convolved = graph.conv(name, &[&map.value, &weight, &bias], window, values.shape.channels);
    Ok(graph.tokens_of(name, &map.with(convolved)))
}

/// What the head gives.
struct Head {
    logits: Value,
    class_attention: Option<Value>,
    class_evidence: Option<Value>,
}

/// From the normalised tokens to the logits.
fn head(
    graph: &mut GraphBuilder<'_>,
    config: &TinyCnnLsaConfig,
    tokens: &Value,
    shown: bool,
) -> Result<Head, OnnxError> {
    let evidence = "class_evidence";
    match config.head.kind {
        HeadKind::Mean => {
            let mean = graph.mean("tokens.mean", tokens, 1);
            let logits = graph.linear("head", LOGITS, &mean)?;
            let mut class_evidence = None;
            if shown {
                let of_tokens = graph.product("head", "head.of_tokens", tokens)?;
                let of_classes = graph.transpose("head.of_classes", &of_tokens, &[0, 2, 1]);
                class_evidence = Some(graph.divide_by(evidence, &of_classes, config.tokens() as f64));
            }
            Ok(Head { logits, class_attention: None, class_evidence })
        }
        HeadKind::ClassAttention => {
            let keys = graph.linear("class_attention.keys", "class_attention.keys", tokens)?;
            let keys = graph.transpose("class_attention.keys.columns", &keys, &[0, 2, 1]);
            let queries = graph.tensor("class_attention.queries")?;
            let scores = graph.scores("class_attention", &queries, &keys, config.head.key_width);
            let attention = graph.softmax("class_attention", &scores);
            // the rows of the attention sum to 1, so that the bias of each token is that of the logit
            let of_tokens = graph.linear("head", "head.of_tokens", tokens)?;
            let of_classes = graph.transpose("head.of_classes", &of_tokens, &[0, 2, 1]);
            let weighted = graph.multiply("head.weighted", &attention, &of_classes);
            let logits = graph.sum(LOGITS, &weighted, 2, false);
            let mut class_evidence = None;
            if shown {
                let without_bias = graph.product("head", "head.without_bias", tokens)?;
                let of_classes = graph.transpose("head.without_bias.of_classes", &without_bias, &[0, 2, 1]);
                class_evidence = Some(graph.multiply(evidence, &attention, &of_classes));
            }
            Ok(Head { logits, class_attention: Some(attention), class_evidence })
        }
    }
}
