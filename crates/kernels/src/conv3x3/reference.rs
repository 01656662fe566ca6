use burn::tensor::{Tensor, module::conv2d, ops::ConvOptions};

/// [`conv3x3`](super::conv3x3()) in stock burn operations: a permutation to channels-first, `conv2d`, and back.
///
/// # Panics
///
/// As [`conv3x3`](super::conv3x3()).
pub fn conv3x3_reference(x: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4> {
    check("conv3x3_reference", &x, &weight, stride);
    let options = ConvOptions::new([stride, stride], [1, 1], [1, 1], 1);
    conv2d(x.permute([0, 3, 1, 2]), weight, None, options).permute([0, 2, 3, 1])
}

/// Panics as the operation does.
pub(crate) fn check(operation: &str, x: &Tensor<4>, weight: &Tensor<4>, stride: usize) {
    let (input, kernel) = (x.dims(), weight.dims());
    assert!(matches!(stride, 1 | 2), "{operation}: the stride is 1 or 2, got {stride}");
    assert!(input.iter().all(|&size| size > 0), "{operation}: the input {input:?} is empty");
    assert!(
        kernel[1..] == [input[3], 3, 3] && kernel[0] > 0,
        "{operation}: the weight {kernel:?} does not fit the input {input:?}, expected [channels_out, {}, 3, 3]",
        input[3]
    );
}
