use serde::Serialize;

use crate::attention::linear::LinearAttention;
use crate::attention::matrix::{HeadFusion, LayerAttention, fuse};
use crate::error::{ExplainError, require_index};

/// Attention whose rows can be had one at a time.
pub trait AttentionRows {
    /// The number of heads.
    fn heads(&self) -> usize;

    /// The number of tokens.
    fn tokens(&self) -> usize;

    /// What the token `query` takes from every token in one head.
    ///
    /// # Errors
    /// If there is no such head or token.
    fn attention_row(&self, head: usize, query: usize) -> Result<Vec<f64>, ExplainError>;
}

impl AttentionRows for LayerAttention {
    fn heads(&self) -> usize {
        self.heads()
    }

    fn tokens(&self) -> usize {
        self.tokens()
    }

    fn attention_row(&self, head: usize, query: usize) -> Result<Vec<f64>, ExplainError> {
        require_index("head", head, self.heads())?;
        require_index("token", query, self.tokens())?;
        let start = (head * self.tokens() + query) * self.tokens();
        Ok(self.values()[start..start + self.tokens()].to_vec())
    }
}

impl AttentionRows for LinearAttention {
    fn heads(&self) -> usize {
        self.heads()
    }

    fn tokens(&self) -> usize {
        self.tokens()
    }

    fn attention_row(&self, head: usize, query: usize) -> Result<Vec<f64>, ExplainError> {
        self.row(head, query)
    }
}

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
/// Of a [`LinearAttention`] each row costs `O(tokens · features)` and no matrix is formed.
///
/// # Errors
/// If there is no query, or no such token.
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
