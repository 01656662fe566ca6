use burn::tensor::{Tensor, module::conv2d, ops::ConvOptions};

/// [`conv3x3`](super::conv3x3()) in stock burn operations: a permutation to channels-first, `conv2d`, and back.
///
/// # Panics
///
/// As [`conv3x3`](super::conv3x3()).
pub fn conv3x3_reference(x: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4> {
    super::check(&x, &weight, stride);
    let options = ConvOptions::new([stride, stride], [1, 1], [1, 1], 1);
    conv2d(x.permute([0, 3, 1, 2]), weight, None, options).permute([0, 2, 3, 1])
}
