//! Checks of shapes that are shared by the operations. Like burn's own, they panic: a wrong shape is a mistake in the
//! program, not in its data.

use burn::tensor::Tensor;

/// Panics unless a per-channel vector has one element per channel of `x`.
pub(crate) fn channels(operation: &str, name: &str, vector: &Tensor<1>, dims: &[usize]) {
    let channels = dims.last().copied().unwrap_or(0);
    let [length] = vector.dims();
    assert!(
        length == channels,
        "{operation}: {name} has {length} elements, but the input {dims:?} has {channels} channels"
    );
}
