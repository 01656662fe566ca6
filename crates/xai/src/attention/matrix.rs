use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, require_count, require_finite, require_index, value_count};
use crate::execution::Cancellation;
use crate::scorer::read_tensor;

/// How far a row of attention may sum from 1. Softmax and linear attention in f32 stay within 1e-6 for hundreds of
/// tokens, so a larger deviation means that the matrix is not one of attention, or that it was computed in half precision,
/// whose rows may miss 1 by several thousandths.
const ROW_SUM_TOLERANCE: f64 = 1e-4;

/// How the heads of a layer become one matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadFusion {
    /// The mean over the heads, whose rows still sum to 1.
    #[default]
    Mean,
    /// The largest head at each entry; rows sum to 1 or more.
    Max,
    /// The smallest head at each entry; rows sum to 1 or less.
    Min,
}

/// A square matrix over tokens, row by row: entry `(i, j)` is what token `i` takes from token `j`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenMatrix {
    values: Vec<f64>,
    tokens: usize,
}

impl TokenMatrix {
    pub(crate) fn from_parts(values: Vec<f64>, tokens: usize) -> Self {
        debug_assert_eq!(values.len(), tokens * tokens);
        Self { values, tokens }
    }

    /// The matrix with ones on the diagonal.
    pub(crate) fn identity(tokens: usize) -> Self {
        let mut values = vec![0.0; tokens * tokens];
        values.iter_mut().step_by(tokens + 1).for_each(|value| *value = 1.0);
        Self { values, tokens }
    }

    /// The number of tokens.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The entries, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The row of one token.
    ///
    /// # Errors
    /// If there is no such token.
    pub fn row(&self, token: usize) -> Result<&[f64], ExplainError> {
        require_index("token", token, self.tokens)?;
        Ok(&self.values[token * self.tokens..(token + 1) * self.tokens])
    }

    /// The rows in turn.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.tokens)
    }

    /// The mean of the rows: what the mean of all tokens, which a pooled head sees, takes from each.
    pub fn mean_row(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.tokens];
        for row in self.rows() {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        for sum in &mut mean {
            *sum /= self.tokens as f64;
        }
        mean
    }

    /// The matrix minus the mean of its rows. Attention over many tokens tends to be flat, and this difference is the
    /// part that depends on the query.
    #[must_use]
    pub fn minus_mean_row(&self) -> Self {
        let mean = self.mean_row();
        let values = self.rows().flat_map(|row| row.iter().zip(&mean).map(|(value, mean)| value - mean)).collect();
        Self { values, tokens: self.tokens }
    }

    /// `(1 - residual) self + residual I` with rows scaled to sum to 1: what attention and the residual connection pass
    /// on together (Abnar and Zuidema 2020, section 3).
    ///
    /// # Errors
    /// If a row sums to 0, as the smallest head may.
    pub(crate) fn with_residual(&self, residual: f64) -> Result<Self, ExplainError> {
        let mut values = Vec::with_capacity(self.values.len());
        for (token, row) in self.rows().enumerate() {
            let start = values.len();
            values.extend(row.iter().map(|value| (1.0 - residual) * value));
            values[start + token] += residual;
            let sum: f64 = values[start..].iter().sum();
            if sum <= 0.0 {
                let expected = "a positive sum";
                return Err(ExplainError::Value {
                    what: "a row of fused attention",
                    position: token,
                    value: sum,
                    expected,
                });
            }
            values[start..].iter_mut().for_each(|value| *value /= sum);
        }
        Ok(Self { values, tokens: self.tokens })
    }

    /// The matrix product `self other`.
    ///
    /// # Errors
    /// If it is cancelled.
    pub(crate) fn times(&self, other: &Self, cancellation: &Cancellation) -> Result<Self, ExplainError> {
        let tokens = self.tokens;
        let mut values = vec![0.0; tokens * tokens];
        for (index, (row, result)) in self.rows().zip(values.chunks_exact_mut(tokens)).enumerate() {
            cancellation.check("rows of a product", index, tokens)?;
            for (&factor, other_row) in row.iter().zip(other.rows()) {
                result.iter_mut().zip(other_row).for_each(|(sum, value)| *sum += factor * value);
            }
        }
        Ok(Self { values, tokens })
    }
}

/// The attention of one layer over the tokens of one image, one matrix a head.
///
/// Entries are at least 0 and every row sums to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerAttention {
    values: Vec<f64>,
    heads: usize,
    tokens: usize,
}

impl LayerAttention {
    /// The attention with these values `[heads, tokens, tokens]`, in row-major order.
    ///
    /// # Errors
    /// If their number does not fit, one is negative or not finite, or a row does not sum to 1 within 0.0001.
    pub fn new(values: Vec<f64>, heads: usize, tokens: usize) -> Result<Self, ExplainError> {
        if heads == 0 || tokens == 0 {
            return Err(ExplainError::Empty { what: "attention" });
        }
        require_count("attention", values.len(), value_count("attention", &[heads, tokens, tokens])?)?;
        require_finite("attention", &values)?;
        if let Some(position) = values.iter().position(|&value| value < 0.0) {
            let (what, expected) = ("attention", "no negative number");
            return Err(ExplainError::Value { what, position, value: values[position], expected });
        }
        for (index, row) in values.chunks_exact(tokens).enumerate() {
            let sum: f64 = row.iter().sum();
            if (sum - 1.0).abs() > ROW_SUM_TOLERANCE {
                let (head, query, tolerance) = (index / tokens, index % tokens, ROW_SUM_TOLERANCE);
                return Err(ExplainError::AttentionRow { head, query, sum, tolerance });
            }
        }
        Ok(Self { values, heads, tokens })
    }

    /// The attention in a tensor `[heads, tokens, tokens]` of any device.
    ///
    /// # Errors
    /// As [`LayerAttention::new`], or if the matrices are not square or the device fails.
    pub fn from_tensor(attention: Tensor<3>) -> Result<Self, ExplainError> {
        let [heads, queries, keys] = attention.dims();
        crate::error::require_shape("attention", &[heads, queries, keys], &[heads, queries, queries])?;
        let values = read_tensor("the attention", attention)?;
        Self::new(values.into_iter().map(f64::from).collect(), heads, queries)
    }

    /// The attention of every image of a batch `[batch, heads, tokens, tokens]`.
    ///
    /// # Errors
    /// As [`LayerAttention::from_tensor`].
    pub fn from_batch(attention: &Tensor<4>) -> Result<Vec<Self>, ExplainError> {
        let [batch, heads, queries, keys] = attention.dims();
        (0..batch)
            .map(|image| Self::from_tensor(attention.clone().narrow(0, image, 1).reshape([heads, queries, keys])))
            .collect()
    }

    /// The number of heads.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// The number of tokens.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The values `[heads, tokens, tokens]`.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The matrix of one head.
    ///
    /// # Errors
    /// If there is no such head.
    pub fn head(&self, head: usize) -> Result<TokenMatrix, ExplainError> {
        require_index("head", head, self.heads)?;
        let size = self.tokens * self.tokens;
        Ok(TokenMatrix::from_parts(self.values[head * size..(head + 1) * size].to_vec(), self.tokens))
    }

    /// One matrix of all heads.
    pub fn fused(&self, fusion: HeadFusion) -> TokenMatrix {
        let size = self.tokens * self.tokens;
        let heads: Vec<&[f64]> = self.values.chunks_exact(size).collect();
        let values = (0..size).map(|entry| fuse(fusion, heads.iter().map(|head| head[entry]))).collect();
        TokenMatrix::from_parts(values, self.tokens)
    }
}

/// One value of those of all heads, of which there is at least one.
pub(crate) fn fuse(fusion: HeadFusion, heads: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = heads.len() as f64;
    match fusion {
        HeadFusion::Mean => heads.sum::<f64>() / count,
        HeadFusion::Max => heads.fold(f64::NEG_INFINITY, f64::max),
        HeadFusion::Min => heads.fold(f64::INFINITY, f64::min),
    }
}

/// The matrices of several layers with heads fused and the residual connection added, and their number of tokens.
///
/// # Errors
/// If there is no layer, or the layers do not see the same tokens.
pub(crate) fn residual_matrices(
    layers: &[LayerAttention],
    fusion: HeadFusion,
    residual: f64,
) -> Result<Vec<TokenMatrix>, ExplainError> {
    require_same_tokens(layers)?;
    layers.iter().map(|layer| layer.fused(fusion).with_residual(residual)).collect()
}

/// Requires at least one layer, all of them over equally many tokens; returns that number.
pub(crate) fn require_same_tokens(layers: &[LayerAttention]) -> Result<usize, ExplainError> {
    let first = layers.first().ok_or(ExplainError::Empty { what: "list of layers" })?;
    for layer in layers {
        require_count("a layer's token grid", layer.tokens(), first.tokens())?;
    }
    Ok(first.tokens())
}
