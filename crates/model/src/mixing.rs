//! How tokens are mixed by attention.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use tinylsa_kernels::linear_attention;

use crate::config::{AttentionKind, FeatureMap};

/// How a block mixes its tokens; no weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixing {
    pub(crate) heads: usize,
    pub(crate) kind: AttentionKind,
    pub(crate) feature_map: FeatureMap,
}

/// Queries, keys and values, one slice a head: `[batch, heads, tokens, width / heads]` each.
pub(crate) struct Projections {
    pub(crate) queries: Tensor<4>,
    pub(crate) keys: Tensor<4>,
    pub(crate) values: Tensor<4>,
}

impl Mixing {
    /// # Shapes
    /// - projected: `[batch, tokens, 3 · width]`, the columns in the order queries, keys, values
    /// - output: `[batch, tokens, width]`
    pub(crate) fn attend(&self, projected: Tensor<3>) -> Tensor<3> {
        match self.kind {
            AttentionKind::Linear => linear_attention(projected, self.heads, self.feature_map.into()),
            AttentionKind::Softmax => {
                let heads = self.split(&projected);
                let attention = softmax_attention(heads.queries, heads.keys);
                join_heads(attention.matmul(heads.values))
            }
        }
    }

    /// One slice a head of the projected tokens.
    pub(crate) fn split(&self, projected: &Tensor<3>) -> Projections {
        let [batch, tokens, columns] = projected.dims();
        let width = columns / 3;
        let part = |index: usize| {
            self.split_heads(projected.clone().slice([0..batch, 0..tokens, index * width..(index + 1) * width]))
        };
        Projections { queries: part(0), keys: part(1), values: part(2) }
    }

    /// `[batch, tokens, width]` to one slice a head, `[batch, heads, tokens, width / heads]`.
    pub(crate) fn split_heads(&self, tokens: Tensor<3>) -> Tensor<4> {
        let [batch, count, width] = tokens.dims();
        tokens.reshape([batch, count, self.heads, width / self.heads]).swap_dims(1, 2)
    }
}

/// `softmax(Q Kᵀ / √d)`: `[batch, heads, tokens, tokens]`.
pub(crate) fn softmax_attention(queries: Tensor<4>, keys: Tensor<4>) -> Tensor<4> {
    let width = queries.dims()[3];
    softmax(queries.matmul(keys.transpose()) / (width as f64).sqrt(), 3)
}

/// `[batch, heads, tokens, d]` to `[batch, tokens, heads · d]`.
fn join_heads(context: Tensor<4>) -> Tensor<3> {
    let [batch, heads, tokens, width] = context.dims();
    context.swap_dims(1, 2).reshape([batch, tokens, heads * width])
}

impl From<FeatureMap> for tinylsa_kernels::FeatureMap {
    fn from(map: FeatureMap) -> Self {
        match map {
            FeatureMap::EluPlusOne => Self::EluPlusOne,
            FeatureMap::Relu => Self::Relu,
            FeatureMap::Softplus => Self::Softplus,
        }
    }
}
