use burn::tensor::Tensor;

use crate::config::AttentionKind;
use crate::mixing::{Mixing, softmax_attention};

/// The logits of a forward pass and what every attention layer did.
#[derive(Clone, Debug)]
pub struct Trace {
    /// `[batch, classes]`
    pub logits: Tensor<2>,
    /// One entry a block, the first block first.
    pub layers: Vec<LayerTrace>,
    /// Rows of the token grid.
    pub rows: usize,
    /// Columns of the token grid; token `i` lies in row `i / columns`, column `i % columns`.
    pub columns: usize,
}

/// What one attention layer did.
///
/// For linear attention the matrix is recovered exactly from the linear form (Katharopoulos et al. 2020, equation 4
/// with equation 5): `A_ij = φ(q_i)·φ(k_j) / φ(q_i)·Σ_j φ(k_j)`. Its rows sum to 1, and `A · values` is `context` up to
/// the rounding of `f32`.
#[derive(Clone, Debug)]
pub struct LayerTrace {
    /// φ(Q) for linear attention, `Q / √d` for softmax attention: `[batch, heads, tokens, d]`.
    pub queries: Tensor<4>,
    /// φ(K) for linear attention, K for softmax attention: `[batch, heads, tokens, d]`.
    pub keys: Tensor<4>,
    /// V: `[batch, heads, tokens, d]`.
    pub values: Tensor<4>,
    /// A, a row for each query: `[batch, heads, tokens, tokens]`.
    pub attention: Tensor<4>,
    /// What the layer itself computed, before the output projection: `[batch, heads, tokens, d]`.
    pub context: Tensor<4>,
}

impl LayerTrace {
    /// # Shapes
    /// - projected: `[batch, tokens, 3 · width]`
    /// - context: `[batch, tokens, width]`
    pub(crate) fn new(mixing: &Mixing, projected: &Tensor<3>, context: Tensor<3>) -> Self {
        let width = context.dims()[2];
        let context = mixing.split_heads(context);
        let heads = mixing.split(projected);
        match mixing.kind {
            AttentionKind::Linear => {
                let feature_map = tinylsa_kernels::FeatureMap::from(mixing.feature_map);
                let queries = feature_map.apply(heads.queries);
                let keys = feature_map.apply(heads.keys);
                let similarity = queries.clone().matmul(keys.clone().transpose());
                let attention = similarity.clone() / similarity.sum_dim(3);
                Self { queries, keys, values: heads.values, attention, context }
            }
            AttentionKind::Softmax => {
                let attention = softmax_attention(heads.queries.clone(), heads.keys.clone());
                let scale = ((width / mixing.heads) as f64).sqrt();
                Self { queries: heads.queries / scale, keys: heads.keys, values: heads.values, attention, context }
            }
        }
    }
}
