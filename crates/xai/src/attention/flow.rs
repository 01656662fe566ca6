use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};
use tracing::info_span;

use crate::attention::grid::TokenGrid;
use crate::attention::matrix::{HeadFusion, LayerAttention, TokenMatrix, residual_matrices};
use crate::attention::max_flow::{LayeredNetwork, MaxFlow};
use crate::attention::rollout::weighted_sum;
use crate::error::{ExplainError, require_count, require_index};
use crate::execution::Cancellation;

/// How close to its bound a flow counts as saturated, relative to the bound.
const SATURATION_TOLERANCE: f64 = 1e-9;

/// Attention flow (Abnar and Zuidema 2020, section 3): how much can flow from a token after the last layer to a token
/// before the first, if the edge from `(l, i)` to `(l − 1, j)` has the capacity `Â_l[i, j]` of [`attention_rollout`].
///
/// Every pair of query and input token is a maximum flow of its own, and the capacities of nodes are not bounded. One
/// layer is its own flow; two layers have the closed form `F[u, v] = Σ_m min(Â₂[u, m], Â₁[m, v])`; more are solved.
/// Whatever the depth, a flow is at most what leaves the query, 1, and at most what enters the input token,
/// `Σ_m Â₁[m, v]`. Flat attention puts most pairs at that bound, and then the map is the same for every query:
/// [`FlowMaps::saturated_fraction`] says how many.
///
/// [`attention_rollout`]: crate::attention_rollout
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttentionFlowConfig {
    /// The share of the residual connection in each layer, 0 to 1.
    pub residual: f64,
    /// How heads become one.
    pub fusion: HeadFusion,
}

impl Default for AttentionFlowConfig {
    /// Half of each layer is the residual connection, heads are averaged.
    fn default() -> Self {
        Self { residual: 0.5, fusion: HeadFusion::Mean }
    }
}

impl AttentionFlowConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first one that is outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("residual", self.residual, 0.0..=1.0)
    }
}

/// The flows from the given tokens, or from every token if `queries` is `None`, for layers in the order in which the
/// image passes through them.
///
/// # Errors
/// If a setting is out of range, there is no layer or no query, the layers differ in their number of tokens, a query is
/// no token, or the call is cancelled.
///
#[doc = include_str!("../../docs/methods/attention-flow.md")]
pub fn attention_flow(
    layers: &[LayerAttention],
    queries: Option<&[usize]>,
    config: &AttentionFlowConfig,
    cancellation: &Cancellation,
) -> Result<FlowMaps, ExplainError> {
    config.validate()?;
    let matrices = residual_matrices(layers, config.fusion, config.residual)?;
    let tokens = matrices[0].tokens();
    let queries = queries.map_or_else(|| (0..tokens).collect(), <[usize]>::to_vec);
    if queries.is_empty() {
        return Err(ExplainError::Empty { what: "list of queries" });
    }
    queries.iter().try_for_each(|&query| require_index("token", query, tokens))?;
    let pairs = queries.len() * tokens;
    let _span = info_span!("explain", what = "attention flows", total = pairs).entered();
    cancellation.check("attention flows", 0, pairs)?;
    let flows = match matrices.as_slice() {
        [only] => rows_of(only, &queries).flatten().copied().collect(),
        [first, last] => two_layer_flows(first, last, &queries, cancellation)?,
        _ => solved_flows(&matrices, &queries, cancellation)?,
    };
    let saturated_fraction = saturated(&flows, &matrices, &queries) as f64 / pairs as f64;
    Ok(FlowMaps { queries, tokens, flows, saturated_fraction })
}

/// The flows from some tokens after the last layer to every token before the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlowMaps {
    /// The tokens from which the flows start.
    pub queries: Vec<usize>,
    /// The number of tokens.
    pub tokens: usize,
    /// The flows `[queries, tokens]`, not normalised.
    pub flows: Vec<f64>,
    /// The share of the pairs whose flow is `min(1, Σ_m Â₁[m, v])`, which does not depend on the query. Near 1 the map
    /// says where attention goes in the first layer and nothing about the query.
    pub saturated_fraction: f64,
}

impl FlowMaps {
    /// The flows of the query at this place of `queries`, scaled to sum to 1; zeros stay zeros.
    ///
    /// # Errors
    /// If there is no such place.
    pub fn normalised(&self, place: usize) -> Result<Vec<f64>, ExplainError> {
        require_index("query", place, self.queries.len())?;
        let flows = &self.flows[place * self.tokens..(place + 1) * self.tokens];
        let sum: f64 = flows.iter().sum();
        Ok(if sum > 0.0 { flows.iter().map(|flow| flow / sum).collect() } else { flows.to_vec() })
    }

    /// The map `[rows, columns]` of what the classifying head reads: the normalised map of the class token, the first
    /// token, if the grid has prefix tokens, and else the mean of the normalised maps of all queries, which is that of a
    /// head that averages all tokens if all of them are queries.
    ///
    /// # Errors
    /// If the grid has another number of tokens, or prefix tokens while the first token is no query.
    pub fn pooled(&self, grid: TokenGrid) -> Result<Vec<f64>, ExplainError> {
        if grid.prefix == 0 {
            return Ok(grid.restrict(&self.mean_of_queries())?.to_vec());
        }
        let place = self.queries.iter().position(|&query| query == 0).ok_or(ExplainError::Undefined {
            what: "the flow of the class token",
            reason: "the class token is none of the queries",
        })?;
        Ok(grid.restrict(&self.normalised(place)?)?.to_vec())
    }

    /// The map `[rows, columns]` of a head that counts the tokens by weights of its own, such as the attention of a class:
    /// the normalised maps of the queries, each times the weight of its token.
    ///
    /// # Errors
    /// If not all tokens are queries, there is not one weight for each, or the grid has another number of tokens.
    pub fn weighted(&self, weights: &[f64], grid: TokenGrid) -> Result<Vec<f64>, ExplainError> {
        require_count("the weights of the tokens", weights.len(), self.tokens)?;
        require_count("the queries of the flows", self.queries.len(), self.tokens)?;
        let normalised = (0..self.queries.len()).map(|place| self.normalised(place)).collect::<Result<Vec<_>, _>>()?;
        let of_queries: Vec<f64> = self.queries.iter().map(|&query| weights[query]).collect();
        Ok(grid.restrict(&weighted_sum(normalised.iter().map(Vec::as_slice), &of_queries))?.to_vec())
    }

    fn mean_of_queries(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.tokens];
        for flows in self.flows.chunks_exact(self.tokens) {
            let sum: f64 = flows.iter().sum();
            let share = if sum > 0.0 { 1.0 / (sum * self.queries.len() as f64) } else { 0.0 };
            mean.iter_mut().zip(flows).for_each(|(mean, flow)| *mean += share * flow);
        }
        mean
    }
}

fn rows_of<'a>(matrix: &'a TokenMatrix, queries: &'a [usize]) -> impl Iterator<Item = &'a [f64]> {
    let tokens = matrix.tokens();
    queries.iter().map(move |query| &matrix.values()[query * tokens..(query + 1) * tokens])
}

/// `F[u, v] = Σ_m min(Â₂[u, m], Â₁[m, v])`: the ways through different tokens share no edge.
fn two_layer_flows(
    first: &TokenMatrix,
    last: &TokenMatrix,
    queries: &[usize],
    cancellation: &Cancellation,
) -> Result<Vec<f64>, ExplainError> {
    let tokens = first.tokens();
    let mut flows = vec![0.0; queries.len() * tokens];
    let rows: Vec<&[f64]> = rows_of(last, queries).collect();
    flows.par_chunks_exact_mut(tokens).zip(rows).enumerate().try_for_each(|(index, (flows, last_row))| {
        cancellation.check("attention flows", index * tokens, queries.len() * tokens)?;
        for (&leaving, first_row) in last_row.iter().zip(first.rows()) {
            // a comparison that compiles to one vector instruction, which `f64::min` with its care for NaN does not
            let smaller = |entering: f64| if entering < leaving { entering } else { leaving };
            flows.iter_mut().zip(first_row).for_each(|(flow, &entering)| *flow += smaller(entering));
        }
        Ok::<(), ExplainError>(())
    })?;
    Ok(flows)
}

/// One maximum flow for each query and input token, shared out over the threads of the current rayon pool.
fn solved_flows(
    matrices: &[TokenMatrix],
    queries: &[usize],
    cancellation: &Cancellation,
) -> Result<Vec<f64>, ExplainError> {
    let tokens = matrices[0].tokens();
    let network = LayeredNetwork::new(matrices);
    let pairs = queries.len() * tokens;
    let done = AtomicUsize::new(0);
    (0..pairs)
        .into_par_iter()
        .map_init(
            || MaxFlow::new(&network),
            |solver, pair| {
                let before = done.load(Ordering::Relaxed);
                let check = || cancellation.check("attention flows", before, pairs);
                let flow = solver.solve(queries[pair / tokens], pair % tokens, check)?;
                done.fetch_add(1, Ordering::Relaxed);
                Ok(flow)
            },
        )
        .collect()
}

/// How many flows reach the smaller of what leaves the query and what enters the input token.
fn saturated(flows: &[f64], matrices: &[TokenMatrix], queries: &[usize]) -> usize {
    let tokens = matrices[0].tokens();
    let mut entering = vec![0.0; tokens];
    for row in matrices[0].rows() {
        entering.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let last = &matrices[matrices.len() - 1];
    let mut count = 0;
    for (flows, leaving) in flows.chunks_exact(tokens).zip(rows_of(last, queries)) {
        let leaving: f64 = leaving.iter().sum();
        let reaches = |(flow, entering): (&f64, &f64)| *flow >= leaving.min(*entering) * (1.0 - SATURATION_TOLERANCE);
        count += flows.iter().zip(&entering).filter(|&pair| reaches(pair)).count();
    }
    count
}
