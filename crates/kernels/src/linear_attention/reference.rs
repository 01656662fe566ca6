use super::FeatureMap;
use burn::tensor::{Tensor, s};

/// [`linear_attention`](super::linear_attention()) in stock burn operations.
///
/// # Panics
///
/// As [`linear_attention`](super::linear_attention()).
pub fn linear_attention_reference(qkv: Tensor<3>, heads: usize, feature_map: FeatureMap) -> Tensor<3> {
    check(&qkv, heads);
    let [batch, tokens, columns] = qkv.dims();
    let width = columns / (3 * heads);
    let split = qkv.reshape([batch, tokens, 3 * heads, width]).permute([0, 2, 1, 3]); // [batch, 3 * heads, tokens, width]
    let query = feature_map.apply(split.clone().slice(s![.., 0..heads]));
    let key = feature_map.apply(split.clone().slice(s![.., heads..2 * heads]));
    let value = split.slice(s![.., 2 * heads..3 * heads]);
    let key_sum = key.clone().sum_dim(2).swap_dims(2, 3); // [batch, heads, width, 1]
    let key_value = key.swap_dims(2, 3).matmul(value); // [batch, heads, width, width]
    let output = query.clone().matmul(key_value) / query.matmul(key_sum);
    output.permute([0, 2, 1, 3]).reshape([batch, tokens, heads * width])
}

/// Panics as the operation does.
pub(super) fn check(qkv: &Tensor<3>, heads: usize) {
    let dims = qkv.dims();
    assert!(dims.iter().all(|&size| size > 0), "linear_attention: the input {dims:?} is empty");
    assert!(
        heads > 0 && dims[2].is_multiple_of(3 * heads),
        "linear_attention: the last dimension of the input {dims:?} is not a multiple of 3 × {heads} heads"
    );
}
