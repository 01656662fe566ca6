//! The attention methods.

use anyhow::Result;
use burn::tensor::Tensor;
use serde::Serialize;
use serde_json::{Value, json};
use tinylsa_model::{AttentionKind, LayerTrace, TinyCnnLsa, Trace, values_of};
use tinylsa_xai::{
    AttentionCheck, AttentionFlowConfig, AttentionRolloutConfig, AttentionStatistics, Cancellation, ExplainError,
    HeadFusion, LayerAttention, LinearAttention, Target, TokenMatrix, attention_flow, attention_rollout,
    check_attention, fixed_query_maps, fixed_query_positions, gradient_rollout, input_times_gradient,
    token_of_largest_attribution,
};

use super::Method;
use super::config::{AttentionMapsConfig, FixedQueryConfig};
use super::explainer::{Explained, Explainer, Question};
use super::result::{
    AttentionLayer, AttentionMaps, AttentionMatrix, Elements, FixedQueryMaps, FlowMap, MarkedToken, MethodMaps,
    RolloutMaps, TensorValues,
};
use tinylsa_settings::UsageError;

/// A larger difference between `A V` and what the layer computed is no rounding of f32.
const LARGEST_DEVIATION: f64 = 1e-5;
/// Attention above this relative entropy looks the same from every token.
const FLAT: f64 = 0.95;
/// From this share of saturated flows on, a flow map says little of its query.
const SATURATED: f64 = 0.5;

/// The attention of every layer on one picture.
#[derive(Clone, Debug)]
pub struct TracedAttention {
    pub grid_size: usize,
    /// The matrices, in f64.
    pub layers: Vec<LayerAttention>,
    /// How well they account for what the layers computed.
    pub checks: Vec<AttentionCheck>,
    /// Queries, keys, values and context of every layer, `[heads, tokens, width]`.
    parts: Vec<LayerParts>,
}

#[derive(Clone, Debug)]
struct LayerParts {
    queries: Tensor<3>,
    keys: Tensor<3>,
    values: Tensor<3>,
    context: Tensor<3>,
}

impl TracedAttention {
    /// The attention on the first picture of a batch.
    ///
    /// # Errors
    /// If the matrices are none of attention.
    pub fn new(model: &TinyCnnLsa, images: Tensor<4>) -> Result<Self, ExplainError> {
        // The images of every source are square, and so are their grids.
        let Trace { layers: traces, rows: grid_size, .. } = model.forward_traced(images);
        let (mut layers, mut checks, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for trace in &traces {
            let LayerTrace { queries, keys, values, attention, context } = trace;
            let part = LayerParts {
                queries: first(queries),
                keys: first(keys),
                values: first(values),
                context: first(context),
            };
            let layer = match model.config().attention.kind {
                AttentionKind::Linear => {
                    LinearAttention::from_features(part.queries.clone(), part.keys.clone())?.matrices()?
                }
                AttentionKind::Softmax => LayerAttention::from_tensor(first(attention))?,
            };
            checks.push(check_attention(&layer, part.values.clone(), part.context.clone())?);
            layers.push(layer);
            parts.push(part);
        }
        Ok(Self { grid_size, layers, checks, parts })
    }

    fn tokens(&self) -> usize {
        self.grid_size * self.grid_size
    }

    /// What does not depend on the method: the check of every layer.
    fn check_warnings(&self) -> Vec<String> {
        let off = |(layer, check): (usize, &AttentionCheck)| {
            (check.largest_deviation > LARGEST_DEVIATION).then(|| {
                format!(
                    "layer {layer} computed something else than A·V: they differ by {:.1e}",
                    check.largest_deviation
                )
            })
        };
        self.checks.iter().enumerate().filter_map(off).collect()
    }

    /// What every layer computed, by the names `layer-<l>/queries` and so on.
    fn evidence(&self) -> Vec<(String, TensorValues)> {
        let mut tensors = Vec::new();
        for (layer, part) in self.parts.iter().enumerate() {
            let named = [
                ("queries", &part.queries),
                ("keys", &part.keys),
                ("values", &part.values),
                ("context", &part.context),
            ];
            for (name, tensor) in named {
                let values = TensorValues { shape: tensor.dims().to_vec(), elements: Elements::F32(values_of(tensor)) };
                tensors.push((format!("layer-{layer}/{name}"), values));
            }
        }
        tensors
    }
}

/// The first of a batch.
fn first(batch: &Tensor<4>) -> Tensor<3> {
    batch.clone().narrow(0, 0, 1).squeeze_dim(0)
}

pub(super) fn explain(
    explainer: &Explainer<'_>,
    method: Method,
    question: Question<'_>,
    traced: &TracedAttention,
) -> Result<Explained> {
    let config = explainer.config;
    match method {
        Method::SelfAttention => layer_maps(traced, &config.self_attention.clone().unwrap_or_default(), false),
        Method::MultiHeadAttention => {
            layer_maps(traced, &config.multi_head_attention.clone().unwrap_or_default(), true)
        }
        Method::AttentionRollout => {
            let settings = config.attention_rollout.clone().unwrap_or_default();
            rollout(traced, &settings, &explainer.execution.cancellation)
        }
        Method::GradientRollout => weighted_rollout(explainer, question, traced),
        Method::AttentionFlow => {
            let settings = config.attention_flow.clone().unwrap_or_default();
            flow(traced, &settings, &explainer.execution.cancellation)
        }
        _ => fixed_queries(explainer, question, traced),
    }
}

fn layer_maps(traced: &TracedAttention, config: &AttentionMapsConfig, with_heads: bool) -> Result<Explained> {
    let mut layers = Vec::new();
    for layer in &traced.layers {
        let heads = (0..layer.heads()).map(|head| Ok(attention_matrix(layer.head(head)?)));
        let heads = heads.collect::<Result<Vec<_>, ExplainError>>()?;
        layers.push(AttentionLayer { heads, fused: attention_matrix(layer.fused(config.fusion)) });
    }
    let mut warnings = traced.check_warnings();
    for (index, layer) in layers.iter().enumerate() {
        warnings.extend(flat_warning(index, &layer.fused.statistics));
    }
    let of_layer = |(layer, check): (&AttentionLayer, &AttentionCheck)| {
        let heads: Vec<Value> = layer.heads.iter().map(|head| statistics(&head.statistics)).collect();
        let fused = statistics(&layer.fused.statistics);
        if with_heads {
            json!({ "check": check, "heads": heads, "fused": fused })
        } else {
            json!({ "check": check, "fused": fused })
        }
    };
    let diagnostics: Vec<Value> = layers.iter().zip(&traced.checks).map(of_layer).collect();
    Ok(Explained {
        maps: MethodMaps::Attention(AttentionMaps { grid_size: traced.grid_size, layers }),
        diagnostics: json!({ "layers": diagnostics }),
        settings: json!({ "method": config }),
        warnings,
        evidence: traced.evidence(),
    })
}

fn attention_matrix(matrix: TokenMatrix) -> AttentionMatrix {
    AttentionMatrix { deviation: matrix.minus_mean_row(), statistics: AttentionStatistics::of(&matrix), matrix }
}

fn flat_warning(layer: usize, statistics: &AttentionStatistics) -> Option<String> {
    (statistics.relative_entropy > FLAT).then(|| {
        format!(
            "layer {layer} is almost uniform (entropy {:.1} % of the largest), and rows differ from their mean by \
             {:.1} %: look at the deviation, not at the matrix",
            100.0 * statistics.relative_entropy,
            100.0 * statistics.query_dependence
        )
    })
}

/// The statistics without the mean row, which is a tensor.
fn statistics(of: &AttentionStatistics) -> Value {
    json!({
        "relative_entropy": of.relative_entropy,
        "smallest_relative_entropy": of.smallest_relative_entropy,
        "query_dependence": of.query_dependence,
        "largest_query_dependence": of.largest_query_dependence,
    })
}

fn rollout(
    traced: &TracedAttention,
    config: &AttentionRolloutConfig,
    cancellation: &Cancellation,
) -> Result<Explained> {
    let found = attention_rollout(&traced.layers, config, cancellation)?;
    let pooled = found.pooled();
    let diagnostics = json!({
        "checks": traced.checks,
        "rollout": statistics(&AttentionStatistics::of(&found.matrix)),
        "pooled": concentration(&pooled),
    });
    Ok(Explained {
        diagnostics,
        settings: json!({ "method": config }),
        warnings: traced.check_warnings(),
        evidence: Vec::new(),
        maps: MethodMaps::Rollout(RolloutMaps {
            grid_size: traced.grid_size,
            pooled,
            matrix: found.matrix,
            queries: fixed_query_positions([traced.grid_size; 2])?,
            gradient_weighted: false,
        }),
    })
}

fn weighted_rollout(explainer: &Explainer<'_>, question: Question<'_>, traced: &TracedAttention) -> Result<Explained> {
    let classes = [question.class; 2];
    let gradients = explainer.model.network.attention_gradients(explainer.pair(question.picture), &classes);
    let gradients: Vec<Tensor<3>> = gradients.iter().map(first).collect();
    let on_host: Vec<Vec<f64>> =
        gradients.iter().map(|layer| values_of(layer).into_iter().map(f64::from).collect()).collect();
    let found = gradient_rollout(&traced.layers, &on_host, &explainer.execution.cancellation)?;
    let pooled = found.pooled();
    let mut warnings = traced.check_warnings();
    if pooled.iter().all(|&value| value == 0.0) {
        warnings.push("no attention speaks for the class: the map is 0 everywhere".to_owned());
    }
    let named = |(layer, gradient): (usize, &Tensor<3>)| {
        let values = TensorValues { shape: gradient.dims().to_vec(), elements: Elements::F32(values_of(gradient)) };
        (format!("layer-{layer}/gradient"), values)
    };
    Ok(Explained {
        diagnostics: json!({ "checks": traced.checks, "pooled": concentration(&pooled) }),
        settings: json!({}),
        warnings,
        evidence: gradients.iter().enumerate().map(named).collect(),
        maps: MethodMaps::Rollout(RolloutMaps {
            grid_size: traced.grid_size,
            pooled,
            matrix: found.matrix,
            queries: fixed_query_positions([traced.grid_size; 2])?,
            gradient_weighted: true,
        }),
    })
}

/// How a map over the tokens is spread.
#[derive(Debug, Serialize)]
struct Concentration {
    largest: f64,
    mean: f64,
    smallest: f64,
}

fn concentration(map: &[f64]) -> Concentration {
    Concentration {
        largest: map.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        mean: map.iter().sum::<f64>() / map.len() as f64,
        smallest: map.iter().copied().fold(f64::INFINITY, f64::min),
    }
}

fn flow(traced: &TracedAttention, config: &AttentionFlowConfig, cancellation: &Cancellation) -> Result<Explained> {
    let flows = attention_flow(&traced.layers, None, config, cancellation)?;
    let pooled = flows.pooled();
    let mut warnings = traced.check_warnings();
    if flows.saturated_fraction > SATURATED {
        let share = 100.0 * flows.saturated_fraction;
        warnings.push(format!("{share:.0} % of the flows are at their bound and do not depend on the query"));
    }
    Ok(Explained {
        diagnostics: json!({
            "checks": traced.checks,
            "saturated_fraction": flows.saturated_fraction,
            "pooled": concentration(&pooled),
        }),
        settings: json!({ "method": config }),
        warnings,
        evidence: Vec::new(),
        maps: MethodMaps::Flow(FlowMap {
            grid_size: traced.grid_size,
            flows,
            pooled,
            queries: fixed_query_positions([traced.grid_size; 2])?,
        }),
    })
}

fn fixed_queries(explainer: &Explainer<'_>, question: Question<'_>, traced: &TracedAttention) -> Result<Explained> {
    let config = explainer.config.fixed_query.clone().unwrap_or_default();
    let queries = marked_tokens(explainer, question, traced, &config)?;
    let tokens: Vec<usize> = queries.iter().map(|query| query.token).collect();
    let layers = traced.layers.iter().map(|layer| fixed_query_maps(layer, &tokens, config.fusion));
    let layers = layers.collect::<Result<Vec<_>, ExplainError>>()?;
    let fused: Vec<AttentionStatistics> =
        traced.layers.iter().map(|layer| AttentionStatistics::of(&layer.fused(config.fusion))).collect();
    let mut warnings = traced.check_warnings();
    for (index, of_layer) in fused.iter().enumerate() {
        warnings.extend(flat_warning(index, of_layer));
    }
    let of_layers: Vec<Value> = fused.iter().map(statistics).collect();
    Ok(Explained {
        diagnostics: json!({ "checks": traced.checks, "queries": queries, "layers": of_layers }),
        settings: json!({ "method": config }),
        warnings,
        evidence: Vec::new(),
        maps: MethodMaps::FixedQueries(FixedQueryMaps {
            grid_size: traced.grid_size,
            queries,
            layers,
            mean_rows: traced.layers.iter().map(|layer| mean_row(layer, config.fusion)).collect(),
        }),
    })
}

fn mean_row(layer: &LayerAttention, fusion: HeadFusion) -> Vec<f64> {
    layer.fused(fusion).mean_row()
}

/// The tokens to show: centre, corners, those of the config, and the one of the largest attribution; each once.
fn marked_tokens(
    explainer: &Explainer<'_>,
    question: Question<'_>,
    traced: &TracedAttention,
    config: &FixedQueryConfig,
) -> Result<Vec<MarkedToken>> {
    const PLACES: [&str; 5] = ["centre", "top left", "top right", "bottom left", "bottom right"];
    let grid = [traced.grid_size; 2];
    let mut named: Vec<(usize, &str)> = fixed_query_positions(grid)?.into_iter().zip(PLACES).collect();
    named.extend(config.tokens.iter().map(|&token| (token, "chosen")));
    if config.largest_attribution {
        let execution = explainer.execution(question.seed);
        let target = Target::Class(question.class);
        let attribution = input_times_gradient(&explainer.differentiable(), question.picture, target, &execution)?;
        named.push((token_of_largest_attribution(&attribution, grid)?, "largest attribution"));
    }
    let mut marked: Vec<MarkedToken> = Vec::new();
    for (token, reason) in named {
        if token >= traced.tokens() {
            let tokens = traced.tokens();
            return Err(UsageError(format!("fixed-query: there is no token {token}, a picture has {tokens}")).into());
        }
        match marked.iter_mut().find(|mark| mark.token == token) {
            Some(mark) => mark.reason = format!("{}, {reason}", mark.reason),
            None => marked.push(MarkedToken { token, reason: reason.to_owned() }),
        }
    }
    Ok(marked)
}
