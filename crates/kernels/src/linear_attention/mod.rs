//! Self-attention that is linear in the number of tokens (Katharopoulos et al., 2020).

mod columns;
mod feature_map;
pub(crate) mod flex;
pub(crate) mod heads;
mod options;
mod reference;

pub use feature_map::FeatureMap;
pub use options::LinearAttentionOptions;
pub use reference::linear_attention_reference;

use crate::fused::{self, FusedOps};
use burn::{backend::Dispatch, tensor::Tensor};
use reference::check;

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
