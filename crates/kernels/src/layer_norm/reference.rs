use burn::tensor::Tensor;

/// [`layer_norm`](super::layer_norm()) in stock burn operations.
///
/// # Panics
///
/// If the shapes do not fit.
pub fn layer_norm_reference<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = (centred.clone() * centred.clone()).mean_dim(D - 1);
    centred / variance.add_scalar(epsilon).sqrt() * gamma.unsqueeze::<D>() + beta.unsqueeze::<D>()
}
