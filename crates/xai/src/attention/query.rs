use serde::Serialize;

use crate::attention::matrix::{HeadFusion, fuse};
use crate::attention::rows::AttentionRows;
use crate::error::ExplainError;

/// Where one token of one layer looks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryMap {
    /// The token that looks.
    pub query: usize,
    /// Its row in every head, each `[tokens]`.
    pub heads: Vec<Vec<f64>>,
    /// The heads fused, `[tokens]`.
    pub fused: Vec<f64>,
}

/// The attention of chosen tokens of one layer, per head and fused.
///
/// Of a [`LinearAttention`](crate::LinearAttention) each row costs `O(tokens · features)` and no matrix is formed.
///
/// # Errors
/// If there is no query, or no such token.
///
#[doc = include_str!("../../docs/methods/fixed-query.md")]
pub fn fixed_query_maps<A: AttentionRows + ?Sized>(
    layer: &A,
    queries: &[usize],
    fusion: HeadFusion,
) -> Result<Vec<QueryMap>, ExplainError> {
    if queries.is_empty() {
        return Err(ExplainError::Empty { what: "list of queries" });
    }
    queries.iter().map(|&query| query_map(layer, query, fusion)).collect()
}

fn query_map<A: AttentionRows + ?Sized>(layer: &A, query: usize, fusion: HeadFusion) -> Result<QueryMap, ExplainError> {
    let heads: Vec<Vec<f64>> =
        (0..layer.heads()).map(|head| layer.attention_row(head, query)).collect::<Result<_, _>>()?;
    let fused = (0..layer.tokens()).map(|token| fuse(fusion, heads.iter().map(|row| row[token]))).collect();
    Ok(QueryMap { query, heads, fused })
}
