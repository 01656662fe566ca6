//! How tokens are mixed by attention.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use tinylsa_kernels::{LinearAttentionOptions, linear_attention};

use crate::architecture::MixingSpec;
use crate::config::{AttentionKind, FeatureMap};

/// How a block mixes its tokens; no weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixing {
    pub(crate) heads: usize,
    /// Columns of the queries and of the keys of a head.
    pub(crate) key_width: usize,
    /// Columns of the values of all heads.
    pub(crate) width: usize,
    pub(crate) kind: AttentionKind,
    pub(crate) feature_map: FeatureMap,
}

/// Queries and keys, `[batch, heads, tokens, key width]` each, and values, `[batch, heads, tokens, width / heads]`.
pub(crate) struct Projections {
    pub(crate) queries: Tensor<4>,
    pub(crate) keys: Tensor<4>,
    pub(crate) values: Tensor<4>,
}

impl Mixing {
    pub(crate) fn new(spec: &MixingSpec) -> Self {
        let &MixingSpec { heads, key_width, width, kind, feature_map, .. } = spec;
        Self { heads, key_width, width, kind, feature_map }
    }

    /// # Shapes
    /// - projected: `[batch, tokens, 2 · heads · key width + width]`, the columns in the order queries, keys, values
    /// - output: `[batch, tokens, width]`
    pub(crate) fn attend(&self, projected: Tensor<3>) -> Tensor<3> {
        match self.kind {
            AttentionKind::Linear => {
                let Self { heads, key_width, feature_map, .. } = *self;
                let feature_map = feature_map.into();
                linear_attention(projected, LinearAttentionOptions { heads, key_width: Some(key_width), feature_map })
            }
            AttentionKind::Softmax => {
                let heads = self.split(&projected);
                let attention = softmax_attention(heads.queries, heads.keys);
                join_heads(attention.matmul(heads.values))
            }
        }
    }

    /// One slice a head of the projected tokens.
    pub(crate) fn split(&self, projected: &Tensor<3>) -> Projections {
        let keys = self.heads * self.key_width;
        let part = |start: usize| self.split_heads(projected.clone().narrow(2, start, keys));
        Projections { queries: part(0), keys: part(keys), values: self.split_heads(self.values(projected)) }
    }

    /// The values of all heads, `[batch, tokens, width]`.
    pub(crate) fn values(&self, projected: &Tensor<3>) -> Tensor<3> {
        projected.clone().narrow(2, 2 * self.heads * self.key_width, self.width)
    }

    /// `[batch, tokens, columns]` to one slice a head, `[batch, heads, tokens, columns / heads]`.
    pub(crate) fn split_heads(&self, tokens: Tensor<3>) -> Tensor<4> {
        let [batch, count, columns] = tokens.dims();
        tokens.reshape([batch, count, self.heads, columns / self.heads]).swap_dims(1, 2)
    }
}

/// `softmax(Q Kᵀ / √d)`: `[batch, heads, tokens, tokens]`.
pub(crate) fn softmax_attention(queries: Tensor<4>, keys: Tensor<4>) -> Tensor<4> {
    let width = queries.dims()[3];
    softmax(queries.matmul(keys.transpose()) / (width as f64).sqrt(), 3)
}

/// `[batch, heads, tokens, d]` to `[batch, tokens, heads · d]`.
pub(crate) fn join_heads(context: Tensor<4>) -> Tensor<3> {
    let [batch, heads, tokens, width] = context.dims();
    context.swap_dims(1, 2).reshape([batch, tokens, heads * width])
}

impl From<FeatureMap> for tinylsa_kernels::FeatureMap {
    fn from(map: FeatureMap) -> Self {
        match map {
            FeatureMap::EluPlusOne => Self::EluPlusOne,
            FeatureMap::Relu => Self::Relu,
            FeatureMap::Softplus => Self::Softplus,
            FeatureMap::Exp => Self::Exp,
            FeatureMap::SharpExp => Self::SharpExp,
        }
    }
}
