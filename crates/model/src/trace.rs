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
    /// What the head did with the tokens behind the last block.
    pub readout: Readout,
    /// Rows of the token grid.
    pub rows: usize,
    /// Columns of the token grid; token `i` lies in row `i / columns`, column `i % columns`.
    pub columns: usize,
}

/// How the logits come from the tokens: `logit_c = b_c + Σ_j A_cj (w_c · z_j)` with the normalised tokens `z`.
#[derive(Clone, Debug)]
pub struct Readout {
    /// A, how much each class counts each token: `[batch, classes, tokens]`. At least 0, rows sum to 1; all the same for a
    /// head that takes the mean.
    pub attention: Tensor<3>,
    /// `A_cj (w_c · z_j)`: `[batch, classes, tokens]`. What each token says for each class; rows sum to the logit less the
    /// class's bias.
    pub evidence: Tensor<3>,
    /// b: `[classes]`.
    pub bias: Tensor<1>,
}

/// What one attention layer did.
///
/// For linear attention the matrix is recovered exactly from the linear form (Katharopoulos et al. 2020, equation 4
/// with equation 5): `A_ij = φ(q_i)·φ(k_j) / φ(q_i)·Σ_j φ(k_j)`. Its rows sum to 1, and `A · values` is `context` up to
/// the rounding of `f32`.
#[derive(Clone, Debug)]
pub struct LayerTrace {
    /// φ(Q) for linear attention, `Q / √key width` for softmax attention: `[batch, heads, tokens, key width]`.
    pub queries: Tensor<4>,
    /// φ(K) for linear attention, K for softmax attention: `[batch, heads, tokens, key width]`.
    pub keys: Tensor<4>,
    /// V: `[batch, heads, tokens, width / heads]`.
    pub values: Tensor<4>,
    /// A, a row for each query: `[batch, heads, tokens, tokens]`.
    pub attention: Tensor<4>,
    /// A · V as the layer itself computed it, before the local convolution, the gate and the output projection:
    /// `[batch, heads, tokens, width / heads]`.
    pub context: Tensor<4>,
}

impl LayerTrace {
    /// # Shapes
    /// - projected: `[batch, tokens, 2 · heads · key width + width]`
    /// - context: `[batch, tokens, width]`
    pub(crate) fn new(mixing: &Mixing, projected: &Tensor<3>, context: Tensor<3>) -> Self {
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
                let scale = (mixing.key_width as f64).sqrt();
                Self { queries: heads.queries / scale, keys: heads.keys, values: heads.values, attention, context }
            }
        }
    }
}
