//! A block of the transformers.

use crate::error::OnnxError;
use crate::graph::{GraphBuilder, Value};
use crate::layers::Heads;

/// Queries, keys and values of each head.
pub(super) struct Projections {
    /// `[batch, heads, tokens, columns]`
    pub(super) queries: Value,
    /// `[batch, heads, columns, tokens]`
    pub(super) keys: Value,
    /// `[batch, heads, tokens, columns]`
    pub(super) values: Value,
}

/// Queries, keys and values of normalised tokens, `[batch, tokens, width]`; the tensors lie below a name.
pub(super) fn projections(
    graph: &mut GraphBuilder<'_>,
    name: &str,
    x: &Value,
    width: usize,
    heads: &Heads,
) -> Result<Projections, OnnxError> {
    let projection = format!("{name}.query_key_value");
    let projected = graph.linear(&projection, &projection, x)?;
    let sizes = [("queries", width), ("keys", width), ("values", width)];
    let [queries, keys, values] = graph.split(&format!("{projection}.parts"), &projected, 2, sizes);
    let columns = width / heads.count.max(1);
    let part = |part: &str| format!("{name}.attention.{part}");
    Ok(Projections {
        queries: graph.heads(&part("queries"), &queries, heads, columns, false),
        keys: graph.heads(&part("keys"), &keys, heads, columns, true),
        values: graph.heads(&part("values"), &values, heads, columns, false),
    })
}

/// `x + project(context)`, then `x + perceptron(norm(x))`; the tensors lie below a name.
pub(super) fn finished(
    graph: &mut GraphBuilder<'_>,
    name: &str,
    x: &Value,
    context: &Value,
    epsilon: f64,
) -> Result<Value, OnnxError> {
    let part = |part: &str| format!("{name}.{part}");
    let projected = graph.linear(&part("projection"), &part("projection"), context)?;
    let x = graph.add(&part("projection.sum"), x, &projected);
    let normalised = graph.layer_norm(&part("perceptron_norm"), &x, epsilon)?;
    let contracted = graph.perceptron([&part("perceptron.expand"), &part("perceptron.contract")], &normalised)?;
    Ok(graph.add(&part("perceptron.sum"), &x, &contracted))
}
