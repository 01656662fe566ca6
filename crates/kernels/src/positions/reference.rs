use burn::tensor::Tensor;

/// [`add_positions`](super::add_positions()) in stock burn operations.
///
/// # Panics
///
/// If the shapes do not fit.
pub fn add_positions_reference(x: Tensor<3>, positions: Tensor<2>) -> Tensor<3> {
    x + positions.unsqueeze()
}
