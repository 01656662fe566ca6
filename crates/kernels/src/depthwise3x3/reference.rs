use burn::tensor::Tensor;

/// [`depthwise3x3`](super::depthwise3x3()) in stock burn operations.
///
/// # Panics
///
/// If the shapes do not fit.
pub fn depthwise3x3_reference(x: Tensor<4>, weight: Tensor<3>, bias: Tensor<1>) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    let weight = weight.reshape([1, 3, 3, channels]);
    let padded = x.pad([(1, 1), (1, 1), (0, 0)], 0.0);
    let mut sum = bias.reshape([1, 1, 1, channels]);
    for (row, column) in (0..3).flat_map(|row| (0..3).map(move |column| (row, column))) {
        let shifted = padded.clone().slice([0..batch, row..row + height, column..column + width, 0..channels]);
        sum = sum + shifted * weight.clone().slice([0..1, row..row + 1, column..column + 1, 0..channels]);
    }
    sum
}
