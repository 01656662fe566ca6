//! Self-attention that is linear in the number of tokens (Katharopoulos et al., 2020).

mod columns;
mod feature_map;
pub(crate) mod flex;
pub(crate) mod heads;
mod reference;

pub use feature_map::FeatureMap;
pub use reference::linear_attention_reference;

use crate::fused::{self, FusedOps};
use burn::{backend::Dispatch, tensor::Tensor};
use reference::check;

/// What a [`linear_attention`](linear_attention()) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearAttentionOptions {
    /// Number of heads.
    pub heads: usize,
    /// Columns of the queries and of the keys of a head; left out, as many as the values of a head have.
    pub key_width: Option<usize>,
    /// The map φ.
    pub feature_map: FeatureMap,
}

/// Columns of a head.
#[derive(Clone, Copy)]
pub(crate) struct HeadWidths {
    /// Of the queries, and of the keys.
    pub keys: usize,
    /// Of the values.
    pub values: usize,
}

impl LinearAttentionOptions {
    /// Heads whose keys are as wide as their values.
    pub fn new(heads: usize, feature_map: FeatureMap) -> Self {
        Self { heads, key_width: None, feature_map }
    }

    /// Of a number of columns that fits.
    pub(crate) fn widths(self, columns: usize) -> HeadWidths {
        let of_head = columns / self.heads;
        match self.key_width {
            None => HeadWidths { keys: of_head / 3, values: of_head / 3 },
            Some(keys) => HeadWidths { keys, values: of_head - 2 * keys },
        }
    }
}

/// Multi-head linear self-attention over all tokens of an image.
///
/// The similarity of a query and a key is the inner product of their feature maps, so the sums over the keys are
/// formed once per head instead of once per query:
/// `y_i = φ(q_i)ᵀ Σ_j φ(k_j) v_jᵀ / (φ(q_i)ᵀ Σ_j φ(k_j))`. The implied attention weights
/// `φ(q_i)ᵀ φ(k_j) / Σ_m φ(q_i)ᵀ φ(k_m)` are never negative and add to one.
///
/// # Shapes
///
/// - `qkv`: `[batch, tokens, 2 * keys + features]`, the columns being queries, keys and values in this order. Head `h` uses
///   the columns from `h * d` to `(h + 1) * d` of each, with `d = key_width` of the queries and keys, `keys = heads * key_width`,
///   and `d = features / heads` of the values. With `key_width` left out, `keys = features`.
/// - returns `[batch, tokens, features]`
///
/// # Panics
///
/// If the last dimension does not fit the heads, or `qkv` is empty.
pub fn linear_attention(qkv: Tensor<3>, options: LinearAttentionOptions) -> Tensor<3> {
    check(&qkv, options);
    if fused::takes(&qkv) {
        Tensor::from_dispatch(Dispatch::linear_attention(qkv.into_dispatch(), options))
    } else {
        linear_attention_reference(qkv, options)
    }
}
