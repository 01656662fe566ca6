use super::options::{HeadWidths, LinearAttentionOptions};
use burn::tensor::Tensor;

/// [`linear_attention`](super::linear_attention()) in stock burn operations.
///
/// # Panics
///
/// As [`linear_attention`](super::linear_attention()).
#[expect(clippy::needless_pass_by_value, reason = "it takes what the fused operation takes")]
pub fn linear_attention_reference(qkv: Tensor<3>, options: LinearAttentionOptions) -> Tensor<3> {
    check(&qkv, options);
    let LinearAttentionOptions { heads, feature_map, .. } = options;
    let [batch, tokens, columns] = qkv.dims();
    let HeadWidths { keys, values } = options.widths(columns);
    // [batch, heads, tokens, width]
    let part = |start: usize, width: usize| {
        let columns = qkv.clone().narrow(2, start, heads * width);
        columns.reshape([batch, tokens, heads, width]).permute([0, 2, 1, 3])
    };
    let query = feature_map.apply(part(0, keys));
    let key = feature_map.apply(part(heads * keys, keys));
    let value = part(2 * heads * keys, values);
    let key_sum = key.clone().sum_dim(2).swap_dims(2, 3); // [batch, heads, keys, 1]
    let key_value = key.swap_dims(2, 3).matmul(value); // [batch, heads, keys, values]
    let output = query.clone().matmul(key_value) / query.matmul(key_sum);
    output.permute([0, 2, 1, 3]).reshape([batch, tokens, heads * values])
}

/// Panics as the operation does.
pub(super) fn check(qkv: &Tensor<3>, options: LinearAttentionOptions) {
    let dims = qkv.dims();
    let LinearAttentionOptions { heads, key_width, .. } = options;
    assert!(dims.iter().all(|&size| size > 0), "linear_attention: the input {dims:?} is empty");
    match key_width {
        None => assert!(
            heads > 0 && dims[2].is_multiple_of(3 * heads),
            "linear_attention: the last dimension of the input {dims:?} is not a multiple of 3 × {heads} heads"
        ),
        Some(keys) => assert!(
            heads > 0 && keys > 0 && dims[2].is_multiple_of(heads) && dims[2] / heads > 2 * keys,
            "linear_attention: the last dimension of the input {dims:?} is not {heads} heads of queries and keys of {keys} \
             columns, and values"
        ),
    }
}
